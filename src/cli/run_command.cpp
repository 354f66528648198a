#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <ostream>

#include "base/unique_fd.hpp"
#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "controller/controller.hpp"

namespace shoal::cli {
namespace {

std::string worker_beside_this_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "shoal-worker").string();
}

/// What the controller says later is read in any folder.
void make_absolute(config::FleetConfig& config) {
  const auto absolute = [](config::Position& at) { at.file = std::filesystem::absolute(at.file).lexically_normal(); };
  for (config::InstanceConfig& instance : config.instances) {
    absolute(instance.at);
    for (config::ListenerConfig& listener : instance.listeners) absolute(listener.at);
  }
}

/// Tells the `shoal up -d` that waits at the other end.
class ReadyPipe {
 public:
  explicit ReadyPipe(int fd) : fd_(fd) {
    if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  explicit operator bool() const { return bool(fd_); }
  void refuse(const std::string& line) { write(line + '\n'); }
  void ready() {
    write(std::string(1, '\0'));
    fd_.reset();
  }

 private:
  void write(const std::string& text) {
    // It may have given up waiting; the log has the same lines.
    [[maybe_unused]] const ssize_t n = ::write(fd_.get(), text.data(), text.size());
  }
  base::UniqueFd fd_;
};

}  // namespace

void run_fleet(Context& context, std::optional<int> ready_fd) {
  ReadyPipe pipe(ready_fd.value_or(-1));
  auto config = context.load_config();
  if (!config || (!pipe && runs_already(context, *config))) return;
  make_absolute(*config);

  controller::ControllerOptions options;
  options.config = std::move(*config);
  options.worker_executable = worker_beside_this_program();
  options.version = context.version;
  const bool logs_to_stdout = options.config.log.fd >= 0;
  if (pipe) {
    // Every path is absolute by now; a daemon keeps no folder busy.
    if (::chdir("/") != 0) return context.fail(kFailed, "cannot enter /");
    options.on_settled = [&pipe](const auto&) { pipe.ready(); };
  } else {
    options.on_settled = [&context, logs_to_stdout](const std::vector<api::Instance>& instances) {
      if (!logs_to_stdout) print_instances(context.out, instances);
      context.out << std::flush;
      for (const api::Instance& instance : instances) {
        if (instance.state != "ready") context.err << "shoal: " << instance.name << ": " << instance.last_exit << '\n';
      }
    };
    options.on_event = [&context](std::string_view line) { context.err << "shoal: " << line << std::endl; };
  }
  for (const config::Problem& problem : controller::run_controller(std::move(options))) {
    const std::string line = (problem.at.file.empty() ? "shoal: " : "") + problem.text();
    context.err << line << '\n';
    if (pipe) pipe.refuse(line);
    context.exit_code = kFailed;
  }
}

}  // namespace shoal::cli
