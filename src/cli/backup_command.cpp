#include <chrono>
#include <ostream>

#include "cli/store_command.hpp"
#include "store/backup.hpp"

namespace shoal::cli {
namespace {

store::WallMs wall_now() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<store::WallMs>(std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count());
}

/// The instance, when it has a store at all. Reads the configuration, in which users files may be missing.
std::optional<std::string> store_of(Context& context, const std::string& name) {
  const auto config = context.load_config(config::UsersFiles::may_be_missing);
  if (!config) return {};
  const config::InstanceConfig* instance =
      context.find_own_instance(*config, name, "what it keeps is where its own configuration says");
  if (instance == nullptr) return {};
  if (instance->options.persistence == Persistence::none) {
    context.fail(kFailed, instance->at.text() + ": instance " + name +
                              " has persistence = \"none\" and keeps nothing; write \"crash_safe\" or \"power_safe\"");
    return {};
  }
  return instance->options.store_dir;
}

std::string totals_text(const store::Totals& totals) {
  const auto count = [](std::uint64_t n, const char* noun) {
    return std::to_string(n) + ' ' + noun + (n == 1 ? "" : "s");
  };
  return count(totals.sessions, "session") + ", " + count(totals.retained, "retained message") + ", " +
         count(totals.messages, "message") + " in all";
}

/// Says so when a fleet runs and the instance in it does, or will in a moment.
bool runs(Context& context, const std::string& name) {
  const auto path = context.instance_path(name);
  if (!path) return true;
  const auto answer = context.request("GET", *path);
  if (!answer && answer.error().code == ErrorCode::unavailable) return false;
  if (!answer) {
    context.fail(kFailed, answer.error().message);
    return true;
  }
  if (answer->status == 404) return false;  // it is in the file, but not yet in the fleet
  const auto instance = answer->status == 200
                            ? api::instance_from_json(answer->body)
                            : Result<api::Instance>(Error{ErrorCode::io, api::error_message(answer->body)});
  if (!instance) {
    context.fail(kFailed, instance.error().message);
    return true;
  }
  if (instance->state == "stopped" || instance->state == "failed") return false;
  context.fail(kFailed, "instance " + name + " is " + instance->state + "; stop it first: `shoal stop " + name + "`");
  return true;
}

}  // namespace

void back_up(Context& context, const std::string& name, const std::string& file) {
  const auto path = store_of(context, name);
  if (!path) return;
  auto content = store::read_running(*path);
  if (!content) {
    const bool missing = content.error().code == ErrorCode::not_found;
    return context.fail(kFailed, content.error().message + (missing ? "; instance " + name + " has never run" : ""));
  }
  const store::Reading reading = store::comes_to(std::move(*content));
  const auto written = store::write_backup(reading.image, reading.alive_until, wall_now(), file);
  if (!written) return context.fail(kFailed, written.error().message);
  context.out << name << ": " << totals_text(store::count(reading.image)) << ", in " << *written << " bytes written to "
              << file << '\n';
  const std::size_t damages = reading.content.report.damages.size();
  if (damages == 0 && reading.missing.all() == 0) return;
  context.fail(kFailed, "the store " + *path + " is damaged, and " + file +
                            " has only what could be read of it; see `shoal store check " + name + "`");
}

void restore(Context& context, const std::string& name, const std::string& file, bool force) {
  const auto path = store_of(context, name);
  if (!path || runs(context, name)) return;
  const auto restored = store::restore_backup(file, *path, force, wall_now());
  if (!restored) {
    std::string message = restored.error().message;
    if (restored.error().code == ErrorCode::invalid_argument) message += "; --force keeps that aside";
    return context.fail(kFailed, message);
  }
  context.out << name << ": " << totals_text(restored->totals) << ", restored from " << file << '\n';
  if (!restored->kept_aside.empty()) context.out << "what was there before is in " << restored->kept_aside << '\n';
}

}  // namespace shoal::cli
