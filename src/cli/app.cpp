#include "cli/app.hpp"

#include <CLI/CLI.hpp>
#include <ostream>

namespace shoal::cli {

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
  add_pub_command(*app, context);
  add_sub_command(*app, context);
  return app;
}

int run_app(int argc, const char* const* argv, Context& context) {
  const auto app = make_app(context);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app->exit(error, context.out, context.err);  // --help, --version
    context.err << "shoal: " << error.what() << "; see `shoal";
    for (const CLI::App* command : app->get_subcommands()) context.err << ' ' << command->get_name();
    context.err << " --help`\n";
    return kUsage;
  }
  context.out.flush();
  return context.exit_code;
}

}  // namespace shoal::cli
