#pragma once

#include <optional>
#include <string>

#include "config/fleet_config.hpp"

namespace shoal::fleet {

/// A process that has a port.
struct PortHolder {
  std::string program;
  int pid = 0;
};

/// The process whose socket keeps `listener` (which has a port) from being bound. Nothing when there
/// is none or it cannot be seen, e.g. because it is another user's. `proc` is where procfs is.
/// Reads all descriptors of all processes: for error messages only.
std::optional<PortHolder> find_port_holder(const config::ListenerConfig& listener, const std::string& proc = "/proc");

}  // namespace shoal::fleet
