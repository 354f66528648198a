#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/external.hpp"
#include "controller/fake_machine_test.hpp"
#include "controller/requests.hpp"

namespace shoal::controller {
namespace {

using fleet::State;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The four of `FakeFleet`, of which b is a foreign broker.
class ExternalFleetTest : public testing::Test, protected FakeFleet {
 protected:
  static config::FleetConfig with_foreign_b(const std::string& program = "/broker") {
    config::FleetConfig config = four_instances();
    config::InstanceConfig& b = config.instances[1];
    b.engine = config::Engine::external;
    b.external = {.program = program, .args = {"-p", "{port}"}, .config_file = {}};
    b.listeners = {config::foreign_listener()};
    b.listeners[0].port = std::uint16_t{18001};
    b.values = {{"engine", "external"}, {"program", program}, {"port", "18001"}};
    b.state_dir = config.state_dir + "/b";
    return config;
  }
  void begin_ready() {
    EXPECT_TRUE(running.apply(with_foreign_b(), {}, now).problems.empty());
    ready_all();
    ASSERT_EQ(running.state("b"), State::ready);
  }

  std::vector<std::string> steps(const RunningFleet::Applied& applied) {
    std::vector<std::string> all;
    for (const fleet::Step& step : applied.plan.steps)
      all.push_back(std::string(fleet::to_string(step.kind)) + ' ' + step.name);
    for (const fleet::Step& step : applied.plan.due) all.push_back("due " + step.name);
    return all;
  }

