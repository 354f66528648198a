#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/fleet_config.hpp"

namespace shoal::fleet {

/// An instance as the fleet has it now.
struct Observed {
  const config::InstanceConfig* config = nullptr;  ///< what it was told to be last
  /// What its worker serves with; null: it does not run. Other than `config` where a restart is due.
  const config::InstanceConfig* serves = nullptr;
  bool held = false;    ///< stopped by hand: it stays so until it is started by hand
  bool failed = false;  ///< it stays down unless something changes
};

/// What has to be done with one instance. At most one for each.
struct Step {
  enum class Kind {
    create,   ///< it is new
    change,   ///< it has other values; a running one goes over to those that need no restart
    start,    ///< it is enabled and does not run
    restart,  ///< what it serves with needs a restart to become what it was told to be
    remove,   ///< it is not there any more
  };
  Kind kind = Kind::change;
  std::string name;
  std::vector<config::Change> changes;  ///< of `change`; of `restart`: those that need it
  bool starts = false;                  ///< of `create` and `change`: it runs afterwards and does not now
  bool stops = false;                   ///< of `change`: it does not run afterwards and does now
  bool restarts = false;                ///< of `change`: and is restarted for what needs it

  bool operator==(const Step&) const = default;
};

std::string_view to_string(Step::Kind kind);

/// The way from what is to what is wanted.
struct Plan {
  std::vector<Step> steps;  ///< removals first, so that what they give up is free; then by the configuration
  /// Restarts that are due and not in the steps: the changes that wait for them.
  std::vector<Step> due;
};

struct PlanOptions {
  bool restart = false;  ///< restart what needs it; otherwise it is `due`
};

/// Pure. Carrying out the steps makes every instance what `desired` says, but for what is `due` or held; after that
/// the plan is empty.
Plan make_plan(std::span<const config::InstanceConfig> desired, std::span<const Observed> observed,
               PlanOptions options = {});

/// `desired`, but with the values of `serves` where a restart is needed for others: what a running instance goes
/// over to.
config::InstanceConfig without_restart(const config::InstanceConfig& serves, const config::InstanceConfig& desired);

}  // namespace shoal::fleet
