#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace shoal::controller {

/// What a process takes of the machine.
struct ProcessUsage {
  double cpu_seconds = 0;  ///< user and system, of all its threads, since it started
  std::uint64_t resident_bytes = 0;
  bool halted = false;  ///< by a signal (SIGSTOP)
};

/// Of that process now; nothing when there is none. `proc`: where procfs is.
std::optional<ProcessUsage> read_usage(std::int64_t pid, const std::string& proc = "/proc");

}  // namespace shoal::controller
