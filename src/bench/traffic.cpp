#include "bench/traffic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "bench/pacer.hpp"
#include "bench/rate.hpp"
#include "bench/usage.hpp"

namespace shoal::bench {
namespace {

constexpr base::Duration kRescueAfter = base::milliseconds(1);
constexpr base::Duration kStallAfter = base::seconds(1);
constexpr base::Duration kQuietStep = base::milliseconds(200);
constexpr unsigned kQuietSteps = 5;  // so many without anything: nothing comes any more
constexpr base::Duration kDrainLimit = base::seconds(60);
constexpr base::Duration kNap = std::chrono::microseconds(200);
constexpr std::uint64_t kNapOutstanding = 500;  // with fewer on their way a nap could be what limits the rate

/// One run, from connecting to leaving.
class Traffic final : private io::Timer {
 public:
  Traffic(Stage& stage, const TrafficOptions& options) : stage_(stage), options_(options) {
    const auto& brokers = stage.settings().brokers;
    for (std::uint32_t i = 0; i < brokers.size(); ++i) {
      lanes_.push_back(std::make_unique<Lane>(stage, options, brokers[i], i, tally_, roll_));
      Lane& lane = *lanes_.back();
      for (const auto& receiver : lane.receivers()) receivers_.push_back({receiver.get(), &lane.broker()});
      for (const auto& sender : lane.senders()) senders_.push_back(sender.get());
    }
    calls_ = receivers_;
    for (const auto& lane : lanes_) {
      for (const auto& sender : lane->senders()) calls_.push_back({sender.get(), &lane->broker()});
    }
  }

  Report run() {
    describe();
    if (connect_all(stage_, roll_, calls_) && subscribe_all()) load();
    if (!loaded_ && !stage_.failed()) report_.fault("interrupted before the load began");
    conclude(stage_, report_, calls_);
    return std::move(report_);
  }

 private:
  bool open_loop() const { return options_.rate > 0; }
  std::uint64_t activity() const { return tally_.delivered + tally_.answers; }

  void describe() {
    report_.add("scenario", std::string(open_loop() ? "latency" : "throughput"));
    report_.add("map", std::string(to_string(options_.mapping.kind)));
    report_.add("brokers", std::uint64_t{lanes_.size()});
    report_.add("publishers", std::uint64_t{options_.mapping.publishers});
    report_.add("subscribers", std::uint64_t{options_.mapping.subscribers});
    report_.add("qos", std::uint64_t{options_.qos});
    report_.add("payload_bytes", std::uint64_t{options_.payload_bytes});
    if (open_loop()) report_.add("rate", options_.rate);
    else report_.add("window", std::uint64_t{options_.window});
  }

  bool subscribe_all() {
    Usage usage(stage_);
    for (const auto& lane : lanes_) {
      for (const auto& receiver : lane->receivers()) receiver->subscribe(receiver->filters(), options_.qos);
    }
    if (!await_subscriptions(stage_, roll_)) return false;
    usage.end();
    if (options_.mapping.kind != Mapping::Kind::cells) return true;
    const double seconds = usage.seconds();
    stage_.linger(Stage::kSettle);
    usage.end();
    const std::uint64_t count = std::uint64_t{options_.cells} * lanes_.size();
    report_.add("subscriptions", count);
    report_.add("subscribe_seconds", seconds);
    usage.add_cpu(report_, "subscription", count);
    usage.add_memory(report_, "subscription", count);
    return true;
  }

  void load() {
    loaded_ = true;
    Usage usage(stage_);
    begin();
    const auto enough = [this] { return options_.count != 0 && tally_.sent >= options_.count * senders_.size(); };
    stage_.wait(enough, end_);
    const base::Time ended = io::Reactor::read_clock();
    tally_.sending = false;
    tally_.measure_until = std::min(tally_.measure_until, ended);
    stage_.show({});
    drain();
    usage.end();
    // Not measured, but not missed either.
    stage_.linger(Stage::kForDuplicates);
    stage_.reactor().timers().cancel(*this);
    pacer_.reset();
    tell(usage, ended);
  }

