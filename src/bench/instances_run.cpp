#include "bench/instances_run.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "bench/peer.hpp"
#include "bench/stamp.hpp"

namespace shoal::bench {
namespace {

constexpr base::Duration kTryAgainAfter = base::milliseconds(100);
constexpr base::Duration kLinger = base::milliseconds(100);

struct Found {
  std::uint64_t first = 0;  // brokers whose first message is back
  std::uint64_t second = 0;
  std::uint64_t leaked = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t damaged = 0;
  Latencies first_message{};
};

/// The only client of its broker.
class Resident final : public Peer {
 public:
  Resident(Stage& stage, Roll& roll, const InstancesOptions& options, Found& found, std::uint32_t number,
           base::Time begin, std::string topic)
      : Peer(stage, roll, stage.settings().connection),
        options_(options),
        found_(found),
        number_(number),
        begin_(begin),
        topic_(std::move(topic)) {}

  std::uint32_t number() const { return number_; }
  bool heard(std::uint64_t sequence) const { return heard_ >= sequence; }
  void publish(std::uint64_t sequence) {
    std::array<std::uint8_t, Stamp::kBytes> payload;
    Stamp{stage_.run(), number_, sequence, begin_}.write(payload.data(), payload.size());
    Peer::publish({.topic = topic_, .payload = payload, .qos = static_cast<std::uint8_t>(options_.qos)});
  }

 private:
  void on_connected(const mqtt::Connack& connack) override {
    Peer::on_connected(connack);
    subscribe({topic_}, options_.qos);
  }
  void on_subscribed(std::uint16_t id, base::Bytes codes) override {
    Peer::on_subscribed(id, codes);
    publish(1);
  }
  void on_message(const mqtt::Publish& message) override {
    const auto stamp = Stamp::read(message.payload);
    if (!stamp) {
      ++found_.damaged;
    } else if (stamp->run != stage_.run() || stamp->publisher != number_) {
      ++found_.leaked;
    } else if (stamp->sequence <= heard_) {
      ++found_.duplicates;
    } else {
      heard_ = stamp->sequence;
      ++(heard_ == 1 ? found_.first : found_.second);
      if (heard_ == 1) found_.first_message.record(received_at_ - begin_);
    }
  }

  const InstancesOptions& options_;
  Found& found_;
  const std::uint32_t number_;
  const base::Time begin_;
  const std::string topic_;
  std::uint64_t heard_ = 0;
};

class Instances {
 public:
  Instances(Stage& stage, const InstancesOptions& options)
      : stage_(stage),
        options_(options),
        topic_(stage.root()),
        begin_(io::Reactor::read_clock()),
        residents_(stage.settings().brokers.size()) {
    roll_.collects = true;
    for (std::uint32_t i = 0; i < residents_.size(); ++i) waiting_.push_back({i, begin_});
  }

  Report run() {
    stage_.show([this](double) { return fmt::format("{} of {} instances answer", found_.first, residents_.size()); });
    stage_.wait([this] { return first_everywhere(); }, begin_ + options_.limit);
    const double seconds = std::chrono::duration<double>(io::Reactor::read_clock() - begin_).count();
    second_everywhere();
    tell(seconds);
    std::vector<Call> calls;
    for (const auto& resident : residents_) {
      if (resident) calls.push_back({resident.get(), nullptr});
    }
    conclude(stage_, report_, calls);
    return std::move(report_);
  }

 private:
  struct Attempt {
    std::uint32_t number;
    base::Time at;
  };

  /// Dials those whose time has come. Who is gone is tried again later.
  bool first_everywhere() {
    const base::Time now = io::Reactor::read_clock();
    for (Peer* gone : std::exchange(roll_.gone, {})) {
      const std::uint32_t number = static_cast<Resident*>(gone)->number();
      if (residents_[number]->heard(1)) continue;
      residents_[number].reset();
      waiting_.push_back({number, now + kTryAgainAfter});
      --dialing_;
    }
    std::vector<Attempt> later;
    for (const Attempt& attempt : waiting_) {
      if (attempt.at > now || dialing_ - found_.first >= stage_.settings().concurrency) {
        later.push_back(attempt);
        continue;
      }
      ++dialing_;
      residents_[attempt.number] =
          std::make_unique<Resident>(stage_, roll_, options_, found_, attempt.number, begin_, topic_);
      residents_[attempt.number]->dial(stage_.settings().brokers[attempt.number]);
    }
    waiting_ = std::move(later);
    tick_.wake(stage_.reactor(), waiting_.empty() ? base::kNever : now + kTryAgainAfter);
    return found_.first == residents_.size();
  }

  void second_everywhere() {
    for (const auto& resident : residents_) {
      if (resident && resident->heard(1) && resident->connected()) resident->publish(2);
    }
    const std::uint64_t expected = found_.first;
    stage_.wait([&] { return found_.second >= expected; }, io::Reactor::read_clock() + options_.limit, 2);
    stage_.linger(kLinger);
  }

  void tell(double seconds) {
    const std::uint64_t silent = residents_.size() - found_.first;
    report_.add("scenario", std::string("instances"));
    report_.add("instances", std::uint64_t{residents_.size()});
    report_.add("qos", std::uint64_t{options_.qos});
    report_.add("seconds", seconds);
    report_.add("working", found_.first);
    report_.add("silent", silent);
    report_.add("first_message", found_.first_message);
    report_.add("second_missing", found_.first - found_.second);
    report_.add("leaked", found_.leaked);
    report_.add("duplicates", found_.duplicates);
    report_.add("damaged", found_.damaged);
    if (silent != 0 && !stage_.interrupted()) {
      report_.fault(fmt::format("{} instances did not answer in time{}", silent,
                                roll_.first_loss.empty() ? "" : "; " + roll_.first_loss));
    }
    if (found_.first != found_.second) {
      report_.fault(fmt::format("the second message is missing on {} instances", found_.first - found_.second));
    }
    if (found_.leaked != 0) report_.fault(fmt::format("{} messages came from another instance", found_.leaked));
    if (found_.duplicates != 0 && options_.qos != 1) {
      report_.fault(fmt::format("{} messages delivered more than once", found_.duplicates));
    }
    if (found_.damaged != 0) report_.fault(fmt::format("{} messages not what was sent", found_.damaged));
  }

  /// Makes a turn at some time although nothing happens.
  class Tick final : public io::Timer {
   public:
    void wake(io::Reactor& reactor, base::Time at) {
      if (at == base::kNever) reactor.timers().cancel(*this);
      else if (!armed()) reactor.timers().arm(*this, at);
    }

   private:
    void on_deadline(base::Time) override {}
  };

  Stage& stage_;
  const InstancesOptions& options_;
  const std::string topic_;
  const base::Time begin_;
  Report report_;
  Roll roll_;
  Found found_;
  Tick tick_;
  std::vector<std::unique_ptr<Resident>> residents_;
  std::vector<Attempt> waiting_;
  std::uint64_t dialing_ = 0;  // with a resident
};

}  // namespace

Report run_instances(Stage& stage, const InstancesOptions& options) { return Instances(stage, options).run(); }

}  // namespace shoal::bench
