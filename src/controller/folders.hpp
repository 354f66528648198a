#pragma once

#include <string>
#include <vector>

#include "config/fleet_config.hpp"
#include "shoal/result.hpp"

namespace shoal::controller {

/// Makes the folders that a fleet writes to, where they are missing: run (0700), logs when they are files, and the
/// state of the instances named, or of all (0750). Error: which one, why, and what to do without root.
Result<void> make_folders(const config::FleetConfig& config, const std::vector<std::string>& names = {});

}  // namespace shoal::controller
