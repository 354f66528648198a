#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/fleet_config.hpp"

namespace shoal::fleet {

/// What the machine has for a fleet. What cannot be read is empty.
struct MachineFacts {
  std::optional<std::uint64_t> descriptors_soft;    ///< of this process
  std::optional<std::uint64_t> descriptors_hard;    ///< of any process of this user
  std::optional<std::uint64_t> descriptors_system;  ///< of all processes together
  std::optional<std::uint64_t> memory_bytes;        ///< of the machine, or of this process' cgroup when that is less
  bool memory_of_cgroup = false;
  std::optional<std::uint64_t> somaxconn;
  config::PortRange ephemeral{0, 0};             ///< where the kernel takes ports for outgoing connections
  std::optional<std::uint64_t> disk_free_bytes;  ///< where the state is
};

/// Reads them. `root`: where /proc and /sys are, for tests.
MachineFacts read_machine(const config::FleetConfig& fleet, const std::string& root = "");

/// One thing that was looked at.
struct Finding {
  enum class Level {
    ok,
    warn,  ///< the fleet runs, but cannot have all that it may use
    fail,  ///< something of it cannot run
  };
  Level level = Level::ok;
  std::string what;    ///< `descriptors`, `memory` …
  std::string detail;  ///< what the fleet may use, and what there is
  std::string mend{};  ///< what to do; empty with `ok`
};

/// Adds up what the fleet may use and compares. Of external brokers only the ports are known. Pure.
std::vector<Finding> preflight(const config::FleetConfig& fleet, const MachineFacts& machine);

}  // namespace shoal::fleet
