#include "config/edit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace shoal::config {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class EditTest : public testing::Test {
 protected:
  EditTest() {
    std::string path = fs::temp_directory_path() / "shoal-edit-XXXXXX";
    home_ = ::mkdtemp(path.data());
    places_ = Places::find("", "", home_);
  }
  ~EditTest() override { fs::remove_all(home_); }

  void write(const std::string& file, const std::string& text) {
    fs::create_directories(fs::path(home_ + '/' + file).parent_path());
    std::ofstream(home_ + '/' + file) << text;
  }
  std::string read(const std::string& file) const {
    std::ostringstream text;
    text << std::ifstream(home_ + '/' + file).rdbuf();
    return text.str();
  }
  std::string set(const std::string& name, const std::string& key, const std::string& value) {
    const auto done = set_key(places_, name, key, value);
    return done ? "" : done.error().message;
  }
  Result<void> create(const std::vector<NewInstance>& instances) {
    const Loaded known = load(places_);
    return create_instances(places_, instances, known.config.value_or(FleetConfig()));
  }
  const InstanceConfig& instance(const std::string& name) {
    loaded_ = load(places_);
    EXPECT_TRUE(loaded_.config) << (loaded_.problems.empty() ? "" : loaded_.problems[0].text());
    return *loaded_.config->find(name);
  }

  std::string home_;
  Places places_;
  Loaded loaded_;
};

constexpr const char* kMain = R"([defaults]
auth = { anonymous = true }

[templates.customer]
listeners = ["mqtt://127.0.0.1:auto"]

[instances.lab] # of the institute
listeners = ["mqtt://127.0.0.1:18100"]  # the old port
limits = { sessions = 10, inflight = 5 }
  [instances.lab.log]
  level = "warn"
)";

TEST_F(EditTest, InstancesAreMadeAndRemoved) {
  write("shoal.toml", kMain);
  ASSERT_TRUE(create({{"a", "customer", {{"limits.sessions", "7"}, {"limits.queued_bytes", "2 MiB"}}},
                      {"b", "", {{"listeners", "mqtt://127.0.0.1:auto, mqtt://[::1]:auto"}}}}));
  EXPECT_EQ(instance("a").options.limits.sessions, 7u);
  EXPECT_EQ(instance("a").options.limits.queued_bytes, 2u << 20);
  EXPECT_EQ(instance("b").listeners.size(), 2u);
  EXPECT_THAT(create({{"lab", "customer", {}}}).error().message, HasSubstr("shoal.toml:7"));
  const auto again = create({{"c", "customer", {}}, {"b", "customer", {}}});
  EXPECT_THAT(again.error().message, HasSubstr("already"));
  EXPECT_FALSE(fs::exists(home_ + "/instances.d/c.toml")) << "all or none";
  EXPECT_TRUE(remove_instance(places_, "a"));
  EXPECT_FALSE(fs::exists(home_ + "/instances.d/a.toml"));
}

TEST_F(EditTest, WhatAPersonWroteIsNotRemoved) {
  write("shoal.toml", kMain);
  write("instances.d/mine.toml", "template = 'customer'\n");
  EXPECT_THAT(remove_instance(places_, "lab").error().message, HasSubstr("shoal.toml:7"));
  EXPECT_THAT(remove_instance(places_, "mine").error().message, HasSubstr("mine.toml"));
  EXPECT_TRUE(fs::exists(home_ + "/instances.d/mine.toml"));
}

TEST_F(EditTest, WrongNamesAndKeysAreRefused) {
  write("shoal.toml", kMain);
  EXPECT_THAT(create({{"../x", "", {}}}).error().message, HasSubstr("cannot be the name"));
  EXPECT_THAT(create({{"x", "", {{"limits.sesions", "1"}}}}).error().message, HasSubstr("did you mean \"sessions\""));
  EXPECT_FALSE(fs::exists(home_ + "/instances.d/x.toml"));
}

TEST_F(EditTest, OneLineIsChanged) {
  write("shoal.toml", kMain);
  std::string expected = kMain;
  const auto swap = [&](const std::string& from, const std::string& to) {
    expected.replace(expected.find(from), from.size(), to);
  };

  EXPECT_EQ(set("lab", "listeners", "mqtt://127.0.0.1:18101"), "");
  swap("18100", "18101");
  EXPECT_EQ(read("shoal.toml"), expected) << "the comment stays";
  EXPECT_EQ(set("lab", "log.level", "debug"), "");
  swap("\"warn\"", "\"debug\"");
  EXPECT_EQ(read("shoal.toml"), expected);
  EXPECT_EQ(set("lab", "enabled", "false"), "");
  swap("institute\n", "institute\nenabled = false\n");
  EXPECT_EQ(read("shoal.toml"), expected);
  EXPECT_EQ(set("lab", "enabled", "true"), "");
  swap("enabled = false", "enabled = true");
  EXPECT_EQ(read("shoal.toml"), expected);
}

TEST_F(EditTest, WhatCannotBeChangedByOneLineIsRefusedWithItsPlace) {
  write("shoal.toml", kMain);
  // Within an inline table the rest of the line would go.
  EXPECT_THAT(set("lab", "limits.sessions", "11"), HasSubstr("shoal.toml:7"));
  EXPECT_EQ(read("shoal.toml"), kMain);
  EXPECT_THAT(set("lab", "limits.packet_size", "2000"), HasSubstr("shoal.toml:7"));
  EXPECT_EQ(read("shoal.toml"), kMain);
  write("shoal.toml", "instances = { lab = { listeners = ['mqtt://127.0.0.1:auto'], auth = { anonymous = true } } }\n");
  EXPECT_THAT(set("lab", "enabled", "false"), HasSubstr("shoal.toml:1"));
}

TEST_F(EditTest, AValueThatDoesNotFitChangesNothing) {
  write("shoal.toml", kMain);
  EXPECT_THAT(set("lab", "enabled", "maybe"), HasSubstr("expected"));
  EXPECT_THAT(set("lab", "limits.inflight", "0"), testing::Ne(""));
  EXPECT_THAT(set("lab", "nonsense", "0"), HasSubstr("unknown key"));
  EXPECT_THAT(set("nobody", "enabled", "true"), HasSubstr("no instance"));
  EXPECT_EQ(read("shoal.toml"), kMain);
}

TEST_F(EditTest, FilesOfOneInstanceGetTheKeyAtTheTop) {
  write("shoal.toml", kMain);
  ASSERT_TRUE(create({{"a", "customer", {}}}));
  EXPECT_EQ(set("a", "limits.sessions", "9"), "");
  EXPECT_EQ(instance("a").options.limits.sessions, 9u);
  EXPECT_EQ(set("a", "limits.sessions", "10"), "");
  EXPECT_EQ(instance("a").options.limits.sessions, 10u);
  EXPECT_TRUE(remove_instance(places_, "a")) << "it is still what was made";
  write("instances.d/mine.toml", "template = 'customer'\n[limits]\nsessions = 3\n");
  EXPECT_EQ(set("mine", "limits.sessions", "4"), "");
  EXPECT_EQ(read("instances.d/mine.toml"), "template = 'customer'\n[limits]\nsessions = 4\n");
  EXPECT_EQ(set("mine", "enabled", "false"), "");
  EXPECT_EQ(read("instances.d/mine.toml"), "enabled = false\ntemplate = 'customer'\n[limits]\nsessions = 4\n");
}

}  // namespace
}  // namespace shoal::config
