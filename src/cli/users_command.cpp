#include "cli/users_command.hpp"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <ostream>

#include "auth/password_hash.hpp"
#include "auth/users_file.hpp"
#include "auth/users_line.hpp"
#include "config/fleet_config.hpp"

namespace shoal::cli {
namespace {

/// The instance's users file. Reads the configuration, in which the file itself may be missing.
std::optional<std::string> users_file_of(Context& context, const std::string& name) {
  const auto config = context.load_config(config::UsersFiles::may_be_missing);
  if (!config) return {};
  const config::InstanceConfig* instance =
      context.find_own_instance(*config, name, "its users are where its own configuration says");
  if (instance == nullptr) return {};
  if (instance->options.auth.users_file.empty()) {
    context.fail(kFailed, instance->at.text() + ": instance " + name +
                              " has no users file; write auth = { users_file = \"" + name + ".users\" }");
    return {};
  }
  return instance->options.auth.users_file;
}

/// The file as it is, or an empty one when there is none yet.
Result<auth::UsersFile> open_or_new(const std::string& path) {
  auto file = auth::UsersFile::open(path);
  if (!file && file.error().code == ErrorCode::not_found) return auth::UsersFile(path);
  return file;
}

/// Tells the controller that the file has changed, and waits until the instance has the new users.
/// Nothing to do when it does not run.
void reload(Context& context, const std::string& instance) {
  const auto answer = context.request("POST", "/v1/instances/" + instance + "/reload-users?wait=5000");
  if (!answer && answer.error().code == ErrorCode::unavailable) return;
  if (answer && (answer->status == 200 || answer->status == 404)) return;
  const std::string why = !answer                 ? answer.error().message
                          : answer->status == 202 ? "its worker does not answer; see `shoal status " + instance + "`"
                                                  : api::error_message(answer->body);
  context.fail(kFailed,
               "the users file is written, but the running instance " + instance + " still has the old users: " + why);
}

Result<std::string> new_password(Context& context, const std::string& user, const PasswordSource& source) {
  return source.given() ? read_password(source, context.in) : ask_new_password("Password for " + user);
}

}  // namespace

void users_add(Context& context, const std::string& instance, const std::string& user, const PasswordSource& source) {
  const auto path = users_file_of(context, instance);
  if (!path) return;
  // The name and the file are checked before anybody has to type a password.
  auto file = open_or_new(*path);
  if (!file) return context.fail(kFailed, file.error().message);
  if (const auto problem = auth::find_name_problem(user)) return context.fail(kUsage, problem->message);
  const auto password = new_password(context, user, source);
  if (!password) return context.fail(kFailed, password.error().message);
  const auto encoded = auth::hash_password(*password);
  if (!encoded) return context.fail(kFailed, encoded.error().message);

  const auto lock = auth::lock_users(*path);
  if (!lock) return context.fail(kFailed, lock.error().message);
  file = open_or_new(*path);
  if (!file) return context.fail(kFailed, file.error().message);
  const auto added = file->set(user, *encoded);
  if (!added) return context.fail(kFailed, added.error().message);
  if (const auto saved = file->save(); !saved) return context.fail(kFailed, saved.error().message);
  context.out << (*added ? "user " + user + " added to " : "password of user " + user + " changed in ") << instance
              << '\n';
  reload(context, instance);
}

void users_remove(Context& context, const std::string& instance, const std::string& user) {
  const auto path = users_file_of(context, instance);
  if (!path) return;
  const auto lock = auth::lock_users(*path);
  if (!lock) return context.fail(kFailed, lock.error().message);
  auto file = open_or_new(*path);
  if (!file) return context.fail(kFailed, file.error().message);
  if (!file->remove(user)) return context.fail(kAlreadySo, "instance " + instance + " has no user " + user);
  if (const auto saved = file->save(); !saved) return context.fail(kFailed, saved.error().message);
  context.out << "user " << user << " removed from " << instance << '\n';
  reload(context, instance);
}

void users_list(Context& context, const std::string& instance, bool json) {
  const auto path = users_file_of(context, instance);
  if (!path) return;
  const auto file = open_or_new(*path);
  if (!file) return context.fail(kFailed, file.error().message);
  if (!json) {
    for (const std::string& name : file->names()) context.out << name << '\n';
    return;
  }
  boost::json::array users;
  for (const std::string& name : file->names()) users.push_back(boost::json::object{{"name", name}});
  context.out << boost::json::serialize(users) << '\n';
}

void add_users_command(CLI::App& app, Context& context) {
  struct Options {
    std::string instance;
    std::string user;
    PasswordSource password;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* users = app.add_subcommand("users", "Who may connect to an instance");
  users->require_subcommand(1);

  CLI::App* add = users->add_subcommand("add", "Add a user, or change the password of one");
  add->add_option("INSTANCE", options->instance)->required();
  add->add_option("USER", options->user)->required();
  CLI::Option* from_stdin = add->add_flag("--password-stdin", options->password.from_stdin,
                                          "Take the password from standard input's first line");
  add->add_option("--password-file", options->password.file, "Take the password from this file's first line")
      ->type_name("FILE")
      ->excludes(from_stdin);
  add->callback([&context, options] { users_add(context, options->instance, options->user, options->password); });

  CLI::App* rm = users->add_subcommand("rm", "Remove a user");
  rm->add_option("INSTANCE", options->instance)->required();
  rm->add_option("USER", options->user)->required();
  rm->callback([&context, options] { users_remove(context, options->instance, options->user); });

  CLI::App* ls = users->add_subcommand("ls", "List users");
  ls->add_option("INSTANCE", options->instance)->required();
  ls->add_flag("--json", options->json, "An array of objects");
  ls->callback([&context, options] { users_list(context, options->instance, options->json); });
}

}  // namespace shoal::cli
