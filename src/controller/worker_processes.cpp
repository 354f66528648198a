#include "controller/worker_processes.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "controller/exit_status.hpp"
#include "controller/orphans.hpp"
#include "controller/process_usage.hpp"
#include "controller/stack_text.hpp"
#include "link/exit_code.hpp"

namespace shoal::controller {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;
using boost::system::error_code;

constexpr int kControlFd = 3;  // where a worker looks for it

std::string describe(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED && info.si_status == link::kExitNoMemory)
    return "out of memory: it reached worker_limits.memory, or the machine has no more";
  return exit_text(info);
}

/// posix_spawn with what a worker needs; 0 or errno.
int spawn_process(const std::string& executable, const std::string& name, int control, bool keep_stdout, pid_t& pid) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!keep_stdout) ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, control, kControlFd);
  ::posix_spawn_file_actions_addclosefrom_np(&files, kControlFd + 1);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  char* const arguments[] = {const_cast<char*>("shoal-worker"), const_cast<char*>(name.c_str()), nullptr};
  const int error = ::posix_spawn(&pid, executable.c_str(), &files, &attributes, arguments, environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  return error;
}

}  // namespace

struct WorkerProcesses::Worker {
  Worker(asio::io_context& context, std::string s, pid_t p, base::UniqueFd pidfd, link::Channel c)
      : slot(std::move(s)),
        pid(p),
        process(context, pidfd.release()),
        channel(std::move(c)),
        control(context, channel.fd()) {}
  ~Worker() { control.release(); }

  // Without one it cannot be seen whether it hangs.
  void use_page(std::vector<base::UniqueFd>& fds) {
    if (fds.empty()) return;
    if (auto opened = link::PageMapping::open(std::move(fds.front()))) page = std::move(*opened);
  }
  std::vector<std::uint64_t> working_for() const {
    std::vector<std::uint64_t> ids;
    if (!page) return ids;
    const auto add = [&](std::uint64_t id) {
      if (id != 0) ids.push_back(id);
    };
    add(std::as_const(page).page()->starting);
    for (const Pulse& pulse : std::as_const(page).page()->pulses) add(pulse.broker);
    return ids;
  }

  std::string slot;
  pid_t pid;
  Descriptor process;  // readable when it has ended
  link::Channel channel;
  Descriptor control;  // the channel's socket, for waiting only
  link::PageMapping page{};
  bool writing = false;
};

WorkerProcesses::WorkerProcesses(asio::io_context& context, std::string executable, WorkerSockets sockets,
                                 base::Log& log, bool logs_to_stdout, WorkerLimiter limiter)
    : context_(context),
      executable_(std::move(executable)),
      sockets_(std::move(sockets)),
      logs_to_stdout_(logs_to_stdout),
      limiter_(std::move(limiter)),
      log_(log) {}

WorkerProcesses::~WorkerProcesses() = default;

void WorkerProcesses::listen(OnMessage on_message, OnExit on_exit) {
  on_message_ = std::move(on_message);
  on_exit_ = std::move(on_exit);
}

WorkerProcesses::Worker* WorkerProcesses::find(WorkerId id) const {
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : found->second.get();
}

WorkerId WorkerProcesses::add(std::unique_ptr<Worker> worker) {
  const auto id = static_cast<WorkerId>(++last_id_);
  wait_for_exit(id, *worker);
  wait_for_message(id, *worker);
  workers_.emplace(id, std::move(worker));
  return id;
}

Result<Spawned> WorkerProcesses::spawn(const std::string& slot, const std::string& name) {
  auto listening = sockets_.bind(slot);
  if (!listening) return std::move(listening).error();
  pid_t pid = 0;
  if (const int error = spawn_process(executable_, name, listening->get(), logs_to_stdout_, pid); error != 0) {
    const char* mend =
        error == EAGAIN ? "; its user may have no more processes (`ulimit -u`, TasksMax= of the unit)" : "";
    return Error{ErrorCode::io, "the worker " + executable_ + " cannot be started: " + std::strerror(error) + mend};
  }
  const auto give_up = [&](std::string why) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return Error{ErrorCode::resource_exhausted, "the worker " + name + " cannot be watched: " + why};
  };
  base::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return give_up(std::strerror(errno));
  auto socket = sockets_.connect(slot);
  if (!socket) return give_up(socket.error().message);
  return Spawned{
      add(std::make_unique<Worker>(context_, slot, pid, std::move(pidfd), link::Channel(std::move(*socket)))), pid};
}

