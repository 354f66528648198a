#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/top_table.hpp"

namespace shoal::cli {
namespace {

using std::chrono::seconds;

constexpr unsigned kLimitMax = 600;  // seconds; the API waits no longer

CLI::Option* add_timeout(CLI::App* command, unsigned& limit) {
  return command->add_option("--timeout", limit, "How long to wait for the outcome")
      ->type_name("SECONDS")
      ->check(CLI::Range(1u, kLimitMax))
      ->capture_default_str();
}

void add_run(CLI::App& app, Context& context) {
  CLI::App* run = app.add_subcommand("run", "Run the fleet in the foreground; Ctrl-C stops it");
  const auto ready_fd = std::make_shared<std::optional<int>>();
  run->add_option("--ready-fd", *ready_fd)->group("");  // between `up -d` and its controller
  run->callback([&context, ready_fd] { run_fleet(context, *ready_fd); });
}

void add_up(CLI::App& app, Context& context) {
  struct Options {
    bool detach = false;
    unsigned limit = 60;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* up = app.add_subcommand("up", "Run the fleet; with -d in the background, until `shoal down`");
  up->add_flag("-d,--detach", options->detach, "Return when the fleet is ready");
  add_timeout(up, options->limit);
  up->callback([&context, options] {
    if (options->detach) up_in_background(context, seconds(options->limit));
    else run_fleet(context);
  });
}

void add_down(CLI::App& app, Context& context) {
  const auto limit = std::make_shared<unsigned>(60);
  CLI::App* command = app.add_subcommand("down", "Stop the fleet; returns when everything has ended");
  add_timeout(command, *limit);
  command->callback([&context, limit] { down(context, seconds(*limit)); });
}

void add_listings(CLI::App& app, Context& context) {
  const auto json = std::make_shared<bool>(false);
  CLI::App* ps = app.add_subcommand("ps", "List the instances");
  ps->add_flag("--json", *json, "An array of objects");
  ps->callback([&context, json] { list_instances(context, *json); });

  const auto name = std::make_shared<std::string>();
  CLI::App* status = app.add_subcommand("status", "Show one instance and its counters");
  status->add_option("NAME", *name, "Instance")->required()->type_name("");
  status->add_flag("--json", *json, "An object");
  status->callback([&context, name, json] { show_instance(context, *name, *json); });
}

void add_clients(CLI::App& app, Context& context) {
  const auto name = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  CLI::App* clients = app.add_subcommand("clients", "List who is connected to an instance");
  clients->add_option("NAME", *name, "Instance")->required()->type_name("");
  clients->add_flag("--json", *json, "An array of objects");
  clients->callback([&context, name, json] { list_clients(context, *name, *json); });

  const auto client_id = std::make_shared<std::string>();
  CLI::App* kick = app.add_subcommand("kick", "Disconnect a client; it may connect again");
  kick->add_option("NAME", *name, "Instance")->required()->type_name("");
  kick->add_option("CLIENT_ID", *client_id, "Client")->required()->type_name("");
  kick->callback([&context, name, client_id] { kick_client(context, *name, *client_id); });
}

void add_events(CLI::App& app, Context& context) {
  const auto follow = std::make_shared<bool>(false);
  CLI::App* events = app.add_subcommand("events", "Show what happened, as JSON lines: states, limits, alarms");
  events->add_flag("-f,--follow", *follow, "Go on with what happens");
  events->callback([&context, follow] { show_events(context, *follow); });
}

void add_top(CLI::App& app, Context& context) {
  const auto options = std::make_shared<TopOptions>();
  CLI::App* command = app.add_subcommand("top", "Watch the instances: load, queues, memory; q ends it");
  command->add_option("--sort", options->sort, "By which column")
      ->type_name("COLUMN")
      ->check(CLI::IsMember(top_columns()))
      ->capture_default_str();
  command->add_flag("--once", options->once, "One table of one second, then end");
  command->callback([&context, options] { top(context, *options); });
}

void add_verb(CLI::App& app, Context& context, const std::string& verb, const std::string& help) {
  struct Options {
    VerbOptions verb;
    unsigned limit = 30;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(verb, help);
  CLI::Option* names = command->add_option("NAME", options->verb.names, "Instances")->type_name("");
  CLI::Option* all = command->add_flag("--all", options->verb.all, "All instances");
  names->excludes(all);
  command->add_flag("--wait,!--no-wait", options->verb.wait, "Return when it is so (default), or at once");
  add_timeout(command, options->limit);
  command->callback([&context, verb, options] {
    if (options->verb.names.empty() && !options->verb.all) throw CLI::RequiredError("NAME or --all");
    options->verb.limit = seconds(options->limit);
    act_on_instances(context, verb, options->verb);
  });
}

void add_logs(CLI::App& app, Context& context) {
  const auto options = std::make_shared<LogsOptions>();
  CLI::App* logs = app.add_subcommand("logs", "Show logs; the fleet need not run");
  logs->add_option("NAME", options->names, "Instances, or `controller`")->required()->type_name("");
  logs->add_flag("-f,--follow", options->follow, "Go on with what comes, also after rotation");
  logs->add_option("--since", options->since, "90s, 10m, 2h, 3d ago, or a UTC time such as 2025-01-31T10:30")
      ->type_name("TIME");
  logs->add_option("-n,--lines", options->lines, "Only the last lines")
      ->type_name("COUNT")
      ->check(CLI::Range(0, 1'000'000));
  logs->callback([&context, options] { show_logs(context, *options); });
}

}  // namespace

void add_fleet_commands(CLI::App& app, Context& context) {
  add_run(app, context);
  add_up(app, context);
  add_down(app, context);
  add_listings(app, context);
  add_verb(app, context, "start", "Start instances");
  add_verb(app, context, "stop", "Stop instances: clients are told, the ports stay reserved");
  add_verb(app, context, "restart", "Restart instances; no connect is refused meanwhile");
  add_clients(app, context);
  add_top(app, context);
  add_events(app, context);
  add_logs(app, context);

  CLI::App* check = app.add_subcommand("check", "Check the configuration, without touching anything");
  check->callback([&context] { check_config(context); });

  const auto json = std::make_shared<bool>(false);
  CLI::App* version = app.add_subcommand("version", "Show the version");
  version->add_flag("--json", *json, "An object");
  version->callback([&context, json] { show_version(context, *json); });
}

}  // namespace shoal::cli
