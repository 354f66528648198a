#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/fake_machine_test.hpp"
#include "link/fields.hpp"

namespace shoal::controller {
namespace {

using fleet::State;
using testing::ElementsAre;
using testing::IsEmpty;

class ApplyTest : public testing::Test, protected FakeFleet {
 protected:
  void SetUp() override {
    begin();
    ready_all();
  }
  config::FleetConfig next = four_instances();
  config::InstanceConfig& instance(const std::string& name) {
    return *std::find_if(next.instances.begin(), next.instances.end(), [&](auto& each) { return each.name == name; });
  }
  std::vector<std::string> apply(RunningFleet::ApplyOptions options = {}) {
    const auto applied = running.apply(next, options, now);
    EXPECT_THAT(applied.problems, IsEmpty());
    std::vector<std::string> lines;
    for (const fleet::Step& step : applied.plan.steps)
      lines.push_back(std::string(to_string(step.kind)) + ' ' + step.name);
    return lines;
  }
  void reply(const std::string& name, std::uint64_t worker, std::string_view error = "") {
    link::Message message(link::type::kReply);
    message.add("name", std::string_view(name)).add("to", link::type::kChange);
    if (!error.empty()) message.add("error", error);
    running.on_message(WorkerId{worker}, message, now);
  }
};

TEST_F(ApplyTest, TheSameIsNothingToDo) {
  const std::size_t sent = processes.sent.size();
  EXPECT_THAT(apply(), IsEmpty());
  EXPECT_EQ(processes.sent.size(), sent);
}

TEST_F(ApplyTest, WorkersHaveTheirLimitsFromTheStartAndGetOthersLive) {
  EXPECT_EQ(processes.limited.size(), 3u) << "also without any";
  instance("a").worker_limits.descriptors = 300;
  instance("a").values["worker_limits.descriptors"] = "300";
  EXPECT_THAT(apply(), ElementsAre("change a"));
  EXPECT_EQ(processes.limited.at(WorkerId{1}).descriptors, 300u);
  EXPECT_EQ(processes.limited.at(WorkerId{2}).descriptors, 0u);
  ASSERT_EQ(running.worker_limits("a").size(), 1u);
  EXPECT_EQ(running.worker_limits("a")[0].limit, 300u);
  EXPECT_THAT(running.worker_limits("nobody"), IsEmpty());
  processes.limited.clear();
  running.on_exit(WorkerId{1}, {"killed"}, now);
  EXPECT_THAT(running.worker_limits("a"), IsEmpty());
  pass_until_deadline();
  EXPECT_EQ(processes.limited.at(WorkerId{4}).descriptors, 300u);
}

TEST_F(ApplyTest, KeysOfTheFleetAreListedUntilTheControllerHasThem) {
  next.values = {{"port_range", "20000-20010"}, {"log.keep", "7"}};
  auto applied = running.apply(next, {}, now);
  ASSERT_EQ(applied.controller.size(), 2u);
  EXPECT_EQ(applied.controller[0], (config::Change{"port_range", "18000-18999", "20000-20010", false}));
  EXPECT_EQ(applied.controller[1], (config::Change{"log.keep", "5", "7", true}));
  ASSERT_EQ(applied.controller_due.size(), 1u);
  EXPECT_EQ(applied.controller_due[0].key, "log.keep");

  applied = running.apply(next, {}, now);
  EXPECT_THAT(applied.controller, IsEmpty());
  EXPECT_EQ(applied.controller_due.size(), 1u) << "it waits";
  next.values = {};
  applied = running.apply(next, {}, now);
  EXPECT_EQ(applied.controller.size(), 2u);
  EXPECT_THAT(applied.controller_due, IsEmpty()) << "it is as at the start again";
}

TEST_F(ApplyTest, OneThatIsGoneIsStoppedAndThenForgotten) {
  next.instances.erase(next.instances.begin());
  EXPECT_THAT(apply(), ElementsAre("remove a"));
  EXPECT_THAT(processes.told(1), ElementsAre("start a", "stop a"));
  stopped("a", 1);
  running.on_time(now);
  EXPECT_FALSE(running.state("a"));
  EXPECT_THAT(running.names(), ElementsAre("b", "lab", "lab2"));
}

TEST_F(ApplyTest, OneThatComesBackWhileItEndsStartsAgain) {
  const auto all = next;
  next.instances.erase(next.instances.begin());
  apply();
  next = all;
  EXPECT_THAT(apply(), ElementsAre("create a"));
  EXPECT_EQ(running.state("a"), State::stopping);
  stopped("a", 1);
  running.on_time(now);
  EXPECT_EQ(running.state("a"), State::starting);
  EXPECT_THAT(running.names(), ElementsAre("a", "b", "lab", "lab2"));
}

TEST_F(ApplyTest, AWorkerIsToldOnceAtATimeAndWhatItRefusesIsTriedAgain) {
  instance("a").values["limits.sessions"] = "5";
  EXPECT_THAT(apply(), ElementsAre("change a"));
  EXPECT_TRUE(running.is_changing("a"));
  instance("a").values["limits.sessions"] = "6";
  EXPECT_THAT(apply(), ElementsAre("change a"));
  EXPECT_THAT(processes.told(1), ElementsAre("start a", "change a"));
  reply("a", 1);
  EXPECT_THAT(processes.told(1), ElementsAre("start a", "change a", "change a"));
  reply("a", 1, "it cannot");
  EXPECT_FALSE(running.is_changing("a"));
  EXPECT_THAT(apply(), ElementsAre("change a")) << "it serves with the first one";
  reply("a", 1);
  EXPECT_THAT(apply(), IsEmpty());
}

TEST_F(ApplyTest, WithAProblemNothingIsDone) {
  next.instances.erase(next.instances.begin());
  instance("lab").values["listeners"] = "mqtt://127.0.0.1:1";
  sockets.refuse = "lab";
  const auto applied = running.apply(next, {}, now);
  EXPECT_EQ(applied.problems.size(), 1u);
  EXPECT_EQ(running.names().size(), 4u);
  EXPECT_THAT(processes.told(1), ElementsAre("start a"));
}

TEST_F(ApplyTest, FoldersOfTheFleetStay) {
  next.state_dir = "/elsewhere";
  const auto applied = running.apply(next, {}, now);
  ASSERT_EQ(applied.problems.size(), 1u);
  EXPECT_NE(applied.problems[0].message.find("fleet.state_dir"), std::string::npos);
}

TEST_F(ApplyTest, ARestartThatIsDueWaitsForSomebody) {
  instance("a").values["worker"] = "small";
  instance("a").worker = "small";
  EXPECT_THAT(apply(), ElementsAre("change a"));
  reply("a", 1);
  EXPECT_THAT(apply(), IsEmpty());
  EXPECT_EQ(running.state("a"), State::ready);
  EXPECT_THAT(apply({.restart = true}), ElementsAre("restart a"));
  stopped("a", 1);
  EXPECT_EQ(running.state("a"), State::starting);
  EXPECT_THAT(processes.told(3), ElementsAre("start lab", "start lab2", "start a"));
}

}  // namespace
}  // namespace shoal::controller
