#include "bench/publish_run.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "bench/due_queue.hpp"
#include "bench/pacer.hpp"
#include "bench/pattern.hpp"
#include "bench/peer.hpp"
#include "bench/rate.hpp"
#include "bench/stamp.hpp"
#include "bench/usage.hpp"

namespace shoal::bench {
namespace {

constexpr base::Duration kLastLimit = base::seconds(10);  // for what is due and not sent or acknowledged at the end

struct Output {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t refused = 0;
  Latencies acknowledgement{};
  Latencies send_lag{};
};

class Feeder final : public Peer {
 public:
  Feeder(Stage& stage, Roll& roll, const PublishOptions& options, Output& output, std::uint32_t number)
      : Peer(stage, roll, stage.settings().connection),
        options_(options),
        output_(output),
        number_(number),
        topic_(numbered(options.topic, number)),
        payload_(options.payload_bytes, 'x') {
    if (options.qos != 0) due_by_id_.resize(UINT16_MAX + 1u);
  }

  void add_due(base::Time due, base::Time now) {
    due_.add(due);
    send_due(now);
  }
  std::uint64_t unsent() const { return due_.size(); }

 private:
  void on_published(std::uint16_t id, mqtt::ReasonCode code) override {
    ++output_.answered;
    output_.refused += mqtt::is_error(code);
    output_.acknowledgement.record(received_at_ - due_by_id_[id]);
    send_due(received_at_);
  }
  void on_room() override { send_due(io::Reactor::read_clock()); }

  void send_due(base::Time now) {
    for (; !due_.empty(); due_.pop()) {
      const base::Time due = due_.front();
      Stamp{stage_.run(), number_, sequence_ + 1, due}.write(payload_.data(), payload_.size());
      const auto sent = publish({.topic = topic_,
                                 .payload = payload_,
                                 .qos = static_cast<std::uint8_t>(options_.qos),
                                 .retain = options_.retain});
      if (!sent) return;
      ++sequence_;
      ++output_.sent;
      output_.send_lag.record(now - due);
      if (options_.qos != 0) due_by_id_[*sent] = due;
    }
  }

  const PublishOptions& options_;
  Output& output_;
  const std::uint32_t number_;
  const std::string topic_;
  std::vector<std::uint8_t> payload_;
  std::vector<base::Time> due_by_id_;
  std::uint64_t sequence_ = 0;
  DueQueue due_;
};

}  // namespace

Report run_publish(Stage& stage, const PublishOptions& options) {
  Output output;
  Roll roll;
  std::vector<std::unique_ptr<Feeder>> feeders;
  std::vector<Call> calls;
  // Turn by turn through the brokers, so that the load is even from the first message on.
  for (std::uint32_t i = 0; i < options.clients; ++i) {
    for (const Broker& broker : stage.settings().brokers) {
      feeders.push_back(std::make_unique<Feeder>(stage, roll, options, output, i));
      calls.push_back({feeders.back().get(), &broker});
    }
  }
  Report report;
  report.add("scenario", std::string("pub"));
  report.add("clients", std::uint64_t{feeders.size()});
  report.add("qos", std::uint64_t{options.qos});
  report.add("payload_bytes", std::uint64_t{options.payload_bytes});
  report.add("rate", options.rate);
  if (connect_all(stage, roll, calls)) {
    const auto unsent = [&] {
      std::uint64_t all = 0;
      for (const auto& feeder : feeders) all += feeder->unsent();
      return all;
    };
    stage.show([&, rate = Rate()](double seconds) mutable {
      return fmt::format("{} messages/s sent, {} in all{}", to_text(rate.look(output.sent, seconds)), output.sent,
                         options.qos == 0 ? "" : fmt::format(", {} acknowledged", output.answered));
    });
    Usage usage(stage);
    const Pace pace(io::Reactor::read_clock(), options.rate);
    base::Time end = options.length > base::Duration::zero() ? pace.due(0) + options.length : base::kNever;
    if (options.count != 0) end = std::min(end, pace.due(options.count));
    bool sending = true;
    Pacer pacer(stage.reactor(), pace, end, [&](std::uint64_t n, base::Time due, base::Time now) {
      if (sending) feeders[n % feeders.size()]->add_due(due, now);
    });
    if (!pacer.works()) stage.fail(pacer.works().error().message);
    stage.wait([&] { return pacer.ended(); }, end);
    sending = false;
    const auto settled = [&] { return unsent() == 0 && (options.qos == 0 || output.answered == output.sent); };
    stage.wait(settled, io::Reactor::read_clock() + kLastLimit, 2);
    usage.end();
    report.add("seconds", usage.seconds());
    report.add("sent", output.sent);
    report.add("sent_per_s", static_cast<double>(output.sent) / usage.seconds());
    report.add("send_lag", output.send_lag);
    if (options.qos != 0) {
      report.add("acknowledged", output.answered);
      report.add("acknowledgement", output.acknowledgement);
    }
    usage.add_cpu(report, "sent_message", output.sent);
    usage.add_cores(report);
    report.add("refused", output.refused);
    if (output.refused != 0) report.fault(fmt::format("{} messages refused by the broker", output.refused));
    if (!settled() && !stage.failed()) {
      report.fault(fmt::format("{} messages not sent and {} not acknowledged: the rate is too high", unsent(),
                               options.qos == 0 ? 0 : output.sent - output.answered));
    }
  }
  conclude(stage, report, calls);
  return report;
}

}  // namespace shoal::bench
