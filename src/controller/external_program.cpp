#include "controller/external_program.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"

namespace shoal::controller {
namespace {

/// Where it went wrong, between fork and exec.
struct Trouble {
  enum class At : int { folder, execute } at;
  int error;
};

struct Pipe {
  base::UniqueFd out, in;
};

/// Not where the child's standard streams are put, which may be closed in this process.
base::UniqueFd above_streams(base::UniqueFd fd) {
  if (!fd || fd.get() > STDERR_FILENO) return fd;
  return base::UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error{ErrorCode::resource_exhausted, std::strerror(errno)};
  return Pipe{above_streams(base::UniqueFd(ends[0])), above_streams(base::UniqueFd(ends[1]))};
}

/// Of this process, but for what a service manager gave to it alone.
std::vector<char*> environment() {
  std::vector<char*> all;
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string_view text(*one);
    const auto is = [&](std::string_view name) { return text.starts_with(name); };
    if (is("NOTIFY_SOCKET=") || is("WATCHDOG_") || is("LISTEN_")) continue;
    all.push_back(*one);
  }
  all.push_back(nullptr);
  return all;
}

struct Child {
  const char* program;
  const char* folder;
  char* const* arguments;
  char* const* variables;
  int null, output, go, trouble;
};

// Between fork and exec: system calls only.
[[noreturn]] void become(const Child& child) {
  const auto fail = [&](Trouble::At at) {
    const Trouble trouble{at, errno};
    [[maybe_unused]] const ssize_t told = ::write(child.trouble, &trouble, sizeof trouble);
    ::_exit(127);
  };
  ::setsid();
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  char byte = 0;
  while (true) {
    const ssize_t got = ::read(child.go, &byte, 1);
    if (got == 1) break;
    if (got == 0 || errno != EINTR) ::_exit(127);  // who wanted it is gone
  }
  if (::chdir(child.folder) != 0) fail(Trouble::At::folder);
  ::dup2(child.null, STDIN_FILENO);
  ::dup2(child.output, STDOUT_FILENO);
  ::dup2(child.output, STDERR_FILENO);
  ::close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(child.program, child.arguments, child.variables);
  fail(Trouble::At::execute);
  ::_exit(127);
}

Error cannot_start(const ExternalBroker& broker, const std::string& why) {
  return {ErrorCode::io, broker.program + " cannot be started: " + why};
}

}  // namespace

Result<pid_t> start_program(const ExternalBroker& broker, const std::function<Result<void>(pid_t)>& before) {
  base::UniqueFd log;
  if (!broker.log_file.empty()) {
    log =
        above_streams(base::UniqueFd(::open(broker.log_file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640)));
    if (!log) return cannot_start(broker, "its log " + broker.log_file + " cannot be written: " + std::strerror(errno));
  }
  const base::UniqueFd null = above_streams(base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  auto go = make_pipe();
  auto trouble = make_pipe();
  if (!null || !go || !trouble) return cannot_start(broker, std::strerror(errno));

  std::vector<std::string> words{broker.program};
  words.insert(words.end(), broker.args.begin(), broker.args.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::vector<char*> variables = environment();
  const Child child{.program = broker.program.c_str(),
                    .folder = broker.folder.c_str(),
                    .arguments = arguments.data(),
                    .variables = variables.data(),
                    .null = null.get(),
                    .output = log ? log.get() : STDOUT_FILENO,
                    .go = go->out.get(),
                    .trouble = trouble->in.get()};

  sigset_t all, mask;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &mask);  // no handler of this process runs in the child
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(go->in.get());
    become(child);
  }
  const int error = errno;
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  if (pid < 0) return cannot_start(broker, std::strerror(error));
  trouble->in.reset();

  if (auto may = before(pid); !may) {
    go->in.reset();
    ::waitpid(pid, nullptr, 0);
    return std::move(may).error();
  }
  [[maybe_unused]] const ssize_t told = ::write(go->in.get(), "", 1);
  Trouble what{};
  ssize_t got = 0;
  do got = ::read(trouble->out.get(), &what, sizeof what);
  while (got < 0 && errno == EINTR);
  if (got != sizeof what) return pid;  // it has the pipe's end no more: it is another program
  ::waitpid(pid, nullptr, 0);
  const std::string where = what.at == Trouble::At::folder ? "its folder " + broker.folder + ": " : "";
  return cannot_start(broker, where + std::strerror(what.error));
}

}  // namespace shoal::controller
