#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load_fixture.hpp"

namespace shoal::config {
namespace {

using testing::ElementsAre;

TEST_F(Load, AnInstanceWithNothingButTheNecessaryHasTheDocumentedDefaults) {
  const FleetConfig fleet = good(kLab);
  EXPECT_EQ(fleet.file, (folder_ / "shoal.toml").string());
  EXPECT_EQ(fleet.state_dir, (folder_ / "home/state").string());
  EXPECT_EQ(fleet.control_socket(), (folder_ / "home/run/control.sock").string());
  EXPECT_EQ(fleet.port_range.first, 18000);
  EXPECT_EQ(fleet.port_range.last, 18999);
  ASSERT_EQ(fleet.instances.size(), 1u);
  const InstanceConfig& lab = fleet.instances[0];
  EXPECT_EQ(lab.name, "lab");
  EXPECT_EQ(lab.worker, "own");
  EXPECT_EQ(lab.at.text(), "shoal.toml:1:12");
  EXPECT_EQ(lab.state_dir, fleet.state_dir + "/lab");
  ASSERT_EQ(lab.listeners.size(), 1u);
  EXPECT_EQ(lab.listeners[0].url(), "mqtt://127.0.0.1:auto");
  EXPECT_EQ(lab.listeners[0].at.text(), "shoal.toml:2:14");
  EXPECT_EQ(lab.options.name, "lab");
  EXPECT_TRUE(lab.options.listeners.empty());
  EXPECT_TRUE(lab.options.auth.anonymous);
  EXPECT_EQ(lab.options.log.file, fleet.log_dir + "/lab.log");
  EXPECT_EQ(lab.options.limits.connections, Limits{}.connections);
  EXPECT_EQ(lab.options.persistence, Persistence::crash_safe);
  EXPECT_EQ(lab.options.store_dir, lab.state_dir + "/store");
  EXPECT_EQ(fleet.find("lab"), &lab);
  EXPECT_EQ(fleet.find("la"), nullptr);
}

TEST_F(Load, EveryKeyArrives) {
  write("x.users", "");
  const FleetConfig fleet = good(R"(
[fleet]
state_dir = "s"
log_dir = "/l/"
run_dir = "../run"
port_range = "20000-20010"
log = { level = "warn", format = "json", max_size = "1MiB", keep = 0 }
metrics = "[::1]:9464"
user = "broker:mqtt"
[workers.small]
memory = "1 GiB"
cpu_percent = 150
descriptors = 500
[instances.x]
worker = "small"
listeners = ["mqtt://0.0.0.0:1", "mqtt://[0::1]:65535", "mqtt://localhost:auto"]
auth = { anonymous = false, users_file = "x.users" }
persistence = "none"
queue_full = "disconnect"
log = { level = "off", format = "json", max_size = 0, keep = 7 }
[instances.x.limits]
connections = 1
connects_per_second = 2
half_open = 3
connect_timeout = "4m"
packet_size = "5 KiB"
receive_maximum = 6
inflight = 7
queued_messages = 8
queued_bytes = "9MiB"
queued_bytes_total = "10 GiB"
sessions = 11
session_expiry = "12d"
subscriptions = 13
retained_messages = 14
retained_bytes = 15
topic_levels = 16
topic_bytes = 17
topic_aliases = 18
keep_alive_max = "1h"
output_bytes = "20 KiB"
)");
  EXPECT_EQ(fleet.state_dir, (folder_ / "s").string());
  EXPECT_EQ(fleet.log_dir, "/l");
  EXPECT_EQ(fleet.run_dir, (folder_.parent_path() / "run").string());
  EXPECT_EQ(fleet.port_range.first, 20000);
  EXPECT_EQ(fleet.port_range.last, 20010);
  EXPECT_EQ(fleet.log.level, LogLevel::warn);
  EXPECT_EQ(fleet.log.format, LogFormat::json);
  EXPECT_EQ(fleet.log.file, "/l/controller.log");
  EXPECT_EQ(fleet.log.file_bytes_max, 1u << 20);
  EXPECT_EQ(fleet.log.old_files_max, 0u);
  ASSERT_TRUE(fleet.metrics.has_value());
  EXPECT_EQ(fleet.metrics->url(), "mqtt://[::1]:9464");
  EXPECT_EQ(fleet.metrics->at.text(), "shoal.toml:8:11");
  EXPECT_EQ(fleet.user, "broker:mqtt");
  EXPECT_EQ(fleet.user_at.text(), "shoal.toml:9:8");
  EXPECT_EQ(fleet.values.at("port_range"), "20000-20010");
  EXPECT_EQ(fleet.instances[0].worker_limits,
            (WorkerLimits{.memory_bytes = 1 << 30, .cpu_percent = 150, .descriptors = 500}));
  ASSERT_EQ(fleet.instances.size(), 1u);
  const InstanceConfig& x = fleet.instances[0];
  EXPECT_EQ(x.worker, "small");
  ASSERT_EQ(x.listeners.size(), 3u);
  EXPECT_EQ(x.listeners[0].url(), "mqtt://0.0.0.0:1");
  EXPECT_EQ(x.listeners[1].url(), "mqtt://[::1]:65535");
  EXPECT_EQ(x.listeners[2].url(), "mqtt://127.0.0.1:auto");
  EXPECT_FALSE(x.options.auth.anonymous);
  EXPECT_EQ(x.options.auth.users_file, (folder_ / "x.users").string());
  EXPECT_EQ(x.users_at.text(), "shoal.toml:17:29");
  EXPECT_EQ(x.options.queue_full, QueueFull::disconnect);
  EXPECT_EQ(x.options.log.level, LogLevel::off);
  EXPECT_EQ(x.options.log.format, LogFormat::json);
  EXPECT_EQ(x.options.log.file_bytes_max, 0u);
  EXPECT_EQ(x.options.log.old_files_max, 7u);
  const Limits& limits = x.options.limits;
  EXPECT_EQ(limits.connections, 1u);
  EXPECT_EQ(limits.connects_per_second, 2u);
  EXPECT_EQ(limits.half_open, 3u);
  EXPECT_EQ(limits.connect_timeout_s, 240u);
  EXPECT_EQ(limits.packet_size_bytes, 5u << 10);
  EXPECT_EQ(limits.receive_maximum, 6u);
  EXPECT_EQ(limits.inflight, 7u);
  EXPECT_EQ(limits.queued_messages, 8u);
  EXPECT_EQ(limits.queued_bytes, 9ull << 20);
  EXPECT_EQ(limits.queued_bytes_total, 10ull << 30);
  EXPECT_EQ(limits.sessions, 11u);
  EXPECT_EQ(limits.session_expiry_s, 12u * 86400);
  EXPECT_EQ(limits.subscriptions, 13u);
  EXPECT_EQ(limits.retained_messages, 14u);
  EXPECT_EQ(limits.retained_bytes, 15u);
  EXPECT_EQ(limits.topic_levels, 16u);
  EXPECT_EQ(limits.topic_bytes, 17u);
  EXPECT_EQ(limits.topic_aliases, 18u);
  EXPECT_EQ(limits.keep_alive_max_s, 3600u);
  EXPECT_EQ(limits.output_bytes, 20u << 10);
}

TEST_F(Load, LimitsOfAWorkerAreItsInstancesOwnOrThoseOfAllThatShareIt) {
  const FleetConfig fleet = good(kLab + R"(
[defaults]
worker_limits = { memory = "32 MiB", descriptors = 100 }
[templates.t]
worker = "small"
worker_limits.cpu_percent = 10
[workers.small]
cpu_percent = 50
[instances.a]
template = "t"
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
[instances.b]
worker = "other"
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
)");
  EXPECT_EQ(fleet.find("lab")->worker_limits, (WorkerLimits{.memory_bytes = 32 << 20, .descriptors = 100}));
  EXPECT_EQ(fleet.find("a")->worker_limits, (WorkerLimits{.cpu_percent = 50}));
  EXPECT_EQ(fleet.find("a")->values.count("worker_limits.memory"), 0u);
  EXPECT_EQ(fleet.find("a")->values.at("worker_limits.cpu_percent"), "50");
  EXPECT_EQ(fleet.find("b")->worker_limits, WorkerLimits{});
}

TEST_F(Load, LogsToStandardOutputHaveNoFiles) {
  write("shoal.toml", kLab);
  Places places = Places::find("shoal.toml", "", "home");
  places.logs_to_stdout = true;
  const auto loaded = load(places);
  ASSERT_TRUE(loaded.config);
  for (const LogOptions* log : {&loaded.config->log, &loaded.config->instances[0].options.log}) {
    EXPECT_EQ(log->file, "");
    EXPECT_EQ(log->fd, 1);
  }
}

TEST_F(Load, DefaultsThenTemplateThenInstanceTheLastOneCounts) {
  const FleetConfig fleet = good(R"(
[instances.a]
template = "t"
limits.sessions = 3
[templates.t]
worker = "small"
limits = { sessions = 2, connections = 2 }
[defaults]
listeners = ["mqtt://127.0.0.1:auto"]
auth.anonymous = true
limits = { sessions = 1, connections = 1, half_open = 1 }
[instances.b]
)");
  ASSERT_EQ(fleet.instances.size(), 2u);
  const InstanceConfig& a = fleet.instances[0];
  EXPECT_EQ(a.worker, "small");
  EXPECT_EQ(a.options.limits.sessions, 3u);
  EXPECT_EQ(a.options.limits.connections, 2u);
  EXPECT_EQ(a.options.limits.half_open, 1u);
  EXPECT_EQ(a.listeners.at(0).at.text(), "shoal.toml:9:14");
  const InstanceConfig& b = fleet.instances[1];
  EXPECT_EQ(b.worker, "own");
  EXPECT_EQ(b.options.limits.sessions, 1u);
}

TEST_F(Load, DefaultsThatLetAnybodyInDoNotAddToAnInstancesUsers) {
  write("a.users", "");
  const FleetConfig fleet = good(R"(
[defaults]
listeners = ["mqtt://127.0.0.1:auto"]
auth.anonymous = true
[instances.a]
auth.users_file = "a.users"
)");
  EXPECT_FALSE(fleet.instances.at(0).options.auth.anonymous);
  EXPECT_FALSE(fleet.instances.at(0).options.auth.users_file.empty());
}

TEST_F(Load, OneInstancePerFileInTheFolderBesideTheMainFile) {
  write("instances.d/zoo.toml", "template = 't'\nauth.users_file = 'zoo.users'\n");
  write("instances.d/ant.toml", "template = 't'\nauth.anonymous = true\n");
  write("instances.d/notes.txt", "not TOML");
  write("instances.d/.hidden.toml", "not TOML");
  write("instances.d/zoo.users", "");
  const FleetConfig fleet = good(kLab + "[templates.t]\nlisteners = ['mqtt://127.0.0.1:auto']\n");
  ASSERT_EQ(fleet.instances.size(), 3u);
  EXPECT_EQ(fleet.instances[1].name, "ant");
  EXPECT_EQ(fleet.instances[2].name, "zoo");
  EXPECT_EQ(fleet.instances[2].at.text(), "instances.d/zoo.toml");
  EXPECT_EQ(fleet.instances[2].options.auth.users_file, (folder_ / "instances.d/zoo.users").string());
}

TEST(Places, OptionThenEnvironmentThenHomeThenTheSystem) {
  const std::string here = fs::current_path();
  EXPECT_EQ(Places::find("a.toml", "/b.toml", "/h").file, here + "/a.toml");
  EXPECT_EQ(Places::find("", "/b.toml", "/h").file, "/b.toml");
  EXPECT_EQ(Places::find("", "", "/h").file, "/h/shoal.toml");
  EXPECT_EQ(Places::find("", "", "").file, "/etc/shoal/shoal.toml");
  EXPECT_EQ(Places::find("", "/b.toml", "h").state_dir, here + "/h/state");
  EXPECT_EQ(Places::find("", "/b.toml", "").run_dir, "/run/shoal");
}

TEST(Example, TheFleetOfMakeRunIsGood) {
  const fs::path file = fs::path(__FILE__).parent_path() / "../../examples/fleet.toml";
  const Loaded loaded = load(Places::find(file, "", "/h"));
  for (const Problem& problem : loaded.problems) ADD_FAILURE() << problem.text();
  ASSERT_TRUE(loaded.config);
  std::vector<std::string> names;
  for (const InstanceConfig& instance : loaded.config->instances) names.push_back(instance.name);
  EXPECT_THAT(names, ElementsAre("plant-a", "plant-b", "lab", "lab2"));
}

class LoadSome : public Load {
 protected:
  static constexpr std::string_view kMain = R"(
[templates.t]
auth = { anonymous = true }
persistence = "none"
[instances.b]
listeners = ["mqtt://127.0.0.1:2001"]
template = "t"
[instances.a]
listeners = ["mqtt://127.0.0.1:2002"]
template = "t"
)";
  static std::string file(const std::string& port) {
    return "listeners = ['mqtt://127.0.0.1:" + port + "']\ntemplate = 't'\n";
  }

