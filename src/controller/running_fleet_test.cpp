#include "controller/running_fleet.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/fake_machine_test.hpp"
#include "link/fields.hpp"

namespace shoal::controller {
namespace {

using base::milliseconds;
using base::seconds;
using Answer = RunningFleet::Answer;
using fleet::State;
using testing::ElementsAre;
using testing::HasSubstr;

class RunningFleetTest : public testing::Test, protected FakeFleet {};

TEST_F(RunningFleetTest, OwnAndGroupedInstancesGetTheirWorkersAndSockets) {
  begin();
  ASSERT_EQ(processes.spawned.size(), 3u);
  EXPECT_EQ(processes.spawned[0].name, "a");
  EXPECT_EQ(processes.spawned[2].name, "small");
  // Both of the group were sent to the third.
  EXPECT_THAT(processes.told(3), ElementsAre("start lab", "start lab2"));
  const auto& sent = processes.sent.front();
  EXPECT_EQ(sent.fds, 1u);
  EXPECT_EQ(link::options_from(sent.message)->listeners.at(0).url, "mqtt://127.0.0.1:18000");
  EXPECT_FALSE(running.settled());
  ready_all();
  EXPECT_TRUE(running.settled());
  for (const char* name : {"a", "b", "lab", "lab2"}) EXPECT_EQ(running.state(name), State::ready) << name;
  EXPECT_EQ(running.view("lab", now)->pid, 1003);
  EXPECT_EQ(running.deadline(), base::kNever) << "nothing to do: no wake-up";
}

TEST_F(RunningFleetTest, NothingStaysBoundWhenOneListenerFails) {
  sockets.refuse = "b";
  const auto problems = running.apply(four_instances(), {}, now).problems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0].message, HasSubstr("held"));
  EXPECT_EQ(sockets.open(), 0u);
}

TEST_F(RunningFleetTest, ADeathIsAnsweredByBackOffAndANewWorkerWithTheSameSockets) {
  begin();
  ready_all();
  const auto binds = sockets.binds;
  running.on_exit(WorkerId{1}, {"killed by signal 9 (KILL)"}, now);
  EXPECT_EQ(running.state("a"), State::backoff);
  EXPECT_EQ(running.view("a", now)->pid, 0);
  EXPECT_EQ(running.view("a", now)->last_exit, "killed by signal 9 (KILL)");
  EXPECT_EQ(running.state("b"), State::ready);
  pass_until_deadline();
  ASSERT_EQ(processes.spawned.size(), 4u);
  EXPECT_EQ(processes.spawned[3].name, "a");
  EXPECT_EQ(sockets.binds, binds) << "the sockets were kept, so no connect was refused";
  ready("a", 4);
  EXPECT_EQ(running.state("a"), State::ready);
  EXPECT_EQ(running.view("a", now)->restarts, 1u);
}

TEST_F(RunningFleetTest, InstancesOfADeadSharedWorkerComeBackTogether) {
  begin();
  ready_all();
  running.on_exit(WorkerId{3}, {"exited with code 1"}, now);
  EXPECT_EQ(running.state("lab"), State::backoff);
  EXPECT_EQ(running.state("lab2"), State::backoff);
  pass_until_deadline();
  ASSERT_EQ(processes.spawned.size(), 4u) << "one process for both";
  EXPECT_THAT(processes.told(4), ElementsAre("start lab", "start lab2"));
}

TEST_F(RunningFleetTest, SocketsOfALongBackOffAreClosedAndBoundAgain) {
  begin();
  ready_all();
  const std::size_t all = sockets.open();
  WorkerId worker{1};
  while (running.state("a") != State::failed) {  // a crash loop
    running.on_exit(worker, {"exited with code 1"}, now);
    if (running.state("a") == State::failed) break;
    const auto started = processes.spawned.size();
    while (processes.spawned.size() == started) {
      pass_until_deadline();
      // Open for two seconds of each back-off, then closed.
      const bool waiting = running.state("a") == State::backoff;
      EXPECT_EQ(sockets.open(), waiting ? all - 1 : all);
    }
    worker = WorkerId{processes.spawned.size()};
  }
  EXPECT_EQ(sockets.open(), all - 1) << "closed when it failed";
  EXPECT_GT(sockets.binds, 4u);
  EXPECT_EQ(running.start("a", now), Answer::done);
  EXPECT_EQ(sockets.open(), all);
}

