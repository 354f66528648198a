#include "controller/external_orphans.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "fleet/supervisor.hpp"

namespace shoal::controller {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kDeath{1};  // a killed process has this long

bool ends(const base::UniqueFd& process, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd wanted{.fd = process.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(0, left))) == 1;
}

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
    if (!ends(orphan.process, until)) {
      kill_group(orphan.record.process);
      if (!ends(orphan.process, Clock::now() + kDeath)) {
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
