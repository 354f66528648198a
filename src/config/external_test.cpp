#include "config/external.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "config/listener.hpp"
#include "config/load_fixture.hpp"

namespace shoal::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// With a configuration of a foreign broker beside the file.
class External : public Load {
 protected:
  External() { write("legacy.conf", "listener 11990\n"); }

  static std::string legacy(const std::string& keys) {
    return "[instances.legacy]\nengine = \"external\"\nprogram = \"/bin/sh\"\n" + keys;
  }
};

TEST_F(External, KeysAreReadAndPathsAreThoseOfTheFile) {
  const FleetConfig fleet =
      good(legacy("args = [\"-c\", \"{config_file}\"]\nconfig_file = \"legacy.conf\"\nport = 11990\n"));
  const InstanceConfig& instance = fleet.instances.at(0);
  EXPECT_EQ(instance.engine, Engine::external);
  EXPECT_EQ(instance.external.program, "/bin/sh");
  EXPECT_EQ(instance.external.config_file, folder_ / "legacy.conf");
  ASSERT_EQ(instance.listeners.size(), 1u);
  EXPECT_TRUE(instance.listeners[0].foreign);
  EXPECT_EQ(instance.listeners[0].url(), "mqtt://127.0.0.1:11990");
  EXPECT_EQ(instance.listeners[0].at.text(), "shoal.toml:6:8");
  EXPECT_EQ(instance.options.log.file, fleet.log_dir + "/legacy.log");
  EXPECT_THAT(expand(instance, 11990), ElementsAre("-c", folder_ / "legacy.conf"));
  EXPECT_EQ(instance.values.at("args"), R"(["-c", "{config_file}"])");
  EXPECT_EQ(instance.values.at("port"), "11990");
}

TEST_F(External, PlaceholdersStandForWhatTheyName) {
  const FleetConfig fleet =
      good(legacy(R"(args = ["-p", "{port}", "--id={name}-{port}", "{state_dir}/x", "{{name}", ""])"
                  "\nport = \"auto\"\n"));
  const InstanceConfig& instance = fleet.instances.at(0);
  EXPECT_THAT(expand(instance, 7), ElementsAre("-p", "7", "--id=legacy-7", instance.state_dir + "/x", "{name}", ""));
}

TEST_F(External, WhatIsMissingOrNotThereIsSaidWithItsPlace) {
  EXPECT_THAT(problems("[instances.legacy]\nengine = \"external\"\n"),
              ElementsAre(HasSubstr("shoal.toml:1:12: instance legacy: no program; write program = "),
                          HasSubstr("shoal.toml:1:12: instance legacy: no port; write")));
  EXPECT_THAT(problems("[instances.legacy]\nengine = \"external\"\nprogram = \"nothing\"\nport = 1\n"),
              ElementsAre(testing::AllOf(HasSubstr("shoal.toml:3:11: "), HasSubstr("/nothing does not exist"))));
  EXPECT_THAT(problems("[instances.legacy]\nengine = \"external\"\nprogram = \"legacy.conf\"\nport = 1\n"),
              ElementsAre(HasSubstr("shoal.toml:3:11: instance legacy: program")));
  EXPECT_THAT(problems(legacy("port = 0\n")),
              ElementsAre(HasSubstr(R"(shoal.toml:4:8: port: expected 1 to 65535, or "auto")")));
  EXPECT_THAT(problems(legacy("port = 1\nargs = \"-c\"\n")),
              ElementsAre(HasSubstr("shoal.toml:5:8: args: expected a list")));
  EXPECT_THAT(problems(legacy("port = 1\nargs = [\"{config_file}\"]\n")),
              ElementsAre(HasSubstr("shoal.toml:5:8: instance legacy: {config_file} stands for nothing")));
  EXPECT_THAT(problems(legacy("port = 1\nargs = [\"{prot}\"]\n")),
              ElementsAre(HasSubstr(R"(unknown placeholder "prot"; did you mean "port"?)")));
  EXPECT_THAT(
      problems(legacy("port = 1\nconfig_file = \"legacy.conf\"\n")),
      ElementsAre(HasSubstr(R"(shoal.toml:5:15: instance legacy: nobody tells the program of this file; write args)")));
  EXPECT_THAT(problems(legacy("port = \"auto\"\n")),
              ElementsAre(HasSubstr("shoal.toml:4:8: instance legacy: nobody tells the program its port")));
}

TEST_F(External, KeysOfTheOtherEngineAreErrorsButInDefaults) {
  EXPECT_THAT(
      problems(legacy("port = 1\nlisteners = [\"mqtt://127.0.0.1:auto\"]\nauth = { anonymous = true }\n"
                      "limits = { sessions = 5 }\nworker = \"small\"\n")),
      ElementsAre(HasSubstr("shoal.toml:5:1: listeners: instance legacy is an external broker, which listens where"),
                  HasSubstr("auth.anonymous: instance legacy is an external broker, which has no such key"),
                  HasSubstr("limits.sessions: instance legacy"), HasSubstr("worker: instance legacy")));
  EXPECT_THAT(problems("[instances.own]\nlisteners = [\"mqtt://127.0.0.1:auto\"]\nauth = { anonymous = true }\n"
                       "program = \"/bin/sh\"\n"),
              ElementsAre(HasSubstr(
                  R"(shoal.toml:4:1: program: instance own is one of Shoal's own; write engine = "external")")));
  EXPECT_THAT(problems("[templates.t]\npersistence = \"none\"\n" + legacy("template = \"t\"\nport = 1\n")),
              ElementsAre(HasSubstr(
                  "shoal.toml:2:1: persistence: instance legacy, which uses this template, is an external broker")));

  const FleetConfig fleet = good(
      "[defaults]\nworker = \"small\"\nauth = { anonymous = true }\npersistence = \"none\"\n"
      "[templates.m]\nengine = \"external\"\nprogram = \"/bin/sh\"\nargs = [\"{port}\"]\n"
      "[instances.legacy]\ntemplate = \"m\"\nport = \"auto\"\n");
  EXPECT_EQ(fleet.instances.at(0).worker, "own");
  EXPECT_FALSE(fleet.instances[0].values.contains("persistence"));
}

TEST_F(External, ItsPortMeetsAllOfTheSameNumber) {
  const std::string own = "[instances.own]\nauth = { anonymous = true }\nlisteners = [\"mqtt://[::1]:1883\"]\n";
  EXPECT_THAT(
      problems(own + legacy("port = 1883\n")),
      ElementsAre(HasSubstr("shoal.toml:7:8: instance legacy: port 1883 is held by instance own (shoal.toml:3)")));
}

TEST(Changes, AnotherEngineNeedsARestartForAll) {
  const auto found =
      changes({{"listeners", "x"}, {"enabled", "true"}}, {{"engine", "external"}, {"port", "1"}, {"enabled", "false"}});
  ASSERT_EQ(found.size(), 4u);
  for (const Change& change : found) EXPECT_EQ(change.needs_restart, change.key != "enabled") << change.key;
}

}  // namespace
}  // namespace shoal::config
