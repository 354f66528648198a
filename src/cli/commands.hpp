#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.hpp"

// The commands as plain functions; fleet_commands.cpp gives them their options. Each sets
// `context.exit_code`.
namespace shoal::cli {

/// Says so, with exit code 5, when the fleet of this configuration is running.
bool runs_already(Context& context, const config::FleetConfig& config);

/// `run`, and what `up -d` starts: then `ready_fd` is a pipe that gets why it cannot start, or a zero
/// byte when the fleet is there.
/// `force`: also when something of it cannot run.
void run_fleet(Context& context, std::optional<int> ready_fd = std::nullopt, bool force = false);

/// `up -d`: starts the controller in the background; returns when every instance is ready or has failed
/// to become so.
void up_in_background(Context& context, std::chrono::seconds limit, bool force);

/// `down`: stops everything; returns when the controller is gone.
void down(Context& context, std::chrono::seconds limit);

void list_instances(Context& context, bool json);
void show_instance(Context& context, const std::string& name, bool json);

/// `clients`, `kick`.
void list_clients(Context& context, const std::string& name, bool json);
void kick_client(Context& context, const std::string& name, const std::string& client_id);

/// `events`: what happened, and with `follow` what does, one JSON object in a line.
void show_events(Context& context, bool follow);

struct TopOptions {
  std::string sort = "name";  ///< one of `top_columns`
  bool once = false;          ///< one table after a second, then the end
};
/// `top`: a table that is drawn again every 2 s until `q` or a signal; where there is no terminal, one after the other.
void top(Context& context, const TopOptions& options);

struct VerbOptions {
  std::vector<std::string> names{};
  bool all = false;
  bool wait = true;
  unsigned batch = 0;  ///< so many at a time, until one fails; 0: all
  std::chrono::seconds limit{30};
};
/// `start`, `stop`, `restart`: for several instances at once; the exit code is that of the worst.
void act_on_instances(Context& context, const std::string& verb, const VerbOptions& options);

struct LogsOptions {
  std::vector<std::string> names{};  ///< instances, patterns of them, `controller`
  bool all = false;
  bool follow = false;
  std::string since{};                 ///< see `since_text`
  std::string level{};                 ///< lines of this one and worse; empty: all
  std::optional<std::size_t> lines{};  ///< the last ones only
};
/// `logs`: several as one, by time.
void show_logs(Context& context, const LogsOptions& options);

/// The time from which `--since` shows, as the logs write it: `90s`, `10m`, `2h`, `3d` before `now`, or
/// the beginning of a UTC time such as `2025-01-31` or `2025-01-31T10:30`. Nothing when it is neither.
std::optional<std::string> since_text(const std::string& since, std::chrono::system_clock::time_point now);

struct ApplyOptions {
  std::vector<std::string> names{};  ///< empty: all
  bool dry_run = false;
  bool restart = false;
  bool json = false;
  std::chrono::seconds limit{60};
};
/// The outcome of a request that changes the fleet, as a table; failures set the exit code.
void print_applied(Context& context, const std::string& body, bool dry_run, bool json, std::chrono::seconds limit);

struct CreateOptions {
  std::vector<std::string> names{};
  std::string template_name{};
  std::vector<std::string> keys{};  ///< `key=value`
  unsigned count = 0;               ///< NAME-1 to NAME-COUNT; 0: NAME
  std::chrono::seconds limit{60};
};
/// `create`: writes instances.d/NAME.toml; a running fleet starts them.
void create_instances(Context& context, const CreateOptions& options);
/// `rm`.
void remove_instances(Context& context, const std::vector<std::string>& names, bool purge, std::chrono::seconds limit);
/// `enable`, `disable`, `set`: one key of each instance.
void set_keys(Context& context, const std::vector<std::string>& names, const std::string& key, const std::string& value,
              std::chrono::seconds limit);

struct LimitsOptions {
  std::string name{};
  std::vector<std::string> keys{};  ///< `key=value`, also without `limits.`
  bool json = false;
  std::chrono::seconds limit{60};
};
/// `limits`: sets these, then shows every limit of the instance and its worker with what is used of it.
void show_limits(Context& context, const LimitsOptions& options);

/// The instances that these names and patterns (`plant-*`) mean, of the running fleet; or says that one means
/// none, sets the exit code and returns nothing.
std::optional<std::vector<std::string>> matching_names(Context& context, const std::vector<std::string>& names);

/// `apply`, `reload`: the running fleet goes over to what the files say.
void apply_config(Context& context, const ApplyOptions& options);

/// `log-level`: of an instance or of `controller`, live.
void set_log_level(Context& context, const std::string& name, const std::string& level);

/// `ports`: whose each port is, also those that are only reserved. Of the running fleet, else of the files.
void list_ports(Context& context, bool json);

/// `check`: the configuration, and what the machine has for it.
void check_config(Context& context);
/// Says what of the fleet cannot run on this machine, and sets the exit code to 1. False: all of it can.
bool fails_preflight(Context& context, const config::FleetConfig& config);
void show_version(Context& context, bool json);

}  // namespace shoal::cli
