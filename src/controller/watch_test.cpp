#include <gtest/gtest.h>

#include "controller/fake_machine_test.hpp"

namespace shoal::controller {
namespace {

constexpr WorkerId kSmall{3};  // of lab and lab2

struct WatchTest : ::testing::Test, FakeFleet {
  WatchTest() {
    begin();
    ready_all();
  }
  void busy_with(const char* name, base::Time since) {
    processes.pulses[kSmall] = {.busy_since = since, .working_for = {pulse_id(name)}};
  }
  void look_after(int wait_s) {
    now += base::seconds(wait_s);
    running.watch_workers(now);
  }
  void crash_while_working_for(const char* name, WorkerId worker) {
    running.on_exit(worker, {.status = "killed by signal 11 (SEGV)", .crashed = true, .working_for = {pulse_id(name)}},
                    now);
  }
  // The instances of the worker come back after their back-off.
  void come_back() {
    now += base::seconds(20);
    running.on_time(now);
  }
  std::string worker_of(const char* name) const { return running.view(name, now)->worker; }
  std::int64_t pid_of(const char* name) const { return running.view(name, now)->pid; }
};

TEST_F(WatchTest, AWorkerThatSleepsOrGetsOnIsLeftAlone) {
  look_after(60);
  for (int i = 0; i < 5; ++i) {
    busy_with("lab", now);
    look_after(5);
  }
  EXPECT_TRUE(processes.asked_stacks.empty());
  EXPECT_TRUE(processes.killed.empty());
}

TEST_F(WatchTest, OneThatIsBusyForTenSecondsTellsWhereAndIsKilled) {
  busy_with("lab", now);
  look_after(5);
  EXPECT_TRUE(processes.asked_stacks.empty());
  look_after(5);
  ASSERT_EQ(processes.asked_stacks, std::vector{kSmall});
  EXPECT_TRUE(processes.killed.empty());
  look_after(0);
  pass_until_deadline();
  EXPECT_EQ(processes.killed, std::vector{kSmall});
  EXPECT_EQ(processes.asked_stacks.size(), 1u);
  running.on_exit(kSmall, {.status = "killed by signal 9 (KILL)", .working_for = {pulse_id("lab")}}, now);
  EXPECT_EQ(running.state("lab2"), fleet::State::backoff);
  EXPECT_EQ(running.view("lab", now)->last_exit, "killed: it hangs: one turn takes 10 s, for lab");
}

TEST_F(WatchTest, OneLookIsNotEnough) {
  // As after a machine that slept: the turn began long ago, and the next look finds another one.
  busy_with("lab", now - base::seconds(100));
  look_after(5);
  busy_with("lab", now);
  look_after(5);
  EXPECT_TRUE(processes.asked_stacks.empty());
}

TEST_F(WatchTest, OneThatIsHaltedForTenSecondsIsReplaced) {
  processes.pulses[kSmall] = {.halted = true};
  look_after(5);
  look_after(5);
  EXPECT_TRUE(processes.asked_stacks.empty());
  look_after(5);
  EXPECT_EQ(processes.asked_stacks, std::vector{kSmall});
  pass_until_deadline();
  EXPECT_EQ(processes.killed, std::vector{kSmall});
}

TEST_F(WatchTest, OneThatIsHaltedForAMomentIsNot) {
  for (int i = 0; i < 4; ++i) {
    processes.pulses[kSmall] = {.halted = true};
    look_after(5);
    processes.pulses[kSmall] = {};
    look_after(5);
  }
  EXPECT_TRUE(processes.asked_stacks.empty());
}

TEST_F(WatchTest, WhoCrashesASharedWorkerTwiceGetsItsOwn) {
  crash_while_working_for("lab", kSmall);
  EXPECT_EQ(running.view("lab", now)->last_exit, "killed by signal 11 (SEGV) while it worked for lab");
  come_back();
  ready("lab", 4);
  ready("lab2", 4);
  EXPECT_EQ(pid_of("lab"), pid_of("lab2"));
  crash_while_working_for("lab", WorkerId{4});
  come_back();
  EXPECT_EQ(worker_of("lab"), "own");
  EXPECT_EQ(worker_of("lab2"), "small");
  EXPECT_NE(pid_of("lab"), pid_of("lab2"));
  EXPECT_EQ(running.view("lab", now)->notes.size(), 1u);
  EXPECT_TRUE(running.view("lab2", now)->notes.empty());
}

TEST_F(WatchTest, ByHandItComesBack) {
  crash_while_working_for("lab", kSmall);
  come_back();
  crash_while_working_for("lab", WorkerId{4});
  come_back();
  ready("lab", 5);
  ready("lab2", 6);
  ASSERT_EQ(worker_of("lab"), "own");
  running.restart("lab", now);
  stopped("lab", 5);
  EXPECT_EQ(worker_of("lab"), "small");
  EXPECT_EQ(pid_of("lab"), pid_of("lab2"));
}

TEST_F(WatchTest, TheNextControllerKnows) {
  crash_while_working_for("lab", kSmall);
  come_back();
  crash_while_working_for("lab", WorkerId{4});
  come_back();
  const auto started = std::find_if(processes.sent.rbegin(), processes.sent.rend(), [](const auto& sent) {
    return sent.message.type() == link::type::kStart && sent.message.text("name") == "lab";
  });
  ASSERT_NE(started, processes.sent.rend());

  FakeFleet next;
  link::Message hosts = started->message.as(link::type::kHosts);
  hosts.add("state", std::string_view("ready"));
  std::vector<Adopted> workers;
  workers.push_back({.id = WorkerId{9}, .pid = 999, .slot = "own lab", .hosts = {}});
  workers.back().hosts.push_back({std::move(hosts), {}});
  next.running.take_over(std::move(workers), next.now);
  EXPECT_EQ(next.running.view("lab", next.now)->worker, "own");
  EXPECT_FALSE(next.running.view("lab", next.now)->notes.empty());
  EXPECT_EQ(next.running.view("lab2", next.now)->worker, "small");
}

TEST_F(WatchTest, WhoDidNotWorkOrDidNotCrashIsNotBlamed) {
  for (std::uint64_t worker = 3; worker < 7; ++worker) {
    running.on_exit(WorkerId{worker}, {.status = "killed by signal 9 (KILL)", .working_for = {pulse_id("lab")}}, now);
    come_back();
    ready("lab", worker + 1);
    ready("lab2", worker + 1);
  }
  EXPECT_EQ(worker_of("lab"), "small");
  EXPECT_EQ(worker_of("lab2"), "small");
}

}  // namespace
}  // namespace shoal::controller
