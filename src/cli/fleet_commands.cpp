#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/top_table.hpp"

namespace shoal::cli {
namespace {

constexpr unsigned kLimitMax = 600;  // seconds; the API waits no longer

CLI::Option* add_timeout(CLI::App* command, unsigned& limit) {
  return command->add_option("--timeout", limit, "How long to wait for the outcome")
      ->type_name("SECONDS")
      ->check(CLI::Range(1u, kLimitMax))
      ->capture_default_str();
}

CLI::Option* add_log_target(CLI::App* command, Context& context) {
  return command
      ->add_option_function<std::string>(
          "--log", [&context](const std::string& target) { context.logs_to_stdout = target == "stdout"; },
          "`stdout`: all logs go to standard output, for containers and journald; default: to files")
      ->type_name("TARGET")
      ->check(CLI::IsMember({"file", "stdout"}));
}

void add_run(CLI::App& app, Context& context) {
  CLI::App* run = app.add_subcommand("run", "Run the fleet in the foreground; Ctrl-C stops it");
  const auto ready_fd = std::make_shared<std::optional<int>>();
  run->add_option("--ready-fd", *ready_fd)->group("");  // between `up -d` and its controller
  add_log_target(run, context);
  const auto force = std::make_shared<bool>(false);
  run->add_flag("--force", *force, "Also when `shoal check` says that something of it cannot run");
  run->callback([&context, ready_fd, force] { run_fleet(context, *ready_fd, *force); });
}

void add_up(CLI::App& app, Context& context) {
  struct Options {
    bool detach = false;
    bool force = false;
    unsigned limit = 60;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* up = app.add_subcommand("up", "Run the fleet; with -d in the background, until `shoal down`");
  CLI::Option* detach = up->add_flag("-d,--detach", options->detach, "Return when the fleet is ready");
  up->add_flag("--force", options->force, "Also when `shoal check` says that something of it cannot run");
  add_timeout(up, options->limit);
  add_log_target(up, context)->excludes(detach);
  up->callback([&context, options] {
    if (options->detach) up_in_background(context, std::chrono::seconds(options->limit), options->force);
    else run_fleet(context, std::nullopt, options->force);
  });
}

void add_down(CLI::App& app, Context& context) {
  const auto limit = std::make_shared<unsigned>(60);
  CLI::App* command = app.add_subcommand("down", "Stop the fleet; returns when everything has ended");
  add_timeout(command, *limit);
  command->callback([&context, limit] { down(context, std::chrono::seconds(*limit)); });
}

void add_listings(CLI::App& app, Context& context) {
  const auto json = std::make_shared<bool>(false);
  CLI::App* ps = app.add_subcommand("ps", "List the instances");
  ps->add_flag("--json", *json, "An array of objects");
  ps->callback([&context, json] { list_instances(context, *json); });

  CLI::App* ports = app.add_subcommand("ports", "List the ports of all instances, and what stands in their way");
  ports->add_flag("--json", *json, "An array of objects");
  ports->callback([&context, json] { list_ports(context, *json); });

  const auto name = std::make_shared<std::string>();
  CLI::App* status = app.add_subcommand("status", "Show one instance and its counters");
  status->add_option("NAME", *name, "Instance")->required()->type_name("");
  status->add_flag("--json", *json, "An object");
  status->callback([&context, name, json] { show_instance(context, *name, *json); });
}

void add_limits(CLI::App& app, Context& context) {
  struct Options {
    LimitsOptions limits;
    unsigned limit = 60;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("limits", "Show every limit of an instance: how much is used, was at most, how often reached");
  command->add_option("NAME", options->limits.name, "Instance")->required()->type_name("");
  command
      ->add_option("--set", options->limits.keys,
                   "First write a limit into its file and go over to it, as `set`; may repeat")
      ->type_name("KEY=VALUE");
  command->add_flag("--json", options->limits.json, "An array of objects");
  add_timeout(command, options->limit);
  command->callback([&context, options] {
    options->limits.limit = std::chrono::seconds(options->limit);
    show_limits(context, options->limits);
  });
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
  CLI::Option* names =
      command->add_option("NAME", options->verb.names, "Instances, or patterns such as 'plant-*'")->type_name("");
  CLI::Option* all = command->add_flag("--all", options->verb.all, "All instances");
  names->excludes(all);
  command->add_flag("--wait,!--no-wait", options->verb.wait, "Return when it is so (default), or at once");
  if (verb == "restart") {
    command
        ->add_option("--batch", options->verb.batch, "So many at a time; stops at the first that does not become ready")
        ->type_name("N")
        ->check(CLI::Range(1u, 10'000u));
  }
  add_timeout(command, options->limit);
  command->callback([&context, verb, options] {
    if (options->verb.names.empty() && !options->verb.all) throw CLI::RequiredError("NAME or --all");
    options->verb.limit = std::chrono::seconds(options->limit);
    act_on_instances(context, verb, options->verb);
  });
}

void add_logs(CLI::App& app, Context& context) {
  const auto options = std::make_shared<LogsOptions>();
  CLI::App* logs = app.add_subcommand("logs", "Show logs; the fleet need not run");
  CLI::Option* names =
      logs->add_option("NAME", options->names, "Instances, patterns such as 'plant-*', or `controller`")->type_name("");
  logs->add_flag("--all", options->all, "All instances and the controller")->excludes(names);
  logs->add_flag("-f,--follow", options->follow, "Go on with what comes, also after rotation");
  logs->add_option("--since", options->since, "90s, 10m, 2h, 3d ago, or a UTC time such as 2025-01-31T10:30")
      ->type_name("TIME");
  logs->add_option("--level", options->level, "Only lines of this level and worse")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  logs->add_option("-n,--lines", options->lines, "Only the last lines")
      ->type_name("COUNT")
      ->check(CLI::Range(0, 1'000'000));
  logs->callback([&context, options] {
    if (options->names.empty() && !options->all) throw CLI::RequiredError("NAME or --all");
    show_logs(context, *options);
  });
}

void add_log_level(CLI::App& app, Context& context) {
  struct Options {
    std::string name, level;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("log-level", "Say from which level on an instance logs, until the fleet is started anew");
  command->add_option("NAME", options->name, "Instance, or `controller`")->required()->type_name("");
  command->add_option("LEVEL", options->level, "debug, info, warn, error or off")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}));
  command->callback([&context, options] { set_log_level(context, options->name, options->level); });
}

void add_apply(CLI::App& app, Context& context, const std::string& word, const std::string& help, bool may_try) {
  struct Options {
    ApplyOptions apply;
    unsigned limit = 60;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(word, help);
  command->add_option("NAME", options->apply.names, "Only these instances; the others stay as they are")->type_name("");
  if (may_try) command->add_flag("--dry-run", options->apply.dry_run, "Say what would be done; change nothing");
  command->add_flag("--restart", options->apply.restart, "Restart instances where a changed key needs it");
  command->add_flag("--json", options->apply.json, "An object");
  add_timeout(command, options->limit);
  command->callback([&context, options] {
    options->apply.limit = std::chrono::seconds(options->limit);
    apply_config(context, options->apply);
  });
}

void add_edits(CLI::App& app, Context& context) {
  struct Options {
    CreateOptions create;
    std::vector<std::string> names;
    std::string name;
    std::string key;
    std::string value;
    bool purge = false;
    unsigned limit = 60;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* create =
      app.add_subcommand("create", "Make instances, each in a file instances.d/NAME.toml, and start them");
  create->add_option("NAME", options->create.names, "Instances")->required()->type_name("");
  create->add_option("--template", options->create.template_name, "The [templates.NAME] to start from")
      ->type_name("NAME");
  create
      ->add_option("--set", options->create.keys,
                   "A key of the instance, such as limits.sessions=100 or listeners=mqtt://127.0.0.1:auto; may repeat")
      ->type_name("KEY=VALUE");
  create->add_option("--count", options->create.count, "NAME-1 to NAME-N")
      ->type_name("N")
      ->check(CLI::Range(1u, 10'000u));
  add_timeout(create, options->limit);
  create->callback([&context, options] {
    options->create.limit = std::chrono::seconds(options->limit);
    create_instances(context, options->create);
  });

  const auto add_names = [&](CLI::App* command) {
    command->add_option("NAME", options->names, "Instances, or patterns such as 'plant-*'")->required()->type_name("");
    add_timeout(command, options->limit);
  };
  CLI::App* remove = app.add_subcommand("rm", "Stop instances that were made by `create`, and remove their files");
  add_names(remove);
  remove->add_flag("--purge", options->purge, "Their state and logs, too");
  remove->callback([&context, options] {
    remove_instances(context, options->names, options->purge, std::chrono::seconds(options->limit));
  });

  CLI::App* enable = app.add_subcommand("enable", "Start instances now and with the fleet");
  add_names(enable);
  enable->callback([&context, options] {
    set_keys(context, options->names, "enabled", "true", std::chrono::seconds(options->limit));
  });
  CLI::App* disable = app.add_subcommand("disable", "Stop instances; they do not start with the fleet");
  add_names(disable);
  disable->callback([&context, options] {
    set_keys(context, options->names, "enabled", "false", std::chrono::seconds(options->limit));
  });

  CLI::App* set = app.add_subcommand("set", "Write a key of an instance into its file, and go over to it");
  set->add_option("NAME", options->name, "Instance, or a pattern")->required()->type_name("");
  set->add_option("KEY", options->key, "Such as limits.sessions")->required()->type_name("");
  set->add_option("VALUE", options->value, "As in the file, without quotes; lists with commas")
      ->required()
      ->type_name("");
  add_timeout(set, options->limit);
  set->callback([&context, options] {
    set_keys(context, {options->name}, options->key, options->value, std::chrono::seconds(options->limit));
  });
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
  add_apply(app, context, "apply", "Go over to what the configuration says now, or say what that would be", true);
  add_apply(app, context, "reload", "The same as `apply`", false);
  add_edits(app, context);
  add_limits(app, context);
  add_clients(app, context);
  add_top(app, context);
  add_events(app, context);
  add_logs(app, context);
  add_log_level(app, context);

  CLI::App* check =
      app.add_subcommand("check", "Check the configuration, and what the machine has for it; touches nothing");
  check->callback([&context] { check_config(context); });

  const auto json = std::make_shared<bool>(false);
  CLI::App* version = app.add_subcommand("version", "Show the version");
  version->add_flag("--json", *json, "An object");
  version->callback([&context, json] { show_version(context, *json); });
}

}  // namespace shoal::cli
