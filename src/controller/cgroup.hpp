#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "shoal/result.hpp"

namespace shoal::controller {

/// The cgroup (v2) that a service manager has given to this process, and groups for workers below it. Nothing is
/// touched before `make_ready`. In a group that gives its controllers to groups below there may be no process, so the
/// controller's goes to one of its own, `controller/`.
class Cgroup {
 public:
  /// Looks where this process is. `root`: where /proc and the mount of cgroups are, for tests. `managed`: a service
  /// manager has started it and will do so again; then the group is used only when this process is in `controller/`
  /// already, since otherwise the manager could not start the next one while workers are there.
  static Cgroup find(const std::string& root = "", bool managed = false);

  /// Makes groups for workers possible. `ours`: processes that may be moved; when there are others in the group it is
  /// not ours to divide. Error: why workers cannot be limited by groups, for a person. May be asked again.
  Result<void> make_ready(const std::set<pid_t>& ours);
  /// After `make_ready`: `memory` or `cpu` can be limited.
  bool has(std::string_view controller) const;

  /// Makes the group `name` where it is missing, and moves the process there.
  Result<void> place(const std::string& name, pid_t pid);
  /// Writes a file of that group, such as `memory.max`.
  Result<void> write(const std::string& name, std::string_view file, std::string_view value);
  /// Its first line; nothing when it cannot be read.
  std::optional<std::string> read(const std::string& name, std::string_view file) const;
  /// The number behind `key` in a file of lines `KEY NUMBER`, such as `memory.events`.
  std::optional<std::uint64_t> read(const std::string& name, std::string_view file, std::string_view key) const;
  bool has_group(const std::string& name) const;
  /// When no process is in it any more.
  void remove(const std::string& name);

 private:
  std::string path_;     // of the group that is divided; empty: there is none
  std::string shown_;    // the same without `root`
  std::string why_not_;  // with an empty path
  bool ready_ = false;
};

}  // namespace shoal::controller