TEST_F(RunningFleetTest, APortThatWasTakenMeanwhileIsTold) {
  begin();
  ready_all();
  ASSERT_EQ(running.stop("a", now), Answer::done);
  stopped("a", 1);
  sockets.refuse = "a";
  EXPECT_EQ(running.start("a", now), Answer::done);
  EXPECT_EQ(running.state("a"), State::backoff);
  EXPECT_THAT(running.view("a", now)->last_exit, HasSubstr("held"));
}

TEST_F(RunningFleetTest, StopDrainsClosesTheSocketsAndEndsTheWorker) {
  begin();
  ready_all();
  const std::size_t all = sockets.open();
  EXPECT_EQ(running.stop("a", now), Answer::done);
  EXPECT_EQ(running.state("a"), State::stopping);
  EXPECT_EQ(processes.told(1).back(), "stop a");
  stopped("a", 1);
  EXPECT_EQ(running.state("a"), State::stopped);
  EXPECT_EQ(sockets.open(), all - 1);
  EXPECT_EQ(processes.told(1).back(), "shutdown ");
  EXPECT_EQ(running.view("a", now)->listeners, std::vector<std::string>{"mqtt://127.0.0.1:18000"})
      << "the port stays its own";
  EXPECT_EQ(running.stop("a", now), Answer::already);
  running.on_exit(WorkerId{1}, {"exited with code 0"}, now);
  EXPECT_EQ(running.deadline(), base::kNever);
  EXPECT_EQ(running.view("a", now)->last_exit, "stopped as asked");
}

TEST_F(RunningFleetTest, AnEmptyWorkerThatStaysIsKilled) {
  begin();
  ready_all();
  running.stop("a", now);
  stopped("a", 1);
  pass_until_deadline();
  EXPECT_THAT(processes.killed, ElementsAre(WorkerId{1}));
}

TEST_F(RunningFleetTest, StoppingOneOfAGroupKeepsTheirWorker) {
  begin();
  ready_all();
  running.stop("lab", now);
  stopped("lab", 3);
  EXPECT_EQ(processes.told(3).back(), "stop lab");
  EXPECT_EQ(running.state("lab2"), State::ready);
  running.start("lab", now);
  EXPECT_EQ(processes.spawned.size(), 3u);
  EXPECT_EQ(processes.told(3).back(), "start lab");
}

TEST_F(RunningFleetTest, RestartKeepsTheSocketsAndTakesANewProcess) {
  begin();
  ready_all();
  const auto binds = sockets.binds;
  EXPECT_EQ(running.restart("a", now), Answer::done);
  stopped("a", 1);
  EXPECT_EQ(running.state("a"), State::starting);
  EXPECT_EQ(sockets.binds, binds);
  EXPECT_EQ(processes.told(1).back(), "shutdown ");
  EXPECT_THAT(processes.told(4), ElementsAre("start a"));
  running.on_exit(WorkerId{1}, {"exited with code 0"}, now);
  EXPECT_EQ(running.state("a"), State::starting) << "the old worker's end is not the new one's";
  ready("a", 4);
  EXPECT_EQ(running.state("a"), State::ready);
}

TEST_F(RunningFleetTest, ARefusalIsKeptAndTriedAgain) {
  begin();
  running.on_message(WorkerId{1},
                     link::Message(link::type::kRefused)
                         .add("name", std::string_view("a"))
                         .add("error", std::string_view("a.users:2: no hash")),
                     now);
  EXPECT_EQ(running.state("a"), State::backoff);
  EXPECT_EQ(running.view("a", now)->last_exit, "a.users:2: no hash");
  EXPECT_EQ(processes.told(1).back(), "shutdown ");
}

