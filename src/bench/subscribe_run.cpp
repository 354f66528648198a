#include "bench/subscribe_run.hpp"

#include <fmt/format.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "bench/faults.hpp"
#include "bench/pattern.hpp"
#include "bench/peer.hpp"
#include "bench/rate.hpp"
#include "bench/stamp.hpp"
#include "bench/stream_check.hpp"
#include "bench/usage.hpp"
#include "mqtt/topic_name.hpp"

namespace shoal::bench {
namespace {

struct Input {
  std::uint64_t received = 0;
  std::uint64_t bytes = 0;    // of payloads
  std::uint64_t stamped = 0;  // sent by a bench
  Faults faults{};
  Latencies latency{};
};

class Listener final : public Peer {
 public:
  Listener(Stage& stage, Roll& roll, Input& input, bool checks)
      : Peer(stage, roll, stage.settings().connection), input_(input), checks_(checks) {}

  std::uint64_t missing() const {
    std::uint64_t count = 0;
    for (const auto& [publisher, check] : streams_) count += check.missing(check.highest());
    return count;
  }

 private:
  void on_message(const mqtt::Publish& message) override {
    ++input_.received;
    input_.bytes += message.payload.size();
    // A retained one is from some other time, and of others the stamp means nothing.
    const auto stamp = message.retain ? std::nullopt : Stamp::read(message.payload);
    if (!stamp || stamp->sent > received_at_ || received_at_ - stamp->sent > kOldest) return;
    ++input_.stamped;
    input_.latency.record(received_at_ - stamp->sent);
    if (!checks_) return;
    const auto [place, is_new] = streams_.try_emplace(std::uint64_t{stamp->run} << 32 | stamp->publisher);
    if (is_new) place->second.begin_at(stamp->sequence);
    switch (place->second.see(stamp->sequence)) {
      case StreamCheck::Seen::next: break;
      case StreamCheck::Seen::late: ++input_.faults.out_of_order; break;
      case StreamCheck::Seen::duplicate: ++input_.faults.duplicates; break;
    }
  }

  static constexpr base::Duration kOldest = std::chrono::minutes(10);

  Input& input_;
  const bool checks_;
  std::unordered_map<std::uint64_t, StreamCheck> streams_;  // by run and publisher
};

}  // namespace

Report run_subscribe(Stage& stage, const SubscribeOptions& options) {
  Input input;
  Roll roll;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<Call> calls;
  for (const Broker& broker : stage.settings().brokers) {
    for (std::uint32_t i = 0; i < options.clients; ++i) {
      listeners.push_back(std::make_unique<Listener>(stage, roll, input, !mqtt::is_shared(options.filter)));
      calls.push_back({listeners.back().get(), &broker});
    }
  }
  Report report;
  report.add("scenario", std::string("sub"));
  report.add("clients", std::uint64_t{listeners.size()});
  report.add("qos", std::uint64_t{options.qos});
  bool stands = connect_all(stage, roll, calls);
  if (stands) {
    for (std::size_t i = 0; i < listeners.size(); ++i) {
      listeners[i]->subscribe({numbered(options.filter, static_cast<std::uint32_t>(i % options.clients))}, options.qos);
    }
    stands = await_subscriptions(stage, roll);
  }
  if (stands) {
    stage.show([&, rate = Rate()](double seconds) mutable {
      return fmt::format("{} messages/s received, {} in all", to_text(rate.look(input.received, seconds)),
                         input.received);
    });
    Usage usage(stage);
    const base::Time end =
        options.length > base::Duration::zero() ? io::Reactor::read_clock() + options.length : base::kNever;
    stage.wait([&] { return options.count != 0 && input.received >= options.count; }, end);
    usage.end();
    report.add("seconds", usage.seconds());
    report.add("received", input.received);
    report.add("received_per_s", static_cast<double>(input.received) / usage.seconds());
    report.add("payload_bytes_per_s", static_cast<double>(input.bytes) / usage.seconds());
    report.add("checked", input.stamped);
    report.add("latency", input.latency);
    usage.add_cpu(report, "message", input.received);
    usage.add_cores(report);
    Faults faults = input.faults;
    for (const auto& listener : listeners) faults.lost += listener->missing();
    report.add(faults, options.qos);
    if (options.count != 0 && input.received < options.count && !stage.interrupted() && !stage.failed()) {
      report.fault(fmt::format("{} of {} messages came in time", input.received, options.count));
    }
  }
  conclude(stage, report, calls);
  return report;
}

}  // namespace shoal::bench
