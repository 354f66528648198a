#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace shoal::controller {

/// A /proc and a mount of cgroups as ordinary files: what the kernel does when they are written does not happen.
class FakeCgroups {
 public:
  explicit FakeCgroups(const std::string& path = "/system.slice/shoal.service")
      : root_(std::filesystem::path(testing::TempDir()) /
              ("cgroups-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()))),
        group_(root_ / "sys/fs/cgroup" / path.substr(1)) {
    std::filesystem::remove_all(root_);
    write(root_ / "proc/self/cgroup", "4:memory:/somewhere\n0::" + path + "\n");
    write(root_ / "proc/self/mountinfo",
          "25 30 0:23 / /sys rw,nosuid - sysfs sysfs rw\n"
          "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n");
    write(group_ / "cgroup.controllers", "cpuset cpu io memory pids\n");
    write(group_ / "cgroup.procs", std::to_string(::getpid()) + '\n');
    write(group_ / "cgroup.subtree_control", "");
  }
  ~FakeCgroups() { std::filesystem::remove_all(root_); }

  static void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string read(const std::string& file) const {
    std::ifstream in(group_ / file);
    std::string line;
    std::getline(in, line);
    return line;
  }
  bool has(const std::string& file) const { return std::filesystem::exists(group_ / file); }

  std::string root() const { return root_; }
  const std::filesystem::path& group() const { return group_; }

 private:
  std::filesystem::path root_;
  std::filesystem::path group_;
};

}  // namespace shoal::controller
