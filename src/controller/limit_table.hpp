#pragma once

#include <vector>

#include "api/limits.hpp"
#include "config/fleet_config.hpp"
#include "shoal/broker.hpp"

namespace shoal::controller {

/// All limits of an instance, in the order of the configuration's reference. `stats`: what its worker told; null: not
/// known. `worker`: as `Processes::limits`, put where they are written; the others of the worker are only named. Pure.
std::vector<api::Limit> limit_table(const config::InstanceConfig& instance, const Stats* stats,
                                    const std::vector<api::Limit>& worker);

}  // namespace shoal::controller