// Somebody else may be its controller at the moment, on his way out.
std::optional<WorkerProcesses::Met> WorkerProcesses::meet(const std::string& slot) {
  constexpr int kTries = 40;
  for (int tries = 1;; ++tries) {
    auto socket = sockets_.connect(slot);
    if (!socket) return std::nullopt;
    auto [pid, pidfd] = process_behind(*socket);
    link::Channel channel(std::move(*socket));
    auto greeting = hear_greeting(channel, std::chrono::seconds(5));
    const bool again = !greeting && greeting.error().code == ErrorCode::closed && tries < kTries;
    if (!again) return Met{pid, std::move(pidfd), std::move(channel), std::move(greeting)};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

std::vector<Adopted> WorkerProcesses::adopt() {
  std::vector<Adopted> all;
  for (const std::string& slot : sockets_.slots()) {
    if (!sockets_.has_worker(slot)) {
      sockets_.remove(slot);  // it ended without a controller
      continue;
    }
    auto adopted = meet(slot);
    if (!adopted) continue;
    auto& [peer, pidfd, channel, greeting] = *adopted;
    const bool understood = greeting && greeting->hello.number("version") == link::kVersion;
    if (!pidfd || !understood) {
      log_.warn(
          "worker of the controller before is of no use and killed",
          {{"worker", slot}, {"pid", peer}, {"because", greeting ? "another version" : greeting.error().message}});
      if (pidfd) ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
      sockets_.remove(slot);
      continue;
    }
    const WorkerId id = add(std::make_unique<Worker>(context_, slot, peer, std::move(pidfd), std::move(channel)));
    find(id)->use_page(greeting->page);
    all.push_back({id, peer, slot, std::move(greeting->hosts)});
  }
  return all;
}

void WorkerProcesses::wait_for_exit(WorkerId id, Worker& worker) {
  worker.process.async_wait(Descriptor::wait_read, [this, id](error_code error) {
    if (!error) reap(id);
  });
}

void WorkerProcesses::wait_for_message(WorkerId id, Worker& worker) {
  worker.control.async_wait(Descriptor::wait_read, [this, id](error_code error) {
    if (!error) read(id);
  });
}

void WorkerProcesses::wait_to_write(WorkerId id, Worker& worker) {
  if (worker.writing || !worker.channel.waiting()) return;
  worker.writing = true;
  worker.control.async_wait(Descriptor::wait_write, [this, id](error_code error) {
    Worker* found = error ? nullptr : find(id);
    if (found == nullptr) return;
    found->writing = false;
    if (found->channel.flush()) wait_to_write(id, *found);
  });
}

void WorkerProcesses::read(WorkerId id) {
  while (Worker* worker = find(id)) {
    auto received = worker->channel.receive();
    if (!received) {
      // It is ending; its exit tells the rest.
      log_.debug("worker closed its control socket", {{"pid", worker->pid}});
      ::kill(worker->pid, SIGTERM);
      return;
    }
    if (!received->has_value()) return wait_for_message(id, *worker);
    if ((*received)->message.type() == link::type::kHello) worker->use_page((*received)->fds);
    on_message_(id, (*received)->message);
  }
}

void WorkerProcesses::send(WorkerId id, const link::Message& message, std::vector<base::UniqueFd> fds) {
  Worker* worker = find(id);
  if (worker == nullptr) return;
  if (auto sent = worker->channel.send(message, std::move(fds)); !sent && sent.error().code != ErrorCode::closed) {
    log_.error("worker cannot be told", {{"pid", worker->pid}, {"error", sent.error().message}});
  }
  wait_to_write(id, *worker);
}

void WorkerProcesses::kill(WorkerId id) {
  if (const Worker* worker = find(id)) ::kill(worker->pid, SIGKILL);
}

WorkerPulse WorkerProcesses::pulse(WorkerId id) const {
  const Worker* worker = find(id);
  if (worker == nullptr) return {};
  const auto usage = read_usage(worker->pid);
  WorkerPulse seen{.working_for = worker->working_for(), .halted = usage && usage->halted};
  if (!worker->page) return seen;
  for (const Pulse& pulse : worker->page.page()->pulses) {
    const std::int64_t since = pulse.busy_since;
    if (since != 0) seen.busy_since = std::min(seen.busy_since, base::Time(std::chrono::nanoseconds(since)));
  }
  return seen;
}

void WorkerProcesses::ask_stacks(WorkerId id) {
  const Worker* worker = find(id);
  if (worker == nullptr || !worker->page) return;
  std::error_code error;
  const std::string folder = "/proc/" + std::to_string(worker->pid) + "/task";
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    ::syscall(SYS_tgkill, worker->pid, std::atoi(it->path().filename().c_str()), SIGQUIT);
}

std::vector<std::string> WorkerProcesses::stacks(WorkerId id) const {
  const Worker* worker = find(id);
  return worker == nullptr ? std::vector<std::string>() : stacks(*worker);
}

std::vector<std::string> WorkerProcesses::stacks(const Worker& worker) const {
  return worker.page ? stack_text(*worker.page.page(), executable_) : std::vector<std::string>();
}

void WorkerProcesses::limit(WorkerId id, const config::WorkerLimits& limits) {
  if (const Worker* worker = find(id)) limiter_.limit(worker->slot, worker->pid, limits);
}

std::vector<api::Limit> WorkerProcesses::limits(WorkerId id) const {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return {};
  return limiter_.limits(found->second->slot, found->second->pid);
}

void WorkerProcesses::reap(WorkerId id) {
  Worker* worker = find(id);
  if (worker == nullptr) return;
  siginfo_t info{};
  const bool child = ::waitid(P_PID, static_cast<id_t>(worker->pid), &info, WEXITED | WNOHANG) == 0;
  if (child && info.si_pid == 0) return wait_for_exit(id, *worker);
  // Its last words (`stopped`, `refused`) come before its end.
  while (auto received = worker->channel.receive()) {
    if (!received->has_value()) break;
    on_message_(id, (*received)->message);
  }
  WorkerEnd end{.status = child ? describe(info) : "ended; how is unknown, since it was another controller's",
                .crashed = child && is_crash(info),
                .working_for = worker->working_for()};
  if (const int signal = worker->page ? int(worker->page.page()->fatal_signal) : 0; signal != 0) {
    end.crashed = true;
    end.stacks = stacks(*worker);
    if (!child) end.status = killed_by(signal);
  }
  const std::string slot = worker->slot;
  workers_.erase(id);
  const bool replaced =
      std::any_of(workers_.begin(), workers_.end(), [&](const auto& other) { return other.second->slot == slot; });
  if (const std::string why = limiter_.reason_of_death(slot); !why.empty()) end.status += ": " + why;
  if (!replaced) {
    sockets_.remove(slot);
    limiter_.forget(slot);
  }
  on_exit_(id, end);
}

}  // namespace shoal::controller
