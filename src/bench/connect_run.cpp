#include "bench/connect_run.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "bench/peer.hpp"
#include "bench/rate.hpp"
#include "bench/usage.hpp"

namespace shoal::bench {
namespace {

constexpr base::Duration kCloseLimit = base::seconds(10);
constexpr std::uint64_t kBranches = 1'000;  // that the filters are below

void show_connects(Stage& stage, const Roll& roll, std::uint64_t count) {
  stage.show([&roll, count, rate = Rate()](double seconds) mutable {
    return fmt::format("{} of {} connected, {:.0f}/s", roll.connected, count, rate.look(roll.connected, seconds));
  });
}

/// Each is closed when it stands, and the next one follows.
class Passing {
 public:
  Passing(Stage& stage, std::uint64_t count) : stage_(stage), count_(count) { roll_.collects = true; }

  const Roll& roll() const { return roll_; }
  void run() {
    show_connects(stage_, roll_, count_);
    stage_.wait([this] { return step(); }, stage_.now() + stage_.settings().setup_limit);
    stage_.show({});
    for (const auto& visitor : visitors_) visitor->leave();
    const base::Time limit = io::Reactor::read_clock() + kCloseLimit;
    stage_.wait([this] { return bury(), visitors_.empty(); }, limit, 2);
  }

 private:
  class Visitor final : public Peer {
   public:
    Visitor(Stage& stage, Roll& roll, const client::Options& options, std::size_t at)
        : Peer(stage, roll, options), place(at) {}
    std::size_t place;

   private:
    void on_connected(const mqtt::Connack& connack) override {
      Peer::on_connected(connack);
      leave();
    }
  };

  void bury() {
    for (Peer* gone : std::exchange(roll_.gone, {})) {
      const std::size_t place = static_cast<Visitor*>(gone)->place;
      std::swap(visitors_[place], visitors_.back());
      visitors_[place]->place = place;
      visitors_.pop_back();
    }
  }
  bool step() {
    bury();
    const auto& brokers = stage_.settings().brokers;
    while (roll_.dialed < count_ && visitors_.size() < stage_.settings().concurrency && roll_.lost == 0) {
      visitors_.push_back(std::make_unique<Visitor>(stage_, roll_, stage_.settings().connection, visitors_.size()));
      visitors_.back()->dial(brokers[roll_.dialed % brokers.size()]);
    }
    return roll_.lost != 0 || (roll_.dialed == count_ && visitors_.empty());
  }

  Stage& stage_;
  const std::uint64_t count_;
  Roll roll_;
  std::vector<std::unique_ptr<Visitor>> visitors_;
};

void pass(Stage& stage, std::uint64_t count, Report& report) {
  Passing passing(stage, count);
  Usage usage(stage);
  passing.run();
  usage.end();
  const Roll& roll = passing.roll();
  report.add("connected", roll.connected);
  if (roll.connected != 0) {
    report.add("seconds", usage.seconds());
    report.add("connections_per_s", static_cast<double>(roll.connected) / usage.seconds());
    report.add("connack", roll.connack);
    usage.add_cpu(report, "connection", roll.connected);
    usage.add_cores(report);
  }
  if (roll.lost != 0) report.fault(roll.first_loss);
  else if (roll.connected < count && !stage.interrupted() && !stage.failed()) {
    report.fault(
        fmt::format("only {} of {} connected in time; --setup SECONDS gives them longer", roll.connected, count));
  }
  conclude(stage, report, {});
}

/// Subscribes as soon as it stands, as devices do.
class Holder final : public Peer {
 public:
  Holder(Stage& stage, Roll& roll, std::vector<std::string> filters)
      : Peer(stage, roll, stage.settings().connection), filters_(std::move(filters)) {}

 private:
  void on_connected(const mqtt::Connack& connack) override {
    Peer::on_connected(connack);
    if (!filters_.empty()) subscribe(std::exchange(filters_, {}), 0);
  }

  std::vector<std::string> filters_;
};

void hold(Stage& stage, const ConnectOptions& options, std::uint64_t count, Report& report) {
  const auto& brokers = stage.settings().brokers;
  Roll roll;
  std::vector<std::unique_ptr<Peer>> peers;
  std::vector<Call> calls;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::vector<std::string> filters;
    for (std::uint32_t k = 0; k < options.subscriptions; ++k) {
      filters.push_back(fmt::format("{}/{}/{}", stage.root(), i % kBranches, i * options.subscriptions + k));
    }
    peers.push_back(std::make_unique<Holder>(stage, roll, std::move(filters)));
    calls.push_back({peers.back().get(), &brokers[i % brokers.size()]});
  }
  show_connects(stage, roll, count);
  Usage usage(stage);
  Usage connecting(stage);
  const bool stands = connect_all(stage, roll, calls) && await_subscriptions(stage, roll);
  connecting.end();
  if (stands) stage.linger(Stage::kSettle);
  usage.end();
  stage.show([&roll](double) { return fmt::format("{} connections held", roll.connected - roll.ended); });
  Usage holding(stage);
  if (stands) stage.wait([] { return false; }, io::Reactor::read_clock() + options.held);
  holding.end();
  report.add("connected", roll.connected);
  report.add("subscriptions", roll.connected * options.subscriptions);
  report.add("seconds", connecting.seconds());
  report.add("connections_per_s", static_cast<double>(roll.connected) / connecting.seconds());
  report.add("connack", roll.connack);
  connecting.add_cpu(report, "connection", roll.connected);
  usage.add_memory(report, "connection", roll.connected);
  if (options.held > base::Duration::zero()) holding.add_wake_ups(report);
  connecting.add_cores(report);
  conclude(stage, report, calls);
}

}  // namespace

Report run_connects(Stage& stage, const ConnectOptions& options) {
  const std::uint64_t count = options.count * stage.settings().brokers.size();
  Report report;
  report.add("scenario", std::string("conn"));
  report.add("brokers", std::uint64_t{stage.settings().brokers.size()});
  report.add("connections", count);
  report.add("hold", options.hold);
  if (options.hold) hold(stage, options, count, report);
  else pass(stage, count, report);
  return report;
}

}  // namespace shoal::bench
