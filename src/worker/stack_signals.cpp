#include "worker/stack_signals.hpp"

#include <link.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace shoal::worker {
namespace {

// A handler has no other way to find it.
link::WorkerPage* g_page = nullptr;

struct Walk {
  link::ThreadStack& stack;
  std::uint32_t frames = 0;
};

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* argument) {
  Walk& walk = *static_cast<Walk*>(argument);
  int before = 0;  // an interrupted instruction; otherwise where a call returns to
  const std::uint64_t at = _Unwind_GetIPInfo(context, &before);
  if (at == 0 || walk.frames == link::ThreadStack::kFramesMax) return _URC_END_OF_STACK;
  if (before != 0) walk.frames = 0;  // what came until here was the handler
  walk.stack.at[walk.frames++] = before != 0 ? at : at - 1;
  return _URC_NO_REASON;
}

// Only what is safe in a handler, wherever the thread was.
void write_stack() {
  const std::uint32_t place = g_page->stacks_taken.fetch_add(1);
  if (place >= g_page->stacks.size()) return;
  link::ThreadStack& stack = g_page->stacks[place];
  stack.thread = static_cast<std::int32_t>(::syscall(SYS_gettid));
  ::prctl(PR_GET_NAME, stack.name);
  Walk walk{stack};
  _Unwind_Backtrace(note_frame, &walk);
  stack.frames.store(walk.frames, std::memory_order_release);
}

void on_quit(int) {
  const int kept = errno;
  write_stack();
  errno = kept;
}

// The disposition is the default one again (SA_RESETHAND).
void on_crash(int signal) {
  g_page->fatal_signal.store(signal);
  write_stack();
  ::raise(signal);
}

int note_bias(dl_phdr_info* program, std::size_t, void* bias) {
  *static_cast<std::uint64_t*>(bias) = program->dlpi_addr;
  return 1;  // the first one is the program
}

constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGABRT};

bool handled_by(int signal, void (*handler)(int)) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == handler;
}

}  // namespace

StackSignals::StackSignals(link::WorkerPage& page) {
  g_page = &page;
  ::dl_iterate_phdr(note_bias, &page.load_bias);
  struct sigaction action {};
  action.sa_handler = on_quit;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGQUIT, &action, nullptr);
  action.sa_handler = on_crash;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : kCrashes) {
    if (handled_by(signal, SIG_DFL)) ::sigaction(signal, &action, nullptr);
  }
}

StackSignals::~StackSignals() {
  std::signal(SIGQUIT, SIG_IGN);
  for (const int signal : kCrashes) {
    if (handled_by(signal, on_crash)) std::signal(signal, SIG_DFL);
  }
}

}  // namespace shoal::worker
