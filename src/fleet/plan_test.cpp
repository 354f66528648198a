#include "fleet/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

namespace shoal::fleet {
namespace {

using config::Change;
using config::InstanceConfig;
using testing::ElementsAre;
using testing::IsEmpty;

InstanceConfig instance(const std::string& name, std::map<std::string, std::string> values = {}) {
  InstanceConfig config;
  config.name = config.options.name = name;
  config.values = std::move(values);
  const auto value = [&](const char* key, const char* fallback) {
    const auto at = config.values.find(key);
    return at == config.values.end() ? std::string(fallback) : at->second;
  };
  config.enabled = value("enabled", "true") == "true";
  config.worker = value("worker", "own");
  config.options.persistence =
      value("persistence", "crash_safe") == "none" ? Persistence::none : Persistence::crash_safe;
  return config;
}

/// A fleet that does what a plan says.
struct Model {
  struct One {
    InstanceConfig config;
    std::optional<InstanceConfig> serves;
    bool held = false;
    bool failed = false;
  };
  std::map<std::string, One> instances;

  Plan plan(const std::vector<InstanceConfig>& desired, PlanOptions options = {}) const {
    std::vector<Observed> observed;
    for (const auto& [name, one] : instances)
      observed.push_back({&one.config, one.serves ? &*one.serves : nullptr, one.held, one.failed});
    return make_plan(desired, observed, options);
  }

