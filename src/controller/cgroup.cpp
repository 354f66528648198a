#include "controller/cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/unique_fd.hpp"

namespace shoal::controller {
namespace {

constexpr std::string_view kOwnGroup = "/controller";

Error unavailable(std::string why) { return {ErrorCode::unavailable, std::move(why)}; }

/// As a shell's `>` does.
Result<void> write_file(const std::string& path, std::string_view value) {
  const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd && ::write(fd.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size())) return {};
  return Error{ErrorCode::io, path + " cannot be written: " + std::strerror(errno)};
}

/// The path of this process in the one hierarchy of version 2.
std::optional<std::string> own_path(const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::/")) return line.substr(3);
  return std::nullopt;
}

struct Mount {
  std::string top;  // the group that is seen at `point`
  std::string point;
};

std::optional<Mount> find_mount(const std::string& root) {
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos || !line.substr(dash + 3).starts_with("cgroup2 ")) continue;
    std::istringstream fields(line);
    std::string id, parent, device;
    Mount mount;
    if (fields >> id >> parent >> device >> mount.top >> mount.point) return mount;
  }
  return std::nullopt;
}

bool names(const std::string& list, std::string_view word) {
  std::istringstream words(list);
  for (std::string one; words >> one;)
    if (one == word) return true;
  return false;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

Cgroup Cgroup::find(const std::string& root, bool managed) {
  Cgroup group;
  const auto path = own_path(root);
  const auto mount = find_mount(root);
  if (!path || !mount) {
    group.why_not_ = "needs cgroup v2, which is not mounted here";
    return group;
  }
  std::string below = *path;
  if (mount->top != "/" && below.starts_with(mount->top)) below.erase(0, mount->top.size());
  // Where a controller before, or the service manager, has put this process.
  if (below.ends_with(kOwnGroup)) {
    below.resize(below.size() - kOwnGroup.size());
  } else if (managed) {
    group.why_not_ = "needs Delegate=yes and DelegateSubgroup=controller of the unit (systemd 254 or newer)";
    return group;
  }
  while (below.ends_with('/')) below.pop_back();
  group.shown_ = mount->point + below;
  group.path_ = root + group.shown_;
  return group;
}

Result<void> Cgroup::make_ready(const std::set<pid_t>& ours) {
  if (ready_) return {};
  if (path_.empty()) return unavailable(why_not_);
  const std::string offered = first_line(path_ + "/cgroup.controllers");
  if (!names(offered, "memory") && !names(offered, "cpu"))
    return unavailable("needs the cgroup controllers memory and cpu, which " + shown_ + " does not have");
  if (::access((path_ + "/cgroup.procs").c_str(), W_OK) != 0 || ::access(path_.c_str(), W_OK) != 0)
    return unavailable("needs a cgroup of its own; " + shown_ + " cannot be written (Delegate=yes of the unit)");
  std::vector<pid_t> here;
  {
    std::ifstream procs(path_ + "/cgroup.procs");
    for (pid_t pid = 0; procs >> pid;) here.push_back(pid);
  }
  for (const pid_t pid : here) {
    if (!ours.contains(pid))
      return unavailable("needs a cgroup of its own; in " + shown_ + " there are other processes (pid " +
                         std::to_string(pid) + "): run it as a service with Delegate=yes");
  }
  const std::string own = path_ + std::string(kOwnGroup);
  if (::mkdir(own.c_str(), 0755) != 0 && errno != EEXIST)
    return unavailable(own + " cannot be made: " + std::strerror(errno));
  for (const pid_t pid : here) {
    if (auto moved = write_file(own + "/cgroup.procs", std::to_string(pid)); !moved) return moved;
  }
  for (const std::string_view controller : {"memory", "cpu"}) {
    if (!names(offered, controller)) continue;
    const auto enabled = write_file(path_ + "/cgroup.subtree_control", '+' + std::string(controller));
    if (!enabled) return unavailable(enabled.error().message);
  }
  ready_ = true;
  return {};
}

bool Cgroup::has(std::string_view controller) const {
  return ready_ && names(first_line(path_ + "/cgroup.controllers"), controller);
}

Result<void> Cgroup::place(const std::string& name, pid_t pid) {
  const std::string folder = path_ + '/' + name;
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
    return Error{ErrorCode::io, folder + " cannot be made: " + std::strerror(errno)};
  return write_file(folder + "/cgroup.procs", std::to_string(pid));
}

Result<void> Cgroup::write(const std::string& name, std::string_view file, std::string_view value) {
  return write_file(path_ + '/' + name + '/' + std::string(file), value);
}

std::optional<std::string> Cgroup::read(const std::string& name, std::string_view file) const {
  std::ifstream in(path_ + '/' + name + '/' + std::string(file));
  std::string line;
  if (path_.empty() || !std::getline(in, line)) return std::nullopt;
  return line;
}

std::optional<std::uint64_t> Cgroup::read(const std::string& name, std::string_view file, std::string_view key) const {
  if (path_.empty()) return std::nullopt;
  std::ifstream in(path_ + '/' + name + '/' + std::string(file));
  std::string word;
  for (std::uint64_t number = 0; in >> word >> number;)
    if (word == key) return number;
  return std::nullopt;
}

bool Cgroup::has_group(const std::string& name) const {
  struct stat status {};
  return !path_.empty() && ::stat((path_ + '/' + name).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void Cgroup::remove(const std::string& name) {
  if (!path_.empty()) ::rmdir((path_ + '/' + name).c_str());
}

}  // namespace shoal::controller
