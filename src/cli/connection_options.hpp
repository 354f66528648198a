#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "cli/password_source.hpp"
#include "client/options.hpp"
#include "io/socket.hpp"

namespace shoal::cli {

/// What `pub` and `sub` have in common: which broker, and as whom.
struct ConnectionOptions {
  std::string host = "localhost";
  std::uint16_t port = 1883;
  std::string instance{};  ///< instead of host and port: ask the controller
  std::string version = "5";
  std::string user{};
  PasswordSource password{};
  std::string client_id{};
  std::uint16_t keep_alive_s = 60;
  client::Will will{};  ///< none without a topic
  unsigned will_qos = 0;
};

/// Declares them. `-h` is the host, as mosquitto's clients have it; help is `--help` only.
void add_connection_options(CLI::App& command, ConnectionOptions& options);
/// Declares only those of them that say as whom: version, user, where the password is.
void add_login_options(CLI::App& command, ConnectionOptions& options);

/// Where to connect.
struct Target {
  std::string name;  ///< for messages: `HOST:PORT`, or the instance's name
  std::vector<io::Endpoint> endpoints;
  std::int64_t pid = 0;  ///< of the instance's process; 0: not known
};

/// Finds the addresses, or says why not and sets the exit code (1; for an instance also 3 and 4).
std::optional<Target> find_target(Context& context, const ConnectionOptions& options);
/// The same for an instance of the running fleet.
std::optional<Target> find_instance_target(Context& context, const std::string& name);

/// Translates them, reading the password from where it is; the environment's `SHOAL_PASSWORD` when no
/// other source is named. Or says what is wrong and sets the exit code (1 or 2).
std::optional<client::Options> client_options(Context& context, const ConnectionOptions& options);

}  // namespace shoal::cli
