#include "bench/broker_meter.hpp"

#include <time.h>

#include <filesystem>
#include <fstream>
#include <optional>

namespace shoal::bench {
namespace {

namespace fs = std::filesystem;

/// Nanoseconds on a CPU of all threads.
std::optional<std::uint64_t> cpu_ns(const fs::path& process) {
  std::error_code error;
  std::uint64_t sum = 0;
  bool any = false;
  for (fs::directory_iterator task(process / "task", error), end; !error && task != end; task.increment(error)) {
    std::uint64_t ns = 0;
    // A thread may end meanwhile.
    if (std::ifstream(task->path() / "schedstat") >> ns) {
      sum += ns;
      any = true;
    }
  }
  if (!any) return {};
  return sum;
}

std::optional<std::uint64_t> pss_bytes(const fs::path& process) {
  std::ifstream file(process / "smaps_rollup");
  for (std::string word; file >> word;) {
    std::uint64_t kib = 0;
    if (word == "Pss:" && file >> kib) return kib * 1024;
  }
  return {};
}

}  // namespace

Result<BrokerMeter::Reading> BrokerMeter::read() const {
  Reading all;
  for (const pid_t pid : pids_) {
    const fs::path process = fs::path(proc_) / std::to_string(pid);
    const auto cpu = cpu_ns(process);
    const auto pss = pss_bytes(process);
    if (!cpu || !pss) {
      return Error{ErrorCode::not_found, "cannot read the CPU time and memory of process " + std::to_string(pid) +
                                             " in " + process.string() + ": it is gone, or belongs to another user"};
    }
    all.cpu_us += static_cast<double>(*cpu) / 1e3;
    all.pss_bytes += *pss;
  }
  return all;
}

double own_cpu_us() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

}  // namespace shoal::bench
