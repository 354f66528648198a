#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "fleet/supervisor.hpp"
#include "shoal/broker.hpp"

namespace shoal::controller {

/// What an instance counted since this controller began to hear of it: an instance counts from 0 whenever it is
/// started, its totals go on. What it counted after its last answer is missing when it ends without a last word, as by
/// a crash. Pure; one thread.
class Totals {
 public:
  /// An answer of the instance as it runs now.
  void heard(std::string_view name, const Stats& stats);
  /// The instance is in that state from now on.
  void changed(std::string_view name, fleet::State state);

  /// Counters and histograms are totals and never become less; gauges and alarm are those of the last answer, and
  /// nothing while the instance is not ready.
  Stats of(std::string_view name) const;
  /// Times it was started again by itself, after a crash or a start that failed.
  std::uint64_t restarts(std::string_view name) const;

 private:
  struct Instance {
    Stats before{};  // of all that have ended
    Stats now{};
    fleet::State state = fleet::State::stopped;
    std::uint64_t restarts = 0;
  };

  Instance& at(std::string_view name);
  const Instance* find(std::string_view name) const;

  std::map<std::string, Instance, std::less<>> instances_;
};

/// The same for the seconds of CPU that the processes of a worker used, one after the other.
class CpuTotals {
 public:
  /// `worker`: the same for all processes of a worker. Returns the total, with `seconds` of this process.
  double add(const std::string& worker, std::int64_t pid, double seconds);

 private:
  struct Worker {
    std::int64_t pid = 0;
    double before = 0;
    double now = 0;
  };

  std::map<std::string, Worker> workers_;
};

}  // namespace shoal::controller
