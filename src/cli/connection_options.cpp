#include "cli/connection_options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "client/resolve.hpp"
#include "mqtt/varint.hpp"

namespace shoal::cli {
namespace {

constexpr std::uint32_t kPacketBytesMax = mqtt::kVarintMax + 5;  // whatever MQTT can carry is shown

/// A listener's address as somebody on this machine reaches it.
std::string reachable(std::string url) {
  for (const auto& [any, loopback] : {std::pair<std::string, std::string>("//0.0.0.0:", "//127.0.0.1:"),
                                      std::pair<std::string, std::string>("//[::]:", "//[::1]:")}) {
    if (const std::size_t at = url.find(any); at != std::string::npos) url.replace(at, any.size(), loopback);
  }
  return url;
}

}  // namespace

void add_login_options(CLI::App& command, ConnectionOptions& options) {
  command.add_option("-V,--mqtt-version,--proto", options.version, "MQTT version: 3 (3.1.1) or 5")
      ->check(CLI::IsMember({"3", "5", "3.1.1", "5.0", "311", "mqttv311", "mqttv5"}))
      ->type_name("VERSION")
      ->capture_default_str();
  command.add_option("-u,--user", options.user, "User name; its password comes from a file, stdin or $SHOAL_PASSWORD")
      ->type_name("NAME");
  CLI::Option* from_stdin = command.add_flag("--password-stdin", options.password.from_stdin,
                                             "Take the password from standard input's first line");
  command.add_option("--password-file", options.password.file, "Take the password from this file's first line")
      ->type_name("FILE")
      ->excludes(from_stdin);
  command
      .add_option_function<std::string>("-P,--pw",
                                        [](const std::string&) {
                                          throw CLI::ValidationError(
                                              "-P",
                                              "others can see a password on the command line; use "
                                              "--password-file FILE, --password-stdin or $SHOAL_PASSWORD");
                                        })
      ->group("");  // not shown: it is here for those who know it from elsewhere
}

void add_connection_options(CLI::App& command, ConnectionOptions& options) {
  command.set_help_flag("--help", "Print this help message and exit");
  CLI::Option* host =
      command.add_option("-h,--host", options.host, "Broker to connect to")->type_name("HOST")->capture_default_str();
  CLI::Option* port = command.add_option("-p,--port", options.port, "Its port")->capture_default_str();
  port->check(CLI::Range(1, 65535))->type_name("PORT");
  command.add_option("-i,--instance", options.instance, "An instance of this fleet, instead of host and port")
      ->type_name("NAME")
      ->excludes(host)
      ->excludes(port);
  add_login_options(command, options);
  command.add_option("--id", options.client_id, "Client id; the broker chooses one when it is not given")
      ->type_name("ID");
  command.add_option("-k,--keepalive", options.keep_alive_s, "Seconds of silence after which to ping; 0: never")
      ->type_name("SECONDS")
      ->capture_default_str();
  CLI::Option* will = command.add_option("--will-topic", options.will.topic, "Topic of the will")->type_name("TOPIC");
  command.add_option("--will-payload", options.will.payload, "What is published when this client is lost")
      ->type_name("TEXT")
      ->needs(will);
  command.add_option("--will-qos", options.will_qos, "QoS of the will: 0, 1 or 2")
      ->type_name("QOS")
      ->check(CLI::Range(0, 2))
      ->needs(will);
  command.add_flag("--will-retain", options.will.retain, "Retain the will")->needs(will);
}

std::optional<Target> find_instance_target(Context& context, const std::string& name) {
  const auto instance = context.running_instance(name);
  if (!instance) return {};
  if (instance->state == "stopped" || instance->state == "failed") {
    context.fail(kNotRunning,
                 "instance " + name + " is " + instance->state + "; start it with `shoal start " + name + "`");
    return {};
  }
  for (const std::string& url : instance->listeners) {
    if (auto endpoint = io::Endpoint::parse(reachable(url)))
      return Target{"instance " + name, {*endpoint}, instance->pid};
  }
  context.fail(kFailed, "instance " + name + " has no listener that this command can use");
  return {};
}

std::optional<Target> find_target(Context& context, const ConnectionOptions& options) {
  if (!options.instance.empty()) return find_instance_target(context, options.instance);
  auto endpoints = client::resolve(options.host, options.port);
  if (endpoints) return Target{options.host + ':' + std::to_string(options.port), *std::move(endpoints), 0};
  context.fail(kFailed, endpoints.error().message);
  return {};
}

std::optional<client::Options> client_options(Context& context, const ConnectionOptions& options) {
  client::Options result;
  result.version = options.version.find('5') == std::string::npos ? mqtt::Version::v3_1_1 : mqtt::Version::v5;
  result.client_id = options.client_id;
  result.keep_alive_s = options.keep_alive_s;
  result.packet_size_max = kPacketBytesMax;
  if (!options.will.topic.empty()) {
    result.will = options.will;
    result.will->qos = static_cast<std::uint8_t>(options.will_qos);
  }
  if (!options.user.empty()) result.user = options.user;
  if (options.password.given()) {
    auto password = read_password(options.password, context.in);
    if (!password) {
      context.fail(kFailed, password.error().message);
      return {};
    }
    result.password = *std::move(password);
  } else if (const char* variable = std::getenv("SHOAL_PASSWORD"); variable != nullptr && !options.user.empty()) {
    result.password = variable;
  }
  if (const auto problem = client::check(result); !problem) {
    context.fail(kUsage, problem.error().message);
    return {};
  }
  return result;
}

}  // namespace shoal::cli
