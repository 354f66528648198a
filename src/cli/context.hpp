#pragma once

#include <chrono>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.hpp"
#include "api/instance.hpp"
#include "config/fleet_config.hpp"

namespace CLI {
class App;
}

namespace shoal::cli {

/// Exit codes of every command.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNotRunning = 3,
  kNoSuchInstance = 4,
  kAlreadySo = 5,
};

/// What a command works with: options that all commands share, streams instead of stdout, the exit
/// code as a result. A command is `void add_NAME_command(CLI::App& app, Context& context)`: it adds a
/// subcommand whose callback calls a plain function with the parsed options, and that function sets
/// `exit_code` when it is not 0. Parent options (`-c`) are accepted behind the subcommand's name too.
struct Context {
  std::istream& in;
  std::ostream& out;            ///< results
  std::ostream& err;            ///< errors and hints
  std::string config_option{};  ///< `-c FILE`
  std::string config_env{};     ///< SHOAL_CONFIG
  std::string home_env{};       ///< SHOAL_HOME
  std::string version{};        ///< of this program
  bool logs_to_stdout = false;  ///< `--log stdout`
  int exit_code = kDone;

  config::Places places() const;
  std::string control_socket() const;

  /// Prints `shoal: MESSAGE` to `err` and sets the exit code.
  void fail(ExitCode code, std::string_view message);

  /// Loads the configuration, or prints every problem (`FILE:LINE:COLUMN: MESSAGE`), sets the exit
  /// code to 1 and returns nothing. Works without a controller.
  std::optional<config::FleetConfig> load_config(config::UsersFiles users_files = config::UsersFiles::required);
  /// The instance of that name in `config`, or says that there is none (and which come close), sets
  /// the exit code to 4 and returns null.
  const config::InstanceConfig* find_instance(const config::FleetConfig& config, std::string_view name);
  /// The same for what only Shoal's own brokers have: of a foreign one it says `NAME is an external broker; WHY`.
  const config::InstanceConfig* find_own_instance(const config::FleetConfig& config, std::string_view name,
                                                  std::string_view why);

  /// What to do when no fleet runs: start it, or what must be right before (its file may not be the one
  /// that was meant).
  std::string how_to_start() const;

  /// Asks the controller. Error `unavailable`: it is not running. Prints nothing.
  Result<api::Response> request(const std::string& method, const std::string& target,
                                std::chrono::milliseconds limit = std::chrono::seconds(10),
                                const std::string& body = {}) const;
  /// Asks the controller; prints why not, sets the exit code (1, 3, 4 or 5) and returns nothing unless
  /// the answer has a 2xx status.
  std::optional<api::Response> call(const std::string& method, const std::string& target,
                                    std::chrono::milliseconds limit = std::chrono::seconds(10),
                                    const std::string& body = {});
  /// Its place in the API; or says that there is none of that name, sets the exit code to 4 and returns
  /// nothing.
  std::optional<std::string> instance_path(const std::string& name);
  /// The running fleet's instances, with the same errors as `call`.
  std::optional<std::vector<api::Instance>> running_instances();
  /// The running fleet's view of an instance, with the same errors as `call`.
  std::optional<api::Instance> running_instance(const std::string& name);
};

/// What an HTTP status of the API means for the exit code.
ExitCode exit_code_of(int status);

void add_fleet_commands(CLI::App& app, Context& context);
void add_users_command(CLI::App& app, Context& context);
void add_store_commands(CLI::App& app, Context& context);
void add_pub_command(CLI::App& app, Context& context);
void add_sub_command(CLI::App& app, Context& context);
void add_bench_command(CLI::App& app, Context& context);

}  // namespace shoal::cli
