#include <CLI/CLI.hpp>
#include <memory>

#include "cli/store_command.hpp"

namespace shoal::cli {
namespace {

void add_backup(CLI::App& app, Context& context) {
  struct Options {
    std::string instance;
    std::string file;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("backup", "Copy what an instance keeps to a file; it may go on meanwhile");
  command->add_option("NAME", options->instance, "Instance")->required()->type_name("");
  command->add_option("FILE", options->file, "Made, or replaced when it is a backup")->required()->type_name("");
  command->callback([&context, options] { back_up(context, options->instance, options->file); });
}

void add_restore(CLI::App& app, Context& context) {
  struct Options {
    std::string instance;
    std::string file;
    bool force = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("restore", "Give an instance that does not run what is in a backup");
  command->add_option("NAME", options->instance, "Instance")->required()->type_name("");
  command->add_option("FILE", options->file, "Backup")->required()->type_name("");
  command->add_flag("--force", options->force, "Also when it keeps something already, which is moved beside its store");
  command->callback([&context, options] { restore(context, options->instance, options->file, options->force); });
}

void add_store(CLI::App& app, Context& context) {
  CLI::App* store = app.add_subcommand("store", "Look at what instances keep");
  store->require_subcommand(1);
  constexpr const char* kWhat = "Instance, folder of a store, or backup";

  struct Options {
    std::string what;
    bool json = false, all = false, records = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* inspect = store->add_subcommand("inspect", "Show how much there is in a store or a backup");
  inspect->add_option("NAME|DIR|FILE", options->what, kWhat)->required()->type_name("");
  CLI::Option* json = inspect->add_flag("--json", options->json, "An object");
  CLI::Option* all = inspect->add_flag("--all", options->all, "Every session, message and so on, a line for each");
  CLI::Option* records = inspect->add_flag("--records", options->records, "Every batch and record as it was written");
  json->excludes(all)->excludes(records);
  all->excludes(records);
  inspect->callback([&context, options] {
    inspect_store(context, options->what,
                  options->json      ? InspectForm::json
                  : options->all     ? InspectForm::all
                  : options->records ? InspectForm::records
                                     : InspectForm::totals);
  });

  CLI::App* check = store->add_subcommand("check", "Tell what is damaged or missing in a store or a backup");
  check->add_option("NAME|DIR|FILE", options->what, kWhat)->required()->type_name("");
  check->callback([&context, options] { check_store(context, options->what); });
}

}  // namespace

void add_store_commands(CLI::App& app, Context& context) {
  add_backup(app, context);
  add_restore(app, context);
  add_store(app, context);
}

}  // namespace shoal::cli
