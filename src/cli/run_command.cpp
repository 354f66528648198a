#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
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

/// With the words of this process; who waited for it to be ready is not there any more.
void execute_again(Context& context, const std::string& program) {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) {
    if (word == "--ready-fd") std::getline(file, word, '\0');
    else words.push_back(std::move(word));
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(program.c_str(), arguments.data());
  context.fail(kFailed, program + " cannot be executed: " + std::strerror(errno) +
                            "; the workers serve on, `shoal up -d` takes them over");
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

void run_fleet(Context& context, std::optional<int> ready_fd, bool force) {
  ReadyPipe pipe(ready_fd.value_or(-1));
  // Its path: another file may be there when it is needed.
  std::error_code ignored;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  auto config = context.load_config();
  if (!config || (!force && !pipe && fails_preflight(context, *config))) return;
  make_absolute(*config);

  controller::ControllerOptions options;
  options.config = std::move(*config);
  options.reload = [places = context.places()](const std::vector<std::string>& only, const config::FleetConfig& known) {
    config::Loaded loaded = only.empty() ? config::load(places) : config::load_some(places, only, known);
    if (loaded.config) make_absolute(*loaded.config);
    for (config::Problem& problem : loaded.problems)
      if (!problem.at.file.empty()) problem.at.file = std::filesystem::absolute(problem.at.file);
    return loaded;
  };
  options.places = context.places();
  options.worker_executable = worker_beside_this_program();
  options.version = context.version;
  if (const char* root = std::getenv("SHOAL_MACHINE_ROOT")) options.machine_root = root;  // for tests
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
        if (instance.state != "ready" && instance.state != "stopped")
          context.err << "shoal: " << instance.name << ": " << instance.last_exit << '\n';
      }
    };
    options.on_event = [&context](std::string_view line) { context.err << "shoal: " << line << std::endl; };
  }
  const controller::ControllerEnd end = controller::run_controller(std::move(options));
  if (end.execute_again) execute_again(context, program);
  for (const config::Problem& problem : end.problems) {
    const std::string line = (problem.at.file.empty() ? "shoal: " : "") + problem.text();
    context.err << line << '\n';
    if (pipe) pipe.refuse(line);
    context.exit_code = kFailed;
  }
}

}  // namespace shoal::cli
