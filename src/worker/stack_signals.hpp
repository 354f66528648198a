#pragma once

#include "link/worker_page.hpp"

namespace shoal::worker {

/// From here on a thread that gets SIGQUIT writes into `page` where it is, and goes on; one that gets a signal of a
/// crash (SEGV, BUS, ILL, FPE, SYS, ABRT) does so too, and dies of it. Signals of a crash that somebody else handles
/// are left alone. `page` stays until the process ends. Once per process; before there are other threads.
void write_stacks_on_signals(link::WorkerPage& page);

}  // namespace shoal::worker
