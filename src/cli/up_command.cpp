#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <thread>

#include "base/unique_fd.hpp"
#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "controller/orphans.hpp"
#include "controller/privileges.hpp"
#include "controller/state_lock.hpp"

namespace shoal::cli {
namespace {

using Clock = std::chrono::steady_clock;
using controller::StateLock;

constexpr int kReadyFd = 3;

/// Starts `shoal run` in a session of its own. The pid, or what went wrong.
Result<pid_t> spawn_controller(const config::FleetConfig& config, int log, int ready) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, log, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, log, STDERR_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, ready, kReadyFd);
  ::posix_spawn_file_actions_addclosefrom_np(&files, kReadyFd + 1);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string words[] = {"shoal", "run", "-c", config.file, "--ready-fd", std::to_string(kReadyFd)};
  char* arguments[std::size(words) + 1] = {};
  for (std::size_t i = 0; i < std::size(words); ++i) arguments[i] = words[i].data();
  pid_t pid = 0;
  // By its name, which is what the process table and `port 1883 is held by` show.
  std::error_code ignored;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const int error = ::posix_spawn(&pid, self.c_str(), &files, &attributes, arguments, environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) return Error{ErrorCode::io, std::string("the controller cannot be started: ") + std::strerror(error)};
  return pid;
}

enum class Heard { ready, ended, nothing };

/// What the controller tells through the pipe; its lines go to `text`.
Heard hear(int fd, Clock::time_point until, std::string& text) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
    if (left <= 0 || ::poll(&wanted, 1, static_cast<int>(left)) == 0) return Heard::nothing;
    char chunk[4096];
    const ssize_t got = ::read(fd, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Heard::ended;
    text.append(chunk, static_cast<std::size_t>(got));
    if (text.back() == '\0') return Heard::ready;
  }
}

void report_instances(Context& context) {
  const auto instances = context.running_instances();
  if (!instances) return;
  print_instances(context.out, *instances);
  for (const api::Instance& instance : *instances) {
    // Stopped: it is not enabled, or somebody stopped it under the controller before.
    if (instance.state != "ready" && instance.state != "stopped")
      context.fail(kFailed, instance.name + " is not ready: " + instance.last_exit);
  }
}

}  // namespace

bool runs_already(Context& context, const config::FleetConfig& config) {
  if (!StateLock::is_held(config.run_dir)) return false;
  context.fail(kAlreadySo, "the fleet of " + config.run_dir + " is running already; see `shoal ps`");
  return true;
}

void up_in_background(Context& context, std::chrono::seconds limit, bool force) {
  const auto config = context.load_config();
  if (!config) return;
  if (runs_already(context, *config)) return;
  if (!force && fails_preflight(context, *config)) return;
  if (auto made = controller::make_users_folders(*config); !made) return context.fail(kFailed, made.error().message);
  const bool is_new = ::access(config->controller_log().c_str(), F_OK) != 0;
  const base::UniqueFd log(::open(config->controller_log().c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!log) {
    return context.fail(kFailed, "the log " + config->controller_log() + " cannot be written: " + std::strerror(errno));
  }
  if (is_new) controller::give_to_user(*config, log.get());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return context.fail(kFailed, std::strerror(errno));
  const base::UniqueFd listening(ends[0]);
  base::UniqueFd telling(ends[1]);
  const auto pid = spawn_controller(*config, log.get(), telling.get());
  if (!pid) return context.fail(kFailed, pid.error().message);
  telling.reset();

  std::string text;
  switch (hear(listening.get(), Clock::now() + limit, text)) {
    case Heard::ready: return report_instances(context);
    case Heard::nothing:
      return context.fail(kFailed, "not ready after " + std::to_string(limit.count()) +
                                       " s; it goes on in the background, see `shoal ps` and " +
                                       config->controller_log());
    case Heard::ended: break;
  }
  ::waitpid(*pid, nullptr, 0);
  context.err << text;
  context.exit_code = kFailed;
  if (text.empty()) context.fail(kFailed, "the controller ended; see " + config->controller_log());
}

void down(Context& context, std::chrono::seconds limit) {
  const std::string run_dir = config::load(context.places()).run_dir;
  if (!StateLock::is_held(run_dir)) {
    const auto ended = controller::end_orphans(run_dir, std::chrono::seconds(5), limit);
    if (ended.left > 0) return context.fail(kFailed, std::to_string(ended.left) + " workers are still stopping");
    if (ended.workers > 0) return;
  }
  if (!context.call("POST", "/v1/shutdown")) return;
  const auto until = Clock::now() + limit;
  while (StateLock::is_held(run_dir)) {
    if (Clock::now() >= until) {
      return context.fail(kFailed, "still stopping after " + std::to_string(limit.count()) + " s; see `shoal ps`");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace shoal::cli
