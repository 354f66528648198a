#include "bench/retained_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "bench/faults.hpp"
#include "bench/peer.hpp"
#include "bench/stamp.hpp"
#include "bench/usage.hpp"

namespace shoal::bench {
namespace {

struct Counts {
  std::uint64_t stored = 0;
  std::uint64_t refused = 0;
  std::uint64_t received = 0;
  std::uint64_t without_flag = 0;
  Faults faults{};
  base::Time last{};
};

/// Publishes every message, or empty ones in their place, with a window.
class Keeper final : public Peer {
 public:
  Keeper(Stage& stage, Roll& roll, const client::Options& connection, const RetainedOptions& options, Counts& counts,
         std::uint32_t run, std::string root)
      : Peer(stage, roll, connection),
        options_(options),
        counts_(counts),
        run_(run),
        root_(std::move(root)),
        payload_(options.payload_bytes, 'x') {}

  void store() { publish_all(false); }
  void clear() { publish_all(true); }
  /// The broker has had everything.
  bool settled() const { return next_ == options_.count && unacknowledged_ == 0; }

 private:
  void publish_all(bool empty) {
    empty_ = empty;
    next_ = 0;
    go_on();
  }
  void on_published(std::uint16_t, mqtt::ReasonCode code) override {
    --unacknowledged_;
    if (mqtt::is_error(code)) ++counts_.refused;
    else if (!empty_) ++counts_.stored;
    if (unacknowledged_ * 2 <= options_.window) go_on();
  }
  void on_room() override { go_on(); }
  void go_on() {
    const base::Time now = io::Reactor::read_clock();
    for (; next_ < options_.count; ++next_) {
      Stamp{run_, 0, next_ + 1, now}.write(payload_.data(), payload_.size());
      topic_ = root_;
      topic_ += '/';
      topic_ += std::to_string(next_);
      const auto sent = publish({.topic = topic_,
                                 .payload = empty_ ? base::Bytes() : base::Bytes(payload_),
                                 .qos = static_cast<std::uint8_t>(options_.qos),
                                 .retain = true});
      if (!sent) return;
      unacknowledged_ += options_.qos != 0;
    }
    // At QoS 0 an answer to something behind them tells that they were read.
    if (options_.qos == 0) {
      if (!empty_) counts_.stored += options_.count;
      subscribe({root_ + "-read"}, 0);
    }
  }

  const RetainedOptions& options_;
  Counts& counts_;
  const std::uint32_t run_;
  const std::string root_;
  std::vector<std::uint8_t> payload_;
  std::string topic_;
  std::uint32_t next_ = 0;
  std::uint32_t unacknowledged_ = 0;
  bool empty_ = false;
};

/// Asks for all of them.
class Asker final : public Peer {
 public:
  Asker(Stage& stage, Roll& roll, const RetainedOptions& options, Counts& counts, std::uint32_t run)
      : Peer(stage, roll, stage.settings().connection), counts_(counts), run_(run), seen_(options.count, false) {}

  std::uint64_t missing() const { return static_cast<std::uint64_t>(std::count(seen_.begin(), seen_.end(), false)); }

 private:
  void on_message(const mqtt::Publish& message) override {
    const auto stamp = Stamp::read(message.payload);
    if (!stamp || stamp->sequence > seen_.size()) {
      ++counts_.faults.damaged;
    } else if (stamp->run != run_) {
      ++counts_.faults.misdelivered;
    } else if (seen_[stamp->sequence - 1]) {
      ++counts_.faults.duplicates;
    } else {
      seen_[stamp->sequence - 1] = true;
      ++counts_.received;
      counts_.without_flag += !message.retain;
      counts_.last = received_at_;
    }
  }

  Counts& counts_;
  const std::uint32_t run_;
  std::vector<bool> seen_;
};

class Retained {
 public:
  Retained(Stage& stage, const RetainedOptions& options) : stage_(stage), options_(options), root_(stage.root()) {
    client::Options storing = stage.settings().connection;
    storing.inflight_max = static_cast<std::uint16_t>(options.window);
    const auto& brokers = stage.settings().brokers;
    for (std::uint32_t i = 0; i < brokers.size(); ++i) {
      const std::uint32_t run = stage.run() + i;
      keepers_.push_back(std::make_unique<Keeper>(stage, roll_, storing, options, counts_, run, root_));
      calls_.push_back({keepers_.back().get(), &brokers[i]});
      for (std::uint32_t k = 0; k < options.subscribers; ++k) {
        askers_.push_back(std::make_unique<Asker>(stage, roll_, options, counts_, run));
        calls_.push_back({askers_.back().get(), &brokers[i]});
      }
    }
  }