  LoadSome() {
    write("instances.d/x.toml", file("2003"));
    write("instances.d/x-1.toml", file("2004"));
    known_ = good(std::string(kMain));
  }

  Loaded some(const std::vector<std::string>& names) {
    return load_some(Places::find("shoal.toml", "", "home"), names, known_);
  }
  /// Name and port of each.
  std::vector<std::string> found(const std::vector<std::string>& names) {
    const Loaded loaded = some(names);
    std::vector<std::string> all;
    for (const Problem& problem : loaded.problems) all.push_back(problem.text());
    if (loaded.config) {
      for (const InstanceConfig& one : loaded.config->instances)
        all.push_back(one.name + ' ' + std::to_string(*one.listeners.front().port));
    }
    return all;
  }

  FleetConfig known_;
};

TEST_F(LoadSome, HasTheOrderOfAll) {
  write("instances.d/x-0.toml", file("2005"));
  write("instances.d/m.toml", file("2006"));
  EXPECT_THAT(found({"m", "x-0", "a"}), ElementsAre("b 2001", "a 2002", "m 2006", "x-0 2005", "x-1 2004", "x 2003"));
}

TEST_F(LoadSome, TheOthersStayAsTheyWere) {
  write("instances.d/x.toml", file("3003"));
  write("instances.d/x-1.toml", "nonsense");
  write("instances.d/y.toml", file("2003"));
  write("shoal.toml",
        "[templates.t]\nauth = { anonymous = true }\n[instances.a]\ntemplate = 't'\nlisteners = "
        "['mqtt://127.0.0.1:3002']\n[instances.b]\nnonsense = 1\n");
  EXPECT_THAT(found({"a"}), ElementsAre("a 3002", "b 2001", "x-1 2004", "x 2003"));
  EXPECT_THAT(found({"x"}), ElementsAre("b 2001", "a 2002", "x-1 2004", "x 3003"));
}

TEST_F(LoadSome, NamedTwiceIsReadOnce) { EXPECT_THAT(found({"x", "a", "x", "a"}), testing::SizeIs(4)); }

// A link to itself cannot be looked into, whoever asks.
TEST_F(LoadSome, WhatCannotBeLookedForIsNotGone) {
  fs::remove_all(folder_ / "instances.d");
  fs::create_symlink("instances.d", folder_ / "instances.d");
  EXPECT_THAT(found({"x"}), ElementsAre("instances.d/x.toml: cannot read this file: Too many levels of symbolic links"));
}

TEST_F(LoadSome, WhatIsGoneIsLeftOut) {
  fs::remove(folder_ / "instances.d/x.toml");
  fs::remove(folder_ / "instances.d/x-1.toml");
  EXPECT_THAT(found({"x", "nobody", "../shoal"}), ElementsAre("b 2001", "a 2002", "x-1 2004"));
}

TEST_F(LoadSome, ProblemsOfTheNamedAndOfTheirPlaceAmongAllAreTold) {
  write("instances.d/x.toml", file("2001"));
  EXPECT_THAT(found({"x"}), ElementsAre("instances.d/x.toml:1:14: instance x: port 2001 is held by instance b "
                                        "(shoal.toml:6); choose another, or auto"));
  write("instances.d/x.toml", "nonsense = 1\n");
  EXPECT_THAT(found({"x"}), ElementsAre(testing::StartsWith("instances.d/x.toml:1:1: ")));
  write("instances.d/a.toml", file("2007"));
  EXPECT_THAT(found({"a"}),
              ElementsAre("instances.d/a.toml: instance a is already defined (shoal.toml:8); remove one of them"));
  write("shoal.toml", "[templates.t]\nnonsense = 1\n");
  EXPECT_THAT(found({"x-1"}), ElementsAre(testing::StartsWith("shoal.toml:2:1: ")));
}

}  // namespace
}  // namespace shoal::config
