#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/instance.hpp"
#include "config/fleet_config.hpp"

namespace shoal::controller {

struct ControllerOptions {
  config::FleetConfig config;
  /// Reads the configuration again; with names only these instances, the others are as in `known`.
  std::function<config::Loaded(const std::vector<std::string>& names, const config::FleetConfig& known)> reload = {};
  config::Places places{};        ///< where its files are
  std::string worker_executable;  ///< path of shoal-worker
  std::string version;            ///< told by the API
  std::string machine_root{};     ///< where /proc and cgroups are, for tests
  /// Once, when every instance is ready or has failed to become so.
  std::function<void(const std::vector<api::Instance>&)> on_settled = {};
  /// One line for a person about what happens later. Empty function: nobody looks.
  std::function<void(std::string_view)> on_event = {};
};

/// How a controller ended.
struct ControllerEnd {
  std::vector<config::Problem> problems;  ///< what kept it from starting; then nothing was started
  bool execute_again = false;             ///< USR2: its workers serve on; the program is to be executed anew
};

/// Runs a fleet, with the workers of a controller before, until TERM, INT or a request ends it: then no worker, socket
/// or lock is left. Takes over these signals, USR1, USR2 and HUP of the process, unblocks them and ignores PIPE; HUP
/// reads the configuration again, or ends it when its terminal is gone. After USR2 they are blocked.
ControllerEnd run_controller(ControllerOptions options);

}  // namespace shoal::controller
