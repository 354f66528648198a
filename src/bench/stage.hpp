#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/broker_meter.hpp"
#include "bench/report.hpp"
#include "client/options.hpp"
#include "io/reactor.hpp"
#include "io/socket.hpp"

namespace shoal::bench {

/// One broker to load.
struct Broker {
  std::string name;  ///< for messages: `HOST:PORT`, or the instance's name
  std::vector<io::Endpoint> endpoints;
};

/// What all runs have in common.
struct Settings {
  std::vector<Broker> brokers{};  ///< each gets the whole load
  client::Options connection{};
  BrokerMeter meter{};
  std::uint32_t concurrency = 64;                  ///< connections being made at a time
  base::Duration setup_limit = base::seconds(30);  ///< for all connections and subscriptions
  /// A line for people, once a second.
  std::function<void(const std::string&)> progress{};
};

/// Where a run takes place: it is written from top to bottom, and waits here while the reactor turns. A resource of
/// one thread. Every wait has a limit.
class Stage final : private io::Timer {
 public:
  Stage(io::Reactor& reactor, const Settings& settings);

  enum class Waited {
    done,     ///< the condition holds
    late,     ///< the limit is reached
    stopped,  ///< interrupted, or something failed
  };
  /// Turns until `done()`, which is asked after every turn. `interrupts`: how many it takes to end this wait.
  Waited wait(const std::function<bool()>& done, base::Time limit, unsigned interrupts = 1);

  /// Turns for so long, for what may still come; the first interrupt does not end it.
  void linger(base::Duration length);
  /// For duplicates that come late.
  static constexpr base::Duration kForDuplicates = base::milliseconds(50);
  /// For the broker to let go what it needed only for a moment.
  static constexpr base::Duration kSettle = base::milliseconds(500);
  /// Somebody wants it to end; from within a turn.
  void interrupt() { ++interrupts_; }
  bool interrupted() const { return interrupts_ > 0; }
  /// The load cannot go on; from within a turn. The first reason counts.
  void fail(const std::string& why);
  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }

  /// What the progress line says from here on; asked once a second with the seconds since it was last asked.
  void show(std::function<std::string(double seconds)> line) { line_ = std::move(line); }
  /// After a turn that brought fewer than 64 of what `messages` counts, sleep so long, so that work comes in batches.
  void nap(base::Duration duration, std::function<std::uint64_t()> messages);

  io::Reactor& reactor() { return reactor_; }
  const Settings& settings() const { return settings_; }
  /// Of this run, for stamps.
  std::uint32_t run() const { return run_; }
  /// The first level of its topics, and the beginning of its client ids.
  const std::string& root() const { return root_; }
  /// As devices have them: of a broker's choosing, they cost it other time and memory.
  std::string new_client_id();
  base::Time now() const { return reactor_.now(); }

 private:
  void on_deadline(base::Time now) override;
  void rest();

  io::Reactor& reactor_;
  const Settings& settings_;
  const std::uint32_t run_;
  const std::string root_;
  std::uint64_t client_ids_ = 0;
  unsigned interrupts_ = 0;
  std::string failure_;
  std::function<std::string(double)> line_;
  base::Time limit_ = base::kNever;
  base::Time shown_;
  base::Time next_line_;
  base::Duration nap_{};
  std::function<std::uint64_t()> messages_;
  std::uint64_t messages_before_ = 0;
};

}  // namespace shoal::bench
