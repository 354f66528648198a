#include <malloc.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <new>
#include <optional>
#include <string_view>

#include "link/exit_code.hpp"
#include "worker/stack_signals.hpp"
#include "worker/worker.hpp"

namespace shoal::worker {
namespace {

void say(std::string_view line) { [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, line.data(), line.size()); }

bool is_control_socket(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

// Nothing goes on as it should without memory, and nothing here needs more of it: the controller says why, starts the
// worker again, and what was acknowledged is in the stores.
[[noreturn]] void end_without_memory() {
  say("shoal-worker: out of memory; it ends and is started again\n");
  ::_exit(link::kExitNoMemory);
}

// Ctrl-C and a closing terminal are the controller's business.
base::UniqueFd take_signals() {
  for (const int ignored : {SIGPIPE, SIGINT, SIGHUP}) std::signal(ignored, SIG_IGN);
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
  return base::UniqueFd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
}

// Large blocks go back to the system when they are freed. glibc's own rule lets them grow the heap after the first one
// that was freed, where what tables that doubled leave behind stays resident. And one heap for all threads: of a second
// thread's own one malloc_trim() leaves the last free block, which may be as large as the threshold. Threads do not
// allocate for each message, so they do not wait for each other here.
void bound_what_malloc_keeps() {
  constexpr int kMappedFrom = 2 * 1024 * 1024;  // more than most packets may have: to map costs as much as to copy
  ::mallopt(M_MMAP_THRESHOLD, kMappedFrom);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kMappedFrom);
  ::mallopt(M_ARENA_MAX, 1);
}

}  // namespace

int worker_main(int control_fd) {
  if (!is_control_socket(control_fd)) {
    say("shoal-worker: no control socket; workers are started by `shoal run` or `shoal up`\n");
    return 2;
  }
  std::set_new_handler(end_without_memory);
  bound_what_malloc_keeps();
  Worker worker{base::UniqueFd(control_fd), take_signals()};
  std::optional<StackSignals> stack_signals;  // ends before the worker does, whose page it writes to
  if (worker.page()) stack_signals.emplace(*worker.page());
  if (auto served = worker.run(); !served) {
    say("shoal-worker: " + served.error().message + "\n");
    return 1;
  }
  return 0;
}

}  // namespace shoal::worker