  void begin() {
    const base::Time begin = io::Reactor::read_clock();
    tally_.measure_from = begin + options_.warmup;
    end_ = tally_.measure_from + options_.length;
    tally_.measure_until = end_;
    tally_.sending = true;
    tally_.last_delivery = begin;
    stage_.nap(nap(), [this] { return activity(); });
    stage_.show([this, rate = Rate()](double seconds) mutable {
      return fmt::format("{:.0f} messages/s delivered, {} sent, {} on their way, p99 {} us",
                         rate.look(tally_.delivered, seconds), tally_.sent,
                         tally_.expected - std::min(tally_.expected, tally_.delivered),
                         to_text(tally_.latency.quantile_us(0.99)));
    });
    if (open_loop()) {
      pacer_ = std::make_unique<Pacer>(stage_.reactor(), Pace(begin, options_.rate), end_,
                                       [this](std::uint64_t n, base::Time due, base::Time now) {
                                         // What is due while nobody wants it any more is not sent.
                                         if (tally_.sending) senders_[n % senders_.size()]->add_due(due, now);
                                       });
      if (!pacer_->works()) stage_.fail(pacer_->works().error().message);
      return;
    }
    for (Sender* sender : senders_) sender->refill(true);
    last_activity_at_ = begin;
    stage_.reactor().timers().arm(*this, begin + kRescueAfter);
  }

  base::Duration nap() const {
    if (options_.nap) return *options_.nap;
    std::uint64_t outstanding = 0;
    for (std::uint32_t i = 0; i < options_.mapping.publishers; ++i) outstanding += options_.mapping.copies(i);
    outstanding *= std::uint64_t{options_.window} * lanes_.size();
    return !open_loop() && outstanding >= kNapOutstanding ? kNap : base::Duration::zero();
  }

  /// A window that is less than half free may wait for a broker that waits for our kernel, and a lost message is
  /// waited for by nobody else.
  void on_deadline(base::Time now) override {
    if (!tally_.sending) return;
    if (activity() != last_activity_) {
      last_activity_ = activity();
      last_activity_at_ = now;
    } else if (now - last_activity_at_ >= kStallAfter && options_.qos == 0) {
      ++stalls_;
      last_activity_at_ = now;
      for (Sender* sender : senders_) sender->write_off();
    } else {
      for (const Call& call : receivers_) call.peer->hurry();
      for (Sender* sender : senders_) sender->refill(true);
    }
    stage_.reactor().timers().arm(*this, now + kRescueAfter);
  }

  std::uint64_t unsent() const {
    std::uint64_t count = 0;
    for (const Sender* sender : senders_) count += sender->unsent();
    return count;
  }

  void drain() {
    const auto complete = [this] {
      return tally_.delivered >= tally_.expected && tally_.unacknowledged == 0 && unsent() == 0;
    };
    const base::Time limit = io::Reactor::read_clock() + kDrainLimit;
    for (unsigned quiet = 0; quiet < kQuietSteps && io::Reactor::read_clock() < limit;) {
      const std::uint64_t before = activity();
      if (stage_.wait(complete, io::Reactor::read_clock() + kQuietStep, 2) != Stage::Waited::late) return;
      quiet = activity() == before ? quiet + 1 : 0;
    }
  }

  void tell(const Usage& usage, base::Time ended) {
    // Of a run that ended by its count: until the last one was there.
    const base::Time until = options_.count != 0 && !stage_.interrupted()
                                 ? std::max(tally_.last_delivery, tally_.measure_from)
                                 : std::min(ended, end_);
    const double seconds = std::max(1e-9, std::chrono::duration<double>(until - tally_.measure_from).count());
    report_.add("seconds", seconds);
    report_.add("sent", tally_.sent);
    report_.add("expected", tally_.expected);
    report_.add("delivered", tally_.delivered);
    report_.add("delivered_per_s", static_cast<double>(tally_.measured) / seconds);
    report_.add("latency", tally_.latency);
    report_.add("send_lag", tally_.send_lag);
    usage.add_cpu(report_, "message", tally_.delivered);
    usage.add_cores(report_);
    Faults faults = tally_.faults;
    for (const auto& lane : lanes_) faults.lost += lane->lost();
    report_.add(faults, options_.qos);
    report_.add("unacknowledged", tally_.unacknowledged);
    if (tally_.unacknowledged != 0) report_.fault(fmt::format("{} messages not acknowledged", tally_.unacknowledged));
    if (open_loop()) {
      report_.add("unsent", unsent());
      if (unsent() != 0) report_.fault(fmt::format("{} messages could not be sent: the rate is too high", unsent()));
    }
    report_.add("stalls", stalls_);
  }

  Stage& stage_;
  const TrafficOptions& options_;
  Report report_;
  Tally tally_;
  Roll roll_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Call> receivers_;
  std::vector<Sender*> senders_;
  std::vector<Call> calls_;
  std::unique_ptr<Pacer> pacer_;
  base::Time end_{};
  bool loaded_ = false;
  std::uint64_t last_activity_ = 0;
  base::Time last_activity_at_{};
  std::uint64_t stalls_ = 0;
};

}  // namespace

Report run_traffic(Stage& stage, const TrafficOptions& options) { return Traffic(stage, options).run(); }

}  // namespace shoal::bench