TEST_F(RunningFleetTest, AWorkerThatCannotBeStartedIsARefusal) {
  processes.refuse = "no such file";
  begin();
  EXPECT_EQ(running.state("a"), State::backoff);
  EXPECT_THAT(running.view("a", now)->last_exit, HasSubstr("no such file"));
  processes.refuse.clear();
  pass_until_deadline();
  EXPECT_EQ(running.state("a"), State::starting);
}

TEST_F(RunningFleetTest, LateWorkersAreKilledAndTheReasonIsKept) {
  begin();
  ready("b", 2);
  ready("lab", 3);
  ready("lab2", 3);
  pass_until_deadline();
  EXPECT_THAT(processes.killed, ElementsAre(WorkerId{1}));
  running.on_exit(WorkerId{1}, {"killed by signal 9 (KILL)"}, now);
  EXPECT_EQ(running.state("a"), State::backoff);
  EXPECT_EQ(running.view("a", now)->last_exit, "killed: a was not ready in time");
}

TEST_F(RunningFleetTest, MessagesAboutOthersInstancesAreIgnored) {
  begin();
  ready("a", 2);  // worker 2 hosts b
  EXPECT_EQ(running.state("a"), State::starting);
  running.on_message(WorkerId{1}, link::Message("of-tomorrow").add("name", std::string_view("a")), now);
  running.on_message(WorkerId{99}, link::Message(link::type::kReady), now);
  EXPECT_EQ(running.state("a"), State::starting);
}

TEST_F(RunningFleetTest, ALogLevelReachesTheWorkerAndTheNextOne) {
  begin();
  EXPECT_EQ(running.set_log_level("lab", LogLevel::debug), Answer::done) << "also while it starts";
  EXPECT_EQ(processes.told(3).back(), "set lab");
  EXPECT_EQ(link::log_level_in(processes.sent.back().message), LogLevel::debug);
  EXPECT_EQ(running.set_log_level("nope", LogLevel::debug), Answer::no_such_instance);
  EXPECT_EQ(running.set_log_level("controller", LogLevel::error), Answer::done);
  EXPECT_EQ(log.level(), LogLevel::error);

  running.on_exit(WorkerId{3}, {"killed"}, now);
  pass_until_deadline();
  const auto start = std::find_if(processes.sent.rbegin(), processes.sent.rend(),
                                  [](const auto& sent) { return sent.message.text("name") == "lab"; });
  EXPECT_EQ(start->message.text("log.level"), "debug") << "it stays when the worker dies";
}

TEST_F(RunningFleetTest, AWorkerOfAnotherVersionIsKilled) {
  begin();
  running.on_message(WorkerId{1}, link::Message(link::type::kHello).add("version", link::kVersion + 1), now);
  EXPECT_THAT(processes.killed, ElementsAre(WorkerId{1}));
  running.on_message(WorkerId{2}, link::Message(link::type::kHello).add("version", link::kVersion), now);
  EXPECT_EQ(processes.killed.size(), 1u);
}

TEST_F(RunningFleetTest, StopAllEndsWhenEveryProcessIsGone) {
  begin();
  ready_all();
  running.stop_all(now);
  EXPECT_EQ(running.start("a", now), Answer::ending);
  stopped("a", 1);
  stopped("b", 2);
  stopped("lab", 3);
  stopped("lab2", 3);
  EXPECT_FALSE(running.ended());
  for (std::uint64_t id : {1, 2, 3}) running.on_exit(WorkerId{id}, {"exited with code 0"}, now);
  EXPECT_TRUE(running.ended());
  EXPECT_EQ(sockets.open(), 0u);
}

TEST_F(RunningFleetTest, KillAllDuringAStopEndsEverything) {
  begin();
  ready_all();
  running.stop_all(now);
  running.kill_all();
  EXPECT_EQ(processes.killed.size(), 3u);
  for (std::uint64_t id : {1, 2, 3}) running.on_exit(WorkerId{id}, {"killed by signal 9 (KILL)"}, now);
  EXPECT_TRUE(running.ended());
}

}  // namespace
}  // namespace shoal::controller