  void carry_out(const Plan& plan, const std::vector<InstanceConfig>& desired) {
    for (const Step& step : plan.steps) {
      if (step.kind == Step::Kind::remove) {
        instances.erase(step.name);
        continue;
      }
      const auto wanted =
          std::find_if(desired.begin(), desired.end(), [&](const auto& each) { return each.name == step.name; });
      ASSERT_NE(wanted, desired.end());
      One& one = instances[step.name];
      if (step.kind == Step::Kind::create || step.kind == Step::Kind::change) one.config = *wanted;
      if (one.serves) one.serves = without_restart(*one.serves, one.config);
      if (step.stops) one.serves.reset();
      if (step.starts || step.restarts || step.kind == Step::Kind::start || step.kind == Step::Kind::restart) {
        one.serves = one.config;
        one.failed = false;
      }
    }
  }
};

TEST(Plan, NewOnesAreCreatedAndOthersRemovedFirst) {
  Model model;
  model.instances["old"].config = instance("old");
  const Plan plan = model.plan({instance("a"), instance("b", {{"enabled", "false"}})});
  ASSERT_EQ(plan.steps.size(), 3u);
  EXPECT_EQ(plan.steps[0], (Step{Step::Kind::remove, "old", {}}));
  EXPECT_EQ(plan.steps[1], (Step{.kind = Step::Kind::create, .name = "a", .changes = {}, .starts = true}));
  EXPECT_EQ(plan.steps[2], (Step{Step::Kind::create, "b", {}}));
}

TEST(Plan, EachChangedKeyIsNamedAndWhatNeedsARestartIsDue) {
  Model model;
  model.instances["a"].config = instance("a");
  model.instances["a"].serves = instance("a");
  const std::vector<InstanceConfig> desired{instance("a", {{"limits.sessions", "5"}, {"worker", "small"}})};
  const Plan plan = model.plan(desired);
  ASSERT_EQ(plan.steps.size(), 1u);
  EXPECT_THAT(plan.steps[0].changes,
              ElementsAre(Change{"worker", "own", "small", true}, Change{"limits.sessions", "100000", "5", false}));
  EXPECT_FALSE(plan.steps[0].restarts);
  ASSERT_EQ(plan.due.size(), 1u);
  EXPECT_THAT(plan.due[0].changes, ElementsAre(Change{"worker", "own", "small", true}));
  model.carry_out(plan, desired);
  EXPECT_THAT(model.plan(desired).steps, IsEmpty());
  EXPECT_EQ(model.plan(desired).due.size(), 1u) << "still";
  const Plan restart = model.plan(desired, {.restart = true});
  ASSERT_EQ(restart.steps.size(), 1u);
  EXPECT_EQ(restart.steps[0].kind, Step::Kind::restart);
  model.carry_out(restart, desired);
  EXPECT_THAT(model.plan(desired).due, IsEmpty());
}

TEST(Plan, WhatWasStoppedByHandStaysStopped) {
  Model model;
  model.instances["a"] = {instance("a"), {}, true, false};
  EXPECT_THAT(model.plan({instance("a")}).steps, IsEmpty());
  const Plan plan = model.plan({instance("a", {{"queue_full", "drop_old"}})});
  ASSERT_EQ(plan.steps.size(), 1u);
  EXPECT_FALSE(plan.steps[0].starts);
}

TEST(Plan, WhatFailedIsTriedAgainWhenSomethingChanges) {
  Model model;
  model.instances["a"] = {instance("a"), {}, false, true};
  EXPECT_THAT(model.plan({instance("a")}).steps, IsEmpty());
  EXPECT_TRUE(model.plan({instance("a", {{"persistence", "none"}})}).steps.at(0).starts);
}

TEST(Plan, EnabledIsStartedAndDisabledIsStopped) {
  Model model;
  model.instances["a"].config = instance("a");
  EXPECT_EQ(model.plan({instance("a")}).steps.at(0).kind, Step::Kind::start);
  model.instances["a"].serves = instance("a");
  EXPECT_TRUE(model.plan({instance("a", {{"enabled", "false"}})}).steps.at(0).stops);
  // Somebody started it although it is not enabled.
  model.instances["a"].config = instance("a", {{"enabled", "false"}});
  EXPECT_THAT(model.plan({instance("a", {{"enabled", "false"}})}).steps, IsEmpty());
}

std::vector<InstanceConfig> random_fleet(std::mt19937_64& random) {
  std::vector<InstanceConfig> fleet;
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    if (random() % 3 == 0) continue;
    std::map<std::string, std::string> values;
    if (random() % 2) values["limits.sessions"] = std::to_string(random() % 3);
    if (random() % 2) values["worker"] = random() % 2 ? "own" : "small";
    if (random() % 3 == 0) values["persistence"] = random() % 2 ? "none" : "crash_safe";
    if (random() % 4 == 0) values["enabled"] = random() % 2 ? "true" : "false";
    if (random() % 3 == 0) values["listeners"] = "mqtt://127.0.0.1:" + std::to_string(1 + random() % 3);
    fleet.push_back(instance(name, std::move(values)));
  }
  return fleet;
}

TEST(Plan, FromWhateverIsItLeadsToWhatIsWantedAndThenThereIsNothingToDo) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    std::mt19937_64 random(seed);
    Model model;
    for (InstanceConfig& config : random_fleet(random)) {
      Model::One& one = model.instances[config.name];
      one.config = config;
      switch (random() % 5) {
        case 0: one.serves = config; break;
        case 1: one.serves = instance(config.name, {{"worker", "elsewhere"}}); break;
        case 2: one.serves = instance(config.name, {{"limits.sessions", "77"}}); break;
        case 4: one.held = true; break;
        case 3: one.failed = random() % 2; break;
      }
    }
    const auto before = model.instances;
    const std::vector<InstanceConfig> desired = random_fleet(random);
    const PlanOptions options{.restart = random() % 2 == 0};
    model.carry_out(model.plan(desired, options), desired);
    ASSERT_THAT(model.plan(desired, options).steps, IsEmpty()) << "seed " << seed;
    ASSERT_EQ(model.instances.size(), desired.size()) << "seed " << seed;
    for (const InstanceConfig& wanted : desired) {
      const Model::One& one = model.instances.at(wanted.name);
      ASSERT_THAT(config::changes(one.config.values, wanted.values), IsEmpty()) << "seed " << seed;
      const auto was = before.find(wanted.name);
      const bool stays_down = was != before.end() && !was->second.serves && (was->second.held || one.failed);
      if (wanted.enabled && !stays_down) {
        ASSERT_TRUE(one.serves) << "seed " << seed << ' ' << wanted.name;
      }
      if (!one.serves) continue;
      for (const Change& change : config::changes(one.serves->values, wanted.values)) {
        if (change.key == "enabled") continue;
        ASSERT_TRUE(change.needs_restart && !options.restart) << "seed " << seed << ' ' << change.key;
      }
    }
  }
}

}  // namespace
}  // namespace shoal::fleet
