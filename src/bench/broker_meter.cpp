#include "bench/broker_meter.hpp"

#include <time.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

namespace shoal::bench {
namespace {

namespace fs = std::filesystem;

/// The number behind `word` in a file of words.
std::optional<std::uint64_t> number_behind(std::string_view word, const fs::path& path) {
  std::ifstream file(path);
  for (std::string next; file >> next;) {
    std::uint64_t number = 0;
    if (next == word && file >> number) return number;
  }
  return {};
}

/// Time on a CPU and waits of all threads. False: there are none.
bool add_threads(const fs::path& process, BrokerMeter::Reading& sum) {
  std::error_code error;
  bool any = false;
  for (fs::directory_iterator task(process / "task", error), end; !error && task != end; task.increment(error)) {
    std::uint64_t ns = 0;
    // A thread may end meanwhile.
    if (!(std::ifstream(task->path() / "schedstat") >> ns)) continue;
    sum.cpu_us += static_cast<double>(ns) / 1e3;
    sum.wake_ups += number_behind("voluntary_ctxt_switches:", task->path() / "status").value_or(0);
    any = true;
  }
  return any;
}

}  // namespace

Result<BrokerMeter::Reading> BrokerMeter::read() const {
  Reading all;
  for (const pid_t pid : pids_) {
    const fs::path process = fs::path(proc_) / std::to_string(pid);
    const auto pss_kib = number_behind("Pss:", process / "smaps_rollup");
    if (!add_threads(process, all) || !pss_kib) {
      return Error{ErrorCode::not_found, "cannot read the CPU time and memory of process " + std::to_string(pid) +
                                             " in " + process.string() + ": it is gone, or belongs to another user"};
    }
    all.pss_bytes += *pss_kib * 1024;
  }
  return all;
}

double own_cpu_us() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

}  // namespace shoal::bench
