#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "shoal/result.hpp"

namespace shoal::bench {

/// CPU time, memory and wake-ups of a broker's processes, from /proc. A value.
class BrokerMeter {
 public:
  struct Reading {
    double cpu_us = 0;           ///< of all threads
    std::uint64_t wake_ups = 0;  ///< how often a thread waited for something
    std::uint64_t pss_bytes = 0;
  };

  BrokerMeter() = default;
  /// `proc`: another place, for tests.
  explicit BrokerMeter(std::vector<pid_t> pids, std::string proc = "/proc")
      : pids_(std::move(pids)), proc_(std::move(proc)) {}

  bool given() const { return !pids_.empty(); }
  /// Error: a process is gone, or its figures may not be read.
  Result<Reading> read() const;

 private:
  std::vector<pid_t> pids_;
  std::string proc_ = "/proc";
};

/// CPU time of this process, in microseconds.
double own_cpu_us();

}  // namespace shoal::bench
