#include "controller/external_orphans.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "controller/wait_readable.hpp"
#include "fleet/supervisor.hpp"

namespace shoal::controller {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kDeath{1};  // a killed process has this long

}  // namespace

ExternalOrphans::ExternalOrphans(const std::string& run_dir) : records_(run_dir) {
  for (ExternalRecords::Record& record : records_.read()) {
    base::UniqueFd process = open_process(record.process);
    if (process) orphans_.push_back({std::move(record), std::move(process)});
  }
}

void ExternalOrphans::terminate() {
  terminated_ = Clock::now();
  for (const Orphan& orphan : orphans_) ::syscall(SYS_pidfd_send_signal, orphan.process.get(), SIGTERM, nullptr, 0);
}

std::size_t ExternalOrphans::wait(Time until) {
  until = std::min(until, terminated_ + fleet::SupervisorOptions{}.stop_limit);
  std::size_t left = 0;
  for (const Orphan& orphan : orphans_) {
    if (!wait_readable(orphan.process.get(), until)) {
      kill_group(orphan.record.process);
      if (!wait_readable(orphan.process.get(), Clock::now() + kDeath)) {
        ++left;
        continue;
      }
    }
    records_.remove(orphan.record.name);
  }
  records_.remove_folder();
  return left;
}

}  // namespace shoal::controller
