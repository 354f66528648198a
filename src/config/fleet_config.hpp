#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shoal/options.hpp"

namespace shoal::config {

/// Where something was written. Printed as `FILE:LINE:COLUMN`, or `FILE` when the line is 0.
struct Position {
  std::string file;
  unsigned line = 0;
  unsigned column = 0;

  std::string text() const;
  /// `FILE:LINE`, to point at another place within a message.
  std::string line_text() const;
};

/// One thing that is wrong: where, what, and what to do, in one line.
struct Problem {
  Position at;
  std::string message;

  /// `FILE:LINE:COLUMN: MESSAGE`, or the message alone when it is about no file.
  std::string text() const { return at.file.empty() ? message : at.text() + ": " + message; }
};

/// A listener as written. `port` is empty for `auto`.
struct ListenerConfig {
  std::string host;  ///< numeric address without brackets
  bool ipv6 = false;
  std::optional<std::uint16_t> port;
  /// A foreign broker binds it, on addresses that only its own configuration knows: it meets every listener of its
  /// port.
  bool foreign = false;
  Position at;

  /// `mqtt://HOST:PORT`, with `auto` where the port is not known.
  std::string url() const;
};

/// What a worker process may take of the machine; 0: as much as there is.
struct WorkerLimits {
  std::uint64_t memory_bytes = 0;
  std::uint64_t cpu_percent = 0;  ///< 100: one core
  std::uint64_t descriptors = 0;

  bool operator==(const WorkerLimits&) const = default;
};

/// What an instance is served by.
enum class Engine {
  shoal,     ///< a shoal-worker
  external,  ///< a foreign broker, a program of its own
};

/// How a foreign broker is started.
struct ExternalProgram {
  std::string program;            ///< path
  std::vector<std::string> args;  ///< as written; see `expand`
  std::string config_file;        ///< path; may be empty
};

/// One instance as written, with templates and defaults applied and every path absolute.
struct InstanceConfig {
  std::string name;
  Engine engine = Engine::shoal;
  ExternalProgram external;    ///< of `Engine::external`; then there is one listener, which is `foreign`
  std::string worker = "own";  ///< "own", or the group that shares a process
  WorkerLimits worker_limits;  ///< its own worker's, or those of `[workers.NAME]`
  unsigned worker_threads = 1; ///< of `[workers.NAME]`
  bool enabled = true;         ///< started with the fleet
  std::vector<ListenerConfig> listeners;
  /// `options.listeners` is empty (the ports and sockets are the controller's); `options.log.file`
  /// is `<log_dir>/<name>.log`, or empty with `Places::logs_to_stdout`.
  BrokerOptions options;
  std::string state_dir;  ///< `<state_dir>/<name>`
  Position at;            ///< its table
  Position users_at;      ///< its users_file key, when it has one
  /// Every key that was written for it, in defaults and its template too, with its value as it is written but for
  /// quotes (a path absolute). Keys that are not here have their defaults.
  std::map<std::string, std::string> values;
};

/// A key that has another value in a newer configuration of an instance.
struct Change {
  std::string key;
  std::string before;
  std::string after;
  bool needs_restart = false;

  bool operator==(const Change&) const = default;
};

/// What differs between two sets of `InstanceConfig::values`, in the order of the reference page. With another engine
/// everything needs a restart.
std::vector<Change> changes(const std::map<std::string, std::string>& before,
                            const std::map<std::string, std::string>& after);

/// The same for two sets of `FleetConfig::values`. `needs_restart`: of the controller.
std::vector<Change> fleet_changes(const std::map<std::string, std::string>& before,
                                  const std::map<std::string, std::string>& after);

/// Inclusive.
struct PortRange {
  std::uint16_t first = 18000;
  std::uint16_t last = 18999;
};

/// A whole configuration, checked.
struct FleetConfig {
  std::string file;  ///< absolute path of the main file
  std::string state_dir;
  std::string log_dir;
  std::string run_dir;  ///< control socket and lock
  PortRange port_range;
  LogOptions log;                         ///< of the controller
  std::optional<ListenerConfig> metrics;  ///< where HTTP serves metrics and health; its port is fixed
  std::string user;                       ///< who the controller becomes when root starts it, `NAME` or `NAME:GROUP`
  Position user_at;
  std::vector<InstanceConfig> instances;      ///< in the order of the files
  std::map<std::string, std::string> values;  ///< as `InstanceConfig::values`, of [fleet]

  const InstanceConfig* find(std::string_view name) const;
  std::string control_socket() const { return run_dir + "/control.sock"; }
  std::string controller_log() const { return log_dir + "/controller.log"; }
};

/// What `load` found: a configuration when there are no problems.
struct Loaded {
  std::optional<FleetConfig> config;
  std::vector<Problem> problems;
  /// Where the controller's socket is: `fleet.run_dir` when it could be read, also from a file that
  /// has problems elsewhere, else that of `Places`. So a running fleet stays reachable.
  std::string run_dir;
};

/// Where configuration, state, logs and sockets are when the file does not say. Relative paths in a
/// file are relative to that file.
struct Places {
  std::string file;       ///< main file, absolute
  std::string state_dir;  ///< default of fleet.state_dir
  std::string log_dir;    ///< default of fleet.log_dir
  std::string run_dir;    ///< folder of the control socket
  /// Logs have no files: the controller's and those of all instances go to standard output, which workers share.
  bool logs_to_stdout = false;

  /// `-c FILE` (may be empty), `SHOAL_CONFIG`, `SHOAL_HOME` (empty: not set). With a home, everything
  /// is under it: `shoal.toml`, `state/`, `log/`, `run/`. Without: /etc/shoal/shoal.toml,
  /// /var/lib/shoal, /var/log/shoal, /run/shoal.
  static Places find(const std::string& option, const std::string& config_env, const std::string& home_env);
};

/// Whether a users file that is named but cannot be read is a problem.
enum class UsersFiles {
  required,
  may_be_missing,  ///< for `shoal users add`, which makes it
};

/// Reads the main file and `instances.d/*.toml` beside it, and checks everything that can be checked
/// without touching the network. All problems are collected, not just the first; they come in the
/// order of the files and lines. Positions show a path relative to the working folder where it is in
/// that.
Loaded load(const Places& places, UsersFiles users_files = UsersFiles::required);

/// As `load`, but of the instances only those with one of these names are read; the others are as in `known`, whatever
/// is in their files by now, and nothing that is wrong there is told. How long it takes hardly depends on how many
/// there are.
Loaded load_some(const Places& places, const std::vector<std::string>& names, const FleetConfig& known,
                 UsersFiles users_files = UsersFiles::required);

}  // namespace shoal::config
