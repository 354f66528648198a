#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "link/message.hpp"
#include "shoal/result.hpp"

namespace shoal::controller {

/// Names a process for good, where a pid alone may be somebody else's by now.
struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t started = 0;  ///< in clock ticks since the system began; field 22 of /proc/PID/stat
  std::string boot{};         ///< of which boot

  bool operator==(const ProcessIdentity&) const = default;
};

/// Of a process that lives; nothing when it has ended, reaped or not.
std::optional<ProcessIdentity> identify(pid_t pid);

/// A pidfd of exactly that process; none when it has ended.
base::UniqueFd open_process(const ProcessIdentity& identity);

/// SIGKILL to the process, and to all of the group that it leads. Nothing when it has ended.
void kill_group(const ProcessIdentity& leader);

/// What the next controller has to know of the foreign brokers that run: one file for each, as a `hosts` message of a
/// worker with the process in it. A record is a hint where to look; `open_process` tells whether it is still so. Any
/// thread.
class ExternalRecords {
 public:
  struct Record {
    std::string name;
    ProcessIdentity process;
    link::Message told;
  };

  /// In `run_dir`, in a folder of their own.
  explicit ExternalRecords(const std::string& run_dir) : folder_(run_dir + "/external") {}

  /// As a whole or not at all. Error: io.
  Result<void> write(const std::string& name, const ProcessIdentity& process, const link::Message& told) const;
  void remove(const std::string& name) const;
  /// By name. What makes no sense is not among them.
  std::vector<Record> read() const;
  /// Removes the folder when it is empty.
  void remove_folder() const;

 private:
  std::string folder_;
};

}  // namespace shoal::controller