  Report run() {
    report_.add("scenario", std::string("retained"));
    report_.add("brokers", std::uint64_t{keepers_.size()});
    report_.add("subscribers", std::uint64_t{options_.subscribers});
    report_.add("qos", std::uint64_t{options_.qos});
    report_.add("payload_bytes", std::uint64_t{options_.payload_bytes});
    if (connect_all(stage_, roll_, calls_)) {
      if (store()) ask();
      clear();
    }
    conclude(stage_, report_, calls_);
    return std::move(report_);
  }

 private:
  std::uint64_t total() const { return std::uint64_t{options_.count} * keepers_.size(); }
  bool settled() const {
    return roll_.subscribing == 0 &&
           std::all_of(keepers_.begin(), keepers_.end(), [](const auto& k) { return k->settled(); });
  }

  bool store() {
    stage_.show([this](double) { return fmt::format("{} of {} stored", counts_.stored, total()); });
    Usage usage(stage_);
    for (const auto& keeper : keepers_) keeper->store();
    const auto waited = stage_.wait([this] { return settled(); }, stage_.now() + stage_.settings().setup_limit);
    usage.end();
    report_.add("retained", counts_.stored);
    report_.add("store_seconds", usage.seconds());
    report_.add("stored_per_s", static_cast<double>(counts_.stored) / usage.seconds());
    usage.add_cpu(report_, "stored_message", counts_.stored);
    usage.add_memory(report_, "retained_message", counts_.stored);
    if (waited == Stage::Waited::late)
      stage_.fail("the messages were not stored in time; --setup SECONDS gives longer");
    if (counts_.refused != 0) report_.fault(fmt::format("{} messages refused by the broker", counts_.refused));
    return waited == Stage::Waited::done;
  }

  void ask() {
    const std::uint64_t expected = counts_.stored * options_.subscribers;
    stage_.show([this, expected](double) { return fmt::format("{} of {} received", counts_.received, expected); });
    Usage usage(stage_);
    const base::Time begin = io::Reactor::read_clock();
    counts_.last = begin;
    for (const auto& asker : askers_) asker->subscribe({root_ + "/#"}, options_.qos);
    stage_.wait([&] { return counts_.received >= expected; }, begin + stage_.settings().setup_limit);
    usage.end();
    stage_.linger(Stage::kForDuplicates);
    const double seconds = std::max(1e-9, std::chrono::duration<double>(counts_.last - begin).count());
    report_.add("seconds", seconds);
    report_.add("expected", expected);
    report_.add("delivered", counts_.received);
    report_.add("delivered_per_s", static_cast<double>(counts_.received) / seconds);
    usage.add_cpu(report_, "message", counts_.received);
    usage.add_cores(report_);
    Faults faults = counts_.faults;
    for (const auto& asker : askers_) faults.lost += asker->missing();
    faults.lost -= std::min(faults.lost, counts_.refused * options_.subscribers);
    report_.add(faults, 2);  // to a new subscription each is sent once, whatever the QoS
    if (counts_.without_flag != 0) {
      report_.fault(fmt::format("{} messages without the retain flag", counts_.without_flag));
    }
  }

  void clear() {
    stage_.show([](double) { return std::string("clearing"); });
    for (const auto& keeper : keepers_) keeper->clear();
    stage_.wait([this] { return settled(); }, io::Reactor::read_clock() + stage_.settings().setup_limit, 2);
  }

  Stage& stage_;
  const RetainedOptions& options_;
  const std::string root_;
  Report report_;
  Roll roll_;
  Counts counts_;
  std::vector<std::unique_ptr<Keeper>> keepers_;
  std::vector<std::unique_ptr<Asker>> askers_;
  std::vector<Call> calls_;
};

}  // namespace

Report run_retained(Stage& stage, const RetainedOptions& options) { return Retained(stage, options).run(); }

}  // namespace shoal::bench