  Requests requests{running, "1", [this] { return now; }, {.usage = [](auto) { return ProcessUsage{1.5, 4096}; }}};
};

TEST_F(ExternalFleetTest, ItIsStartedWithItsPortAndWhatTheNextControllerNeeds) {
  begin_ready();
  ASSERT_EQ(processes.brokers.size(), 1u);
  const ExternalBroker& broker = processes.brokers[0];
  EXPECT_EQ(broker.program, "/broker");
  EXPECT_THAT(broker.args, ElementsAre("-p", "18001"));
  EXPECT_EQ(broker.port, 18001);
  EXPECT_EQ(broker.notes.text("listener"), "mqtt://127.0.0.1:18001");
  EXPECT_EQ(broker.notes.text("note.key.program"), "/broker");
  EXPECT_THAT(processes.told(2), IsEmpty()) << "it understands nothing of that";
  const auto view = running.view("b", now);
  EXPECT_EQ(view->engine, "external");
  EXPECT_EQ(view->program, "/broker");
  EXPECT_EQ(view->clients, std::nullopt);
  EXPECT_EQ(view->pid, 1002);
  EXPECT_EQ(running.view("a", now)->engine, "shoal");
}

TEST_F(ExternalFleetTest, StopAndDeathAreThoseOfAnyInstance) {
  begin_ready();
  running.on_exit(WorkerId{2}, {.status = "exited with code 3"}, now);
  EXPECT_EQ(running.state("b"), State::backoff);
  EXPECT_EQ(running.view("b", now)->last_exit, "exited with code 3");
  pass_until_deadline();
  ASSERT_EQ(processes.brokers.size(), 2u);
  EXPECT_EQ(processes.brokers[1].notes.text("note.last_exit"), "exited with code 3");
  EXPECT_EQ(processes.brokers[1].notes.text("note.restarts"), "1");
  ready("b", 4);
  EXPECT_EQ(running.stop("b", now), RunningFleet::Answer::done);
  EXPECT_THAT(processes.told(4), ElementsAre("stop b"));
  stopped("b", 4);
  running.on_exit(WorkerId{4}, {.status = "exited with code 0"}, now);
  EXPECT_EQ(running.state("b"), State::stopped);
  EXPECT_EQ(running.view("b", now)->last_exit, "stopped as asked");
}

TEST_F(ExternalFleetTest, APortThatIsTakenOrAProgramThatIsNotThereIsARefusal) {
  sockets.refuse = "b";
  EXPECT_EQ(running.apply(with_foreign_b(), {}, now).problems.size(), 1u);
  sockets.refuse.clear();
  begin_ready();
  sockets.refuse = "b";
  running.on_exit(WorkerId{2}, {.status = "exited with code 3"}, now);
  pass_until_deadline();
  EXPECT_EQ(running.state("b"), State::backoff);
  EXPECT_THAT(running.view("b", now)->last_exit, HasSubstr("held by somebody"));
  EXPECT_THAT(running.view("b", now)->listeners, ElementsAre("mqtt://127.0.0.1:18001"));
  sockets.refuse.clear();
  processes.refuse = "no such file";
  pass_until_deadline();
  EXPECT_EQ(running.view("b", now)->last_exit, "no such file");
}

TEST_F(ExternalFleetTest, NothingOfItChangesLive) {
  begin_ready();
  const auto applied = running.apply(with_foreign_b("/other"), {}, now);
  EXPECT_THAT(steps(applied), ElementsAre("change b", "due b"));
  EXPECT_THAT(processes.told(2), IsEmpty());
  EXPECT_FALSE(running.is_changing("b"));
  EXPECT_EQ(running.view("b", now)->program, "/broker") << "what runs";
  EXPECT_THAT(steps(running.apply(with_foreign_b("/other"), {.restart = true}, now)), ElementsAre("restart b"));
  EXPECT_THAT(processes.told(2), ElementsAre("stop b"));
  stopped("b", 2);
  running.on_exit(WorkerId{2}, {.status = "exited with code 0"}, now);
  ASSERT_EQ(processes.brokers.size(), 2u);
  EXPECT_EQ(processes.brokers[1].program, "/other");
}

TEST_F(ExternalFleetTest, AnotherEngineWaitsForARestartAndForTheOldOnesEnd) {
  begin();
  ready_all();
  const std::size_t open = sockets.open();
  EXPECT_THAT(steps(running.apply(with_foreign_b(), {}, now)), ElementsAre("change b", "due b"));
  EXPECT_EQ(sockets.open(), open) << "it serves on, and its sockets are kept";
  EXPECT_EQ(running.view("b", now)->engine, "shoal");
  EXPECT_TRUE(running.ask_stats("b"));
  EXPECT_EQ(running.restart("b", now), RunningFleet::Answer::done);
  EXPECT_TRUE(processes.brokers.empty()) << "the worker has the port";
  stopped("b", 2);
  ASSERT_EQ(processes.brokers.size(), 1u);
  EXPECT_EQ(running.view("b", now)->engine, "external");
  EXPECT_FALSE(running.ask_stats("b"));
}

TEST_F(ExternalFleetTest, WhatCannotBeAskedIsAnsweredAtOnce) {
  begin_ready();
  std::optional<std::variant<ClientPage, api::Failure>> clients;
  requests.clients("b", 0, 10, [&](auto answer) { clients = std::move(answer); });
  std::optional<std::variant<api::Done, api::Failure>> kicked;
  requests.disconnect("b", "x", [&](auto answer) { kicked = std::move(answer); });
  std::optional<std::variant<LogLevel, api::Failure>> level;
  requests.set_log_level("b", LogLevel::debug, [&](auto answer) { level = std::move(answer); });
  std::optional<std::variant<api::Acted, api::Failure>> users;
  requests.act("b", api::Verb::reload_users, std::chrono::seconds(1), [&](auto answer) { users = std::move(answer); });
  std::optional<std::variant<api::Instance, api::Failure>> shown;
  requests.get("b", [&](auto answer) { shown = std::move(answer); });
  requests.on_time(now);
  for (const api::Failure* why : {std::get_if<api::Failure>(&*clients), std::get_if<api::Failure>(&*kicked),
                                  std::get_if<api::Failure>(&*level), std::get_if<api::Failure>(&*users)}) {
    ASSERT_NE(why, nullptr);
    EXPECT_EQ(why->code, "external");
    EXPECT_THAT(why->message, HasSubstr("b is an external broker; "));
  }
  ASSERT_TRUE(shown);
  EXPECT_THAT(std::get<api::Instance>(*shown).stats, IsEmpty());
  EXPECT_EQ(std::get<api::Instance>(*shown).cpu_s, 1.5) << "all of its process is its own";
}

TEST_F(ExternalFleetTest, ThePageHasNoSampleOfWhatNobodyKnows) {
  begin_ready();
  std::optional<std::variant<std::string, api::Failure>> page;
  requests.metrics([&](auto answer) { page = std::move(answer); });
  now += Requests::kStatsLimit;
  requests.on_time(now);
  const std::string text = std::get<std::string>(*page);
  EXPECT_THAT(text, HasSubstr("shoal_instance_up{instance=\"b\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("shoal_connections{instance=\"lab\"}"));
  for (const char* family : {"shoal_connections{", "shoal_instance_alarm{", "shoal_ack_latency_seconds_count{"})
    EXPECT_EQ(text.find(std::string(family) + "instance=\"b\""), std::string::npos) << family;
}

TEST_F(ExternalFleetTest, TheNextControllerTakesItOver) {
  link::Message hosts(link::type::kHosts);
  hosts.add("name", std::string_view("b")).add("listener", std::string_view("mqtt://127.0.0.1:18001"));
  hosts.add("state", std::string_view("ready")).add("ready_ms", 5'000u);
  const auto values = with_foreign_b().instances[1].values;
  for (const auto& [key, value] : values) hosts.add("note.key." + key, std::string_view(value));
  hosts.add("note.restarts", 2u).add("note.last_exit", std::string_view("exited with code 3"));
  std::vector<Adopted> there;
  there.push_back({.id = WorkerId{50}, .pid = 4711, .slot = "external b", .hosts = {}});
  there[0].hosts.push_back({hosts, {}});
  RunningFleet next(with_foreign_b(), {}, processes, sockets, log);
  next.take_over(std::move(there), now);
  const auto applied = next.apply(with_foreign_b(), {}, now);
  EXPECT_THAT(steps(applied), ElementsAre("start a", "start lab", "start lab2"));
  EXPECT_TRUE(processes.brokers.empty());
  const auto view = next.view("b", now);
  EXPECT_EQ(view->state, "ready");
  EXPECT_EQ(view->pid, 4711);
  EXPECT_EQ(view->restarts, 2u);
  EXPECT_EQ(view->uptime_s, 5u);
  EXPECT_EQ(view->engine, "external");
  EXPECT_EQ(view->program, "/broker");
}

}  // namespace
}  // namespace shoal::controller
