#include "cli/bench_options.hpp"

#include "bench/stamp.hpp"

namespace shoal::cli {
namespace {

constexpr std::uint64_t kPayloadMax = 16 * 1024 * 1024;

}  // namespace

void add_seconds(CLI::App& command, const std::string& name, base::Duration& value, double most,
                 const std::string& help) {
  const double standing = std::chrono::duration<double>(value).count();
  CLI::Option* option = command.add_option_function<double>(
      name,
      [&value](double seconds) { value = base::duration_cast<base::Duration>(std::chrono::duration<double>(seconds)); },
      help);
  option->type_name("SECONDS")->check(CLI::Range(0.0, most));
  if (standing > 0) option->default_str(CLI::detail::to_string(standing));
}

void add_qos(CLI::App& command, unsigned& qos) {
  command.add_option("-q,--qos", qos, "0, 1 or 2")->type_name("QOS")->check(CLI::Range(0, 2))->capture_default_str();
}

void add_payload(CLI::App& command, std::size_t& bytes) {
  command.add_option("-s,--payload", bytes, "Size of a message's payload")
      ->type_name("BYTES")
      ->check(CLI::Range(std::uint64_t{bench::Stamp::kBytes}, kPayloadMax))
      ->capture_default_str();
}

void add_common(CLI::App& command, BenchOptions& options) {
  command.set_help_flag("--help", "Print this help message and exit");
  CLI::Option* instances =
      command.add_option("-i,--instance,NAME", options.instances, "Instances of this fleet, instead of host and port");
  instances->type_name("NAME");
  instances->excludes(command.add_option("-h,--host", options.connection.host, "Broker to connect to")
                          ->type_name("HOST")
                          ->capture_default_str());
  instances->excludes(command
                          .add_option_function<std::string>(
                              "-p,--port",
                              [&options](const std::string& text) {
                                const auto ports = parse_ports(text);
                                if (!ports)
                                  throw CLI::ValidationError("--port",
                                                             "'" + text + "' are not ports such as 1883,20000-20099");
                                options.ports = *ports;
                              },
                              "Its port; of several, such as 20000-20099, each gets the whole load")
                          ->type_name("PORT")
                          ->default_str("1883"));
  add_login_options(command, options.connection);
  command
      .add_option("-k,--keepalive", options.connection.keep_alive_s, "Seconds of silence after which to ping; 0: never")
      ->type_name("SECONDS")
      ->capture_default_str();
  command.add_option("--pid", options.pids, "The broker's processes, to tell what they use; known of instances")
      ->type_name("PID")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  add_count(command, "--concurrency", options.concurrency, 10'000, "Connections being made at a time");
  add_count(command, "--setup", options.setup_limit_s, 3'600, "Seconds that connecting and subscribing may take");
  command.add_flag("--json", options.json, "One object");
  command.add_flag("--quiet", options.quiet, "No progress line");
}

}  // namespace shoal::cli
