#include "controller/worker_limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "controller/fake_cgroups_test.hpp"

namespace shoal::controller {
namespace {

using testing::HasSubstr;

/// A process that waits to be killed.
class Sleeper {
 public:
  Sleeper() : pid_(::fork()) {
    if (pid_ == 0) {
      for (;;) ::pause();
    }
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  std::uint64_t limit(__rlimit_resource resource) const {
    rlimit now{};
    EXPECT_EQ(::prlimit(pid_, resource, nullptr, &now), 0);
    return now.rlim_cur;
  }

 private:
  pid_t pid_;
};

constexpr config::WorkerLimits kLimits{.memory_bytes = 64ull << 20, .cpu_percent = 150, .descriptors = 100};

TEST(WorkerLimiter, UsesCgroupsWhereTheyCanBeDivided) {
  const FakeCgroups fake;
  const Sleeper worker;
  WorkerLimiter limiter(fake.root());
  limiter.limit("own lab", worker.pid(), kLimits);
  EXPECT_EQ(fake.read("worker-lab/cgroup.procs"), std::to_string(worker.pid()));
  EXPECT_EQ(fake.read("worker-lab/memory.max"), std::to_string(64 << 20));
  EXPECT_EQ(fake.read("worker-lab/cpu.max"), "150000 100000");
  EXPECT_EQ(worker.limit(RLIMIT_DATA), RLIM_INFINITY);
  EXPECT_EQ(worker.limit(RLIMIT_NOFILE), 100u);

  FakeCgroups::write(fake.group() / "worker-lab/memory.current", "4096\n");
  FakeCgroups::write(fake.group() / "worker-lab/memory.peak", "8192\n");
  FakeCgroups::write(fake.group() / "worker-lab/memory.events", "max 3\noom_kill 0\n");
  FakeCgroups::write(fake.group() / "worker-lab/cpu.stat", "usage_usec 5\nnr_throttled 9\n");
  const auto limits = limiter.limits("own lab", worker.pid());
  ASSERT_EQ(limits.size(), 3u);
  EXPECT_EQ(limits[0], (api::Limit{.key = "worker_limits.memory",
                                   .limit = 64 << 20,
                                   .unit = "bytes",
                                   .use = 4096,
                                   .peak = 8192,
                                   .hits = 3,
                                   .in_force = "cgroup v2"}));
  EXPECT_EQ(
      limits[1],
      (api::Limit{
          .key = "worker_limits.cpu_percent", .limit = 150, .unit = "percent", .hits = 9, .in_force = "cgroup v2"}));
  EXPECT_EQ(limits[2].in_force, "rlimit");
  EXPECT_EQ(limiter.reason_of_death("own lab"), "");
  FakeCgroups::write(fake.group() / "worker-lab/memory.events", "max 3\noom_kill 1\n");
  EXPECT_EQ(limiter.reason_of_death("own lab"), "its cgroup reached the memory limit");
}

TEST(WorkerLimiter, LimitsCanBeLifted) {
  const FakeCgroups fake;
  const Sleeper worker;
  const std::uint64_t before = worker.limit(RLIMIT_NOFILE);
  WorkerLimiter limiter(fake.root());
  limiter.limit("group small", worker.pid(), kLimits);
  limiter.limit("group small", worker.pid(), {});
  EXPECT_EQ(fake.read("shared-small/memory.max"), "max");
  EXPECT_EQ(fake.read("shared-small/cpu.max"), "max 100000");
  EXPECT_GE(worker.limit(RLIMIT_NOFILE), before);
  for (const api::Limit& limit : limiter.limits("group small", worker.pid()))
    EXPECT_EQ(limit.in_force, "") << limit.key;
}

TEST(WorkerLimiter, TakesRlimitsWhereThereAreNoCgroups) {
  const FakeCgroups fake;
  FakeCgroups::write(fake.group() / "cgroup.controllers", "");
  const Sleeper worker;
  WorkerLimiter limiter(fake.root());
  limiter.limit("own lab", worker.pid(), kLimits);
  EXPECT_EQ(worker.limit(RLIMIT_DATA), kLimits.memory_bytes);
  EXPECT_EQ(worker.limit(RLIMIT_NOFILE), 100u);
  const auto limits = limiter.limits("own lab", worker.pid());
  ASSERT_EQ(limits.size(), 3u);
  EXPECT_EQ(limits[0].in_force, "rlimit");
  EXPECT_THAT(limits[1].in_force, HasSubstr("none: needs the cgroup controllers"));
  EXPECT_FALSE(fake.has("controller"));
  limiter.limit("own lab", worker.pid(), {});
  EXPECT_EQ(worker.limit(RLIMIT_DATA), RLIM_INFINITY);
}

TEST(WorkerLimiter, WithoutLimitsShowsWhatIsUsedAndTouchesNoCgroup) {
  const FakeCgroups fake;
  const Sleeper worker;
  FakeCgroups::write(std::filesystem::path(fake.root()) / "proc" / std::to_string(worker.pid()) / "status",
                     "VmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nVmData:\t  9 kB\n");
  WorkerLimiter limiter(fake.root());
  limiter.limit("own lab", worker.pid(), {});
  EXPECT_FALSE(fake.has("controller"));
  const auto limits = limiter.limits("own lab", worker.pid());
  ASSERT_EQ(limits.size(), 3u);
  EXPECT_EQ(limits[0].use, 1u << 20);
  EXPECT_EQ(limits[0].peak, 2u << 20);
  EXPECT_EQ(limits[0].limit, std::nullopt);
  EXPECT_TRUE(limiter.limits("own other", worker.pid()).empty());
  EXPECT_TRUE(limiter.limits("own lab", worker.pid() + 1).empty());
}

// The one before has not ended yet when the next one has its place.
TEST(WorkerLimiter, GroupsGoWithTheirWorkers) {
  const FakeCgroups fake;
  const Sleeper worker;
  WorkerLimiter limiter(fake.root());
  limiter.limit("own lab", worker.pid(), {.memory_bytes = 64ull << 20});
  std::filesystem::remove_all(fake.group() / "worker-lab");  // the kernel's files count for nothing
  std::filesystem::create_directory(fake.group() / "worker-lab");
  limiter.forget("own lab");
  EXPECT_FALSE(fake.has("worker-lab"));
}

}  // namespace
}  // namespace shoal::controller
