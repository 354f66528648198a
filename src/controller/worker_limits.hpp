#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "api/limits.hpp"
#include "config/fleet_config.hpp"
#include "controller/cgroup.hpp"

namespace shoal::controller {

/// Holds worker processes to their limits: memory and processor time by cgroups where this process has one to divide,
/// memory by RLIMIT_DATA where not, descriptors by RLIMIT_NOFILE always. Soft limits only, so that they can be raised
/// again. One thread.
class WorkerLimiter {
 public:
  /// As `Cgroup::find`.
  explicit WorkerLimiter(const std::string& root = "", bool managed = false)
      : root_(root), cgroup_(Cgroup::find(root, managed)) {}

  /// From now on the worker `slot` (see `Processes::spawn`), process `pid`, has these. Every worker is told of, also
  /// those without limits.
  void limit(const std::string& slot, pid_t pid, const config::WorkerLimits& limits);
  /// What is in force of that, and how much of it is used now. A limit that is not written is there too, so that what
  /// is used can be seen.
  std::vector<api::Limit> limits(const std::string& slot, pid_t pid) const;
  /// Why it was killed, when a limit was it: `its cgroup reached the memory limit`; else empty.
  std::string reason_of_death(const std::string& slot) const;
  /// The worker is gone, and no other has its place.
  void forget(const std::string& slot);

 private:
  struct Worker {
    pid_t pid = 0;
    config::WorkerLimits wanted;
    std::string memory;  // by what it is in force; empty: there is none
    std::string cpu;
    std::string descriptors;
    bool grouped = false;
  };

  bool place(const std::string& slot, Worker& worker, std::string& why_not);
  void limit_memory(const std::string& slot, Worker& worker, bool grouped);
  void limit_cpu(const std::string& slot, Worker& worker, bool grouped, const std::string& why_not);
  static void limit_descriptors(Worker& worker);

  std::string root_;
  Cgroup cgroup_;
  std::map<std::string, Worker> workers_;
};

}  // namespace shoal::controller
