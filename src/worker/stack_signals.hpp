#pragma once

#include "link/worker_page.hpp"

namespace shoal::worker {

/// While it lives, a thread that gets SIGQUIT writes into `page` where it is, and goes on; one that gets a signal of a
/// crash (SEGV, BUS, ILL, FPE, SYS, ABRT) does so too, and dies of it. Signals of a crash that somebody else handles
/// are left alone. Afterwards SIGQUIT does nothing, and a crash is the system's affair again.
///
/// One per process at a time, made before there are other threads. `page` outlives it and every thread that it has
/// seen: one may be in a handler when it ends.
class StackSignals {
 public:
  explicit StackSignals(link::WorkerPage& page);
  ~StackSignals();
  StackSignals(const StackSignals&) = delete;
  StackSignals& operator=(const StackSignals&) = delete;
};

}  // namespace shoal::worker
