#include "controller/worker_limits.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace shoal::controller {
namespace {

const std::string kCgroup = "cgroup v2";
const std::string kRlimit = "rlimit";
constexpr std::string_view kNoLimit = "max";

/// `worker-plant-a`, or `shared-small`: a shared worker may be called like an instance.
std::string group_of(const std::string& slot) {
  const std::size_t blank = slot.find(' ');
  return (slot.starts_with("own ") ? "worker-" : "shared-") + slot.substr(blank + 1);
}

std::string none(const std::string& why) { return "none: " + why; }

/// Sets the soft limit, as far as the hard one lets it. Returns by what it is in force.
std::string set_rlimit(pid_t pid, __rlimit_resource resource, std::uint64_t wanted) {
  rlimit now{};
  if (::prlimit(pid, resource, nullptr, &now) != 0) return none(std::strerror(errno));
  const rlimit next{.rlim_cur = wanted == 0 ? now.rlim_max : std::min<rlim_t>(wanted, now.rlim_max),
                    .rlim_max = now.rlim_max};
  if (next.rlim_cur != now.rlim_cur && ::prlimit(pid, resource, &next, nullptr) != 0) return none(std::strerror(errno));
  if (wanted == 0) return {};
  if (next.rlim_cur < wanted) return kRlimit + ", but the hard limit is " + std::to_string(now.rlim_max);
  return kRlimit;
}

/// `KEY: NUMBER kB` of a process.
std::optional<std::uint64_t> status_bytes(const std::string& root, pid_t pid, std::string_view key) {
  std::ifstream file(root + "/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    std::istringstream fields(line.substr(key.size()));
    std::uint64_t kib = 0;
    if (fields >> kib) return kib * 1024;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> open_descriptors(const std::string& root, pid_t pid) {
  std::error_code error;
  std::uint64_t count = 0;
  std::filesystem::directory_iterator at(root + "/proc/" + std::to_string(pid) + "/fd", error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) ++count;
  return error ? std::nullopt : std::optional(count);
}

std::optional<std::uint64_t> number_of(const std::optional<std::string>& text) {
  std::uint64_t number = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

std::optional<std::uint64_t> limit_of(std::uint64_t wanted) {
  return wanted == 0 ? std::nullopt : std::optional(wanted);
}

}  // namespace

void WorkerLimiter::limit(const std::string& slot, pid_t pid, const config::WorkerLimits& limits) {
  Worker& worker = workers_[slot];
  if (worker.pid != pid) worker = {};
  if (worker.pid == pid && worker.wanted == limits) return;
  worker.pid = pid;
  worker.wanted = limits;
  const bool wants_group = limits.memory_bytes != 0 || limits.cpu_percent != 0;
  std::string why_not;
  const bool grouped =
      (wants_group || worker.grouped || cgroup_.has_group(group_of(slot))) && place(slot, worker, why_not);
  limit_memory(slot, worker, grouped);
  limit_cpu(slot, worker, grouped, why_not);
  limit_descriptors(worker);
}

bool WorkerLimiter::place(const std::string& slot, Worker& worker, std::string& why_not) {
  std::set<pid_t> ours{::getpid()};
  for (const auto& [other, one] : workers_) ours.insert(one.pid);
  Result<void> done = cgroup_.make_ready(ours);
  if (done) done = cgroup_.place(group_of(slot), worker.pid);
  if (!done) why_not = done.error().message;
  worker.grouped = done.ok();
  return done.ok();
}

void WorkerLimiter::limit_memory(const std::string& slot, Worker& worker, bool grouped) {
  const std::uint64_t wanted = worker.wanted.memory_bytes;
  if (grouped && cgroup_.has("memory")) {
    const auto done =
        cgroup_.write(group_of(slot), "memory.max", wanted == 0 ? std::string(kNoLimit) : std::to_string(wanted));
    if (done) {
      worker.memory = wanted == 0 ? "" : kCgroup;
      set_rlimit(worker.pid, RLIMIT_DATA, 0);
      return;
    }
  }
  worker.memory = set_rlimit(worker.pid, RLIMIT_DATA, wanted);
}

void WorkerLimiter::limit_cpu(const std::string& slot, Worker& worker, bool grouped, const std::string& why_not) {
  // In microseconds, of each 100,000.
  constexpr std::uint64_t kPeriod = 100'000;
  const std::uint64_t wanted = worker.wanted.cpu_percent;
  worker.cpu.clear();
  if (grouped && cgroup_.has("cpu")) {
    const std::string quota = wanted == 0 ? std::string(kNoLimit) : std::to_string(wanted * kPeriod / 100);
    const auto done = cgroup_.write(group_of(slot), "cpu.max", quota + ' ' + std::to_string(kPeriod));
    if (wanted != 0) worker.cpu = done ? kCgroup : none(done.error().message);
  } else if (wanted != 0) {
    worker.cpu = none(why_not.empty() ? "needs the cgroup controller cpu" : why_not);
  }
}

void WorkerLimiter::limit_descriptors(Worker& worker) {
  worker.descriptors = set_rlimit(worker.pid, RLIMIT_NOFILE, worker.wanted.descriptors);
}

std::vector<api::Limit> WorkerLimiter::limits(const std::string& slot, pid_t pid) const {
  const auto found = workers_.find(slot);
  if (found == workers_.end() || found->second.pid != pid) return {};
  const Worker& worker = found->second;
  const std::string group = group_of(slot);
  api::Limit memory{.key = "worker_limits.memory",
                    .limit = limit_of(worker.wanted.memory_bytes),
                    .unit = "bytes",
                    .in_force = worker.memory};
  if (worker.memory == kCgroup) {
    memory.use = number_of(cgroup_.read(group, "memory.current"));
    memory.peak = number_of(cgroup_.read(group, "memory.peak"));
    memory.hits = cgroup_.read(group, "memory.events", "max");
  } else if (!worker.memory.empty()) {
    memory.use = status_bytes(root_, pid, "VmData:");  // what RLIMIT_DATA looks at
  } else {
    memory.use = status_bytes(root_, pid, "VmRSS:");
    memory.peak = status_bytes(root_, pid, "VmHWM:");
  }
  api::Limit cpu{.key = "worker_limits.cpu_percent",
                 .limit = limit_of(worker.wanted.cpu_percent),
                 .unit = "percent",
                 .in_force = worker.cpu};
  if (worker.cpu == kCgroup) cpu.hits = cgroup_.read(group, "cpu.stat", "nr_throttled");
  const api::Limit descriptors{.key = "worker_limits.descriptors",
                               .limit = limit_of(worker.wanted.descriptors),
                               .unit = "count",
                               .use = open_descriptors(root_, pid),
                               .in_force = worker.descriptors};
  return {memory, cpu, descriptors};
}

std::string WorkerLimiter::reason_of_death(const std::string& slot) const {
  const auto found = workers_.find(slot);
  if (found == workers_.end() || found->second.memory != kCgroup) return {};
  if (cgroup_.read(group_of(slot), "memory.events", "oom_kill").value_or(0) == 0) return {};
  return "its cgroup reached the memory limit";
}

void WorkerLimiter::forget(const std::string& slot) {
  const auto found = workers_.find(slot);
  if (found == workers_.end()) return;
  if (found->second.grouped) cgroup_.remove(group_of(slot));
  workers_.erase(found);
}

}  // namespace shoal::controller
