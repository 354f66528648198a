#include "cli/app.hpp"

#include <CLI/CLI.hpp>
#include <ostream>

#include "config/schema.hpp"

namespace shoal::cli {
namespace {

/// What is wrong when the words lead to no command.
std::string no_command(const CLI::App& app, const CLI::App& command) {
  const std::vector<std::string> rest = app.remaining(true);
  if (rest.empty()) return "a command is required";
  if (rest.front().starts_with('-')) return "there is no option " + rest.front();
  std::vector<std::string> names;
  for (const CLI::App* each : command.get_subcommands({})) names.push_back(each->get_name());
  const std::vector<std::string_view> known(names.begin(), names.end());
  return config::unknown_name("command", rest.front(), known);
}

int refuse(const CLI::App& app, const CLI::ParseError& error, Context& context) {
  const CLI::App* command = &app;
  std::string words = "shoal";
  for (auto inner = app.get_subcommands(); !inner.empty(); inner = command->get_subcommands()) {
    command = inner.front();
    words += ' ' + command->get_name();
  }
  const bool incomplete = !command->get_subcommands({}).empty() && dynamic_cast<const CLI::RequiredError*>(&error);
  const std::string what = incomplete ? no_command(app, *command) : error.what();
  context.fail(kUsage, what + (what.ends_with('?') ? " See `" : "; see `") + words + " --help`");
  return kUsage;
}

}  // namespace

std::unique_ptr<CLI::App> make_app(Context& context) {
  auto app = std::make_unique<CLI::App>("A fleet of isolated MQTT brokers", "shoal");
  app->fallthrough();
  app->require_subcommand(1);
  app->add_option("-c,--config", context.config_option,
                  "Configuration (default: $SHOAL_CONFIG, $SHOAL_HOME/shoal.toml, /etc/shoal/shoal.toml)")
      ->type_name("FILE");
  app->set_version_flag("--version", "shoal " + context.version);
  app->get_formatter()->column_width(28);
  add_fleet_commands(*app, context);
  add_users_command(*app, context);
  add_store_commands(*app, context);
  add_pub_command(*app, context);
  add_sub_command(*app, context);
  add_bench_command(*app, context);
  return app;
}

int run_app(int argc, const char* const* argv, Context& context) {
  const auto app = make_app(context);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app->exit(error, context.out, context.err);  // --help, --version
    return refuse(*app, error, context);
  }
  if (!context.out.flush() && context.exit_code == kDone) context.fail(kFailed, "the output cannot be written");
  return context.exit_code;
}

}  // namespace shoal::cli
