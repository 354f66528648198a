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
void run_fleet(Context& context, std::optional<int> ready_fd = std::nullopt);

/// `up -d`: starts the controller in the background; returns when every instance is ready or has failed
/// to become so.
void up_in_background(Context& context, std::chrono::seconds limit);

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
  std::chrono::seconds limit{30};
};
/// `start`, `stop`, `restart`: for several instances at once; the exit code is that of the worst.
void act_on_instances(Context& context, const std::string& verb, const VerbOptions& options);

struct LogsOptions {
  std::vector<std::string> names{};
  bool follow = false;
  std::string since{};                 ///< see `since_text`
  std::optional<std::size_t> lines{};  ///< the last ones only
};
void show_logs(Context& context, const LogsOptions& options);

/// The time from which `--since` shows, as the logs write it: `90s`, `10m`, `2h`, `3d` before `now`, or
/// the beginning of a UTC time such as `2025-01-31` or `2025-01-31T10:30`. Nothing when it is neither.
std::optional<std::string> since_text(const std::string& since, std::chrono::system_clock::time_point now);

void check_config(Context& context);
void show_version(Context& context, bool json);

}  // namespace shoal::cli
