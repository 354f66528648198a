#include "controller/cgroup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "controller/fake_cgroups_test.hpp"

namespace shoal::controller {
namespace {

using testing::HasSubstr;

const std::set<pid_t> kOurs{::getpid()};

TEST(Cgroup, IsDividedWithTheControllerInAGroupOfItsOwn) {
  const FakeCgroups fake;
  Cgroup group = Cgroup::find(fake.root());
  EXPECT_FALSE(fake.has("controller")) << "nothing is touched before";
  EXPECT_FALSE(group.has("memory"));
  ASSERT_TRUE(group.make_ready(kOurs).ok());
  EXPECT_EQ(fake.read("controller/cgroup.procs"), std::to_string(::getpid()));
  EXPECT_EQ(fake.read("cgroup.subtree_control"), "+cpu") << "the last of two writes";
  EXPECT_TRUE(group.has("memory"));
  EXPECT_TRUE(group.has("cpu"));

  ASSERT_TRUE(group.place("worker-lab", 4711).ok());
  ASSERT_TRUE(group.write("worker-lab", "memory.max", "1048576").ok());
  EXPECT_EQ(fake.read("worker-lab/cgroup.procs"), "4711");
  EXPECT_EQ(fake.read("worker-lab/memory.max"), "1048576");
  FakeCgroups::write(fake.group() / "worker-lab/memory.events", "low 0\nmax 12\noom_kill 1\n");
  EXPECT_EQ(group.read("worker-lab", "memory.events", "oom_kill"), 1u);
  EXPECT_EQ(group.read("worker-lab", "memory.events", "nothing"), std::nullopt);
  EXPECT_EQ(group.read("worker-lab", "memory.max"), "1048576");
  EXPECT_EQ(group.read("worker-lab", "memory.peak"), std::nullopt);
}

TEST(Cgroup, OfAControllerThatIsInItsLeafAlreadyIsTheOneAbove) {
  const FakeCgroups fake("/system.slice/shoal.service/controller");
  FakeCgroups::write(fake.group().parent_path() / "cgroup.controllers", "memory\n");
  FakeCgroups::write(fake.group().parent_path() / "cgroup.procs", "");
  Cgroup group = Cgroup::find(fake.root(), true);
  ASSERT_TRUE(group.make_ready(kOurs).ok());
  EXPECT_TRUE(group.has("memory"));
  EXPECT_FALSE(group.has("cpu"));
  ASSERT_TRUE(group.place("worker-lab", 4711).ok());
  EXPECT_TRUE(std::filesystem::exists(fake.group().parent_path() / "worker-lab"));
}

TEST(Cgroup, WithStrangersInItIsLeftAlone) {
  const FakeCgroups fake;
  FakeCgroups::write(fake.group() / "cgroup.procs", std::to_string(::getpid()) + "\n1\n");
  Cgroup group = Cgroup::find(fake.root());
  const auto ready = group.make_ready(kOurs);
  ASSERT_FALSE(ready.ok());
  EXPECT_THAT(ready.error().message, HasSubstr("other processes (pid 1)"));
  EXPECT_FALSE(fake.has("controller"));
  // They may go.
  FakeCgroups::write(fake.group() / "cgroup.procs", std::to_string(::getpid()) + '\n');
  EXPECT_TRUE(group.make_ready(kOurs).ok());
}

TEST(Cgroup, OfAServiceManagerThatCouldNotStartTheNextOneIsLeftAlone) {
  const FakeCgroups fake;
  const auto ready = Cgroup::find(fake.root(), true).make_ready(kOurs);
  ASSERT_FALSE(ready.ok());
  EXPECT_THAT(ready.error().message, HasSubstr("DelegateSubgroup=controller"));
}

TEST(Cgroup, WithoutControllersOrMountSaysWhy) {
  const FakeCgroups fake;
  FakeCgroups::write(fake.group() / "cgroup.controllers", "");
  auto ready = Cgroup::find(fake.root()).make_ready(kOurs);
  ASSERT_FALSE(ready.ok());
  EXPECT_THAT(ready.error().message, HasSubstr("/system.slice/shoal.service does not have"));
  FakeCgroups::write(std::filesystem::path(fake.root()) / "proc/self/mountinfo", "");
  ready = Cgroup::find(fake.root()).make_ready(kOurs);
  ASSERT_FALSE(ready.ok());
  EXPECT_THAT(ready.error().message, HasSubstr("not mounted"));
}

}  // namespace
}  // namespace shoal::controller
