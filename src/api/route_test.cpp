#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/service.hpp"

namespace shoal::api {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

struct FakeService : Service {
  std::vector<Apply> applies;
  std::vector<Edit> edits;
  std::string version() const override { return "1.2.3"; }
  void list(Reply<std::vector<Instance>> reply) override { reply(instances); }
  void list_with_stats(Reply<std::vector<Instance>> reply) override {
    for (Instance& instance : instances) instance.stats = {{"bytes_sent", 1}};
    reply(instances);
  }
  void get(const std::string& name, Reply<Instance> reply) override {
    for (const Instance& instance : instances)
      if (instance.name == name) return reply(instance);
    reply(Failure{404, "no_such_instance", "there is no instance " + name});
  }
  void act(const std::string& name, Verb verb, milliseconds wait, Reply<Acted> reply) override {
    asked = {name, verb, wait};
    reply(outcome);
  }
  void edit(const Edit& edit, Reply<Applied> reply) override {
    edits.push_back(edit);
    reply(Applied{});
  }
  void apply(const Apply& how, Reply<Applied> reply) override {
    applies.push_back(how);
    reply(Applied{});
  }
  void set_log_level(const std::string& name, LogLevel level, Reply<LogLevel> reply) override {
    levels.emplace_back(name, level);
    reply(level);
  }
  void clients(const std::string& name, std::uint64_t from, std::uint64_t most, Reply<ClientPage> reply) override {
    asked_clients = name + ' ' + std::to_string(from) + ' ' + std::to_string(most);
    reply(ClientPage{.clients = {{.client_id = "c"}}, .next = 7});
  }
  void disconnect(const std::string& name, const std::string& client_id, Reply<Done> reply) override {
    asked_clients = name + ' ' + client_id;
    if (client_id == "gone") reply(Failure{404, "no_such_client", "no client of that id is connected to " + name});
    else reply(Done{});
  }
  void events(std::uint64_t after, milliseconds wait, Reply<EventPage> reply) override {
    asked_clients = std::to_string(after) + ' ' + std::to_string(wait.count());
    reply(EventPage{.events = {}, .next = 9, .missed = 1});
  }
  void limits(const std::string& name, Reply<std::vector<Limit>> reply) override {
    asked_clients = name;
    reply(std::vector<Limit>{{.key = "limits.sessions", .limit = 7, .unit = "count", .use = 3}});
  }
  void metrics(Reply<std::string> reply) override { reply("shoal_up 1\n"); }
  std::vector<NotReady> not_ready() const override { return waiting; }
  void shutdown() override { ++shutdowns; }

  struct Asked {
    std::string name;
    Verb verb{};
    milliseconds wait{};
  } asked;
  std::variant<Acted, Failure> outcome = Acted{};
  std::vector<Instance> instances;
  std::vector<NotReady> waiting;
  std::string asked_clients;
  int shutdowns = 0;
  std::vector<std::pair<std::string, LogLevel>> levels;
};

class Route : public testing::Test {
 protected:
  Response ask(const std::string& method, const std::string& target, const std::string& body = "",
               Routes routes = Routes::all) {
    std::optional<Response> answer;
    route({.method = method, .target = target, .body = body}, routes, service,
          [&](Response response) { answer = std::move(response); });
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(Response{});
  }

  FakeService service;
};

Instance lab() {
  Instance instance;
  instance.name = "lab";
  instance.state = "ready";
  instance.pid = 812;
  instance.worker = "small";
  instance.listeners = {"mqtt://127.0.0.1:18000", "mqtt://[::1]:18000"};
  instance.clients = 3;
  instance.restarts = 2;
  instance.uptime_s = 48;
  instance.last_exit = "killed by signal 9 (KILL)";
  instance.log = "/var/log/shoal/lab.log";
  instance.state_dir = "/var/lib/shoal/lab";
  return instance;
}

TEST_F(Route, InstancesRoundTripThroughJson) {
  Instance stopped;
  stopped.name = "plant \"a\"";
  stopped.state = "stopped";
  service.instances = {lab(), stopped};
  service.instances[0].stats = {{"bytes_sent", UINT64_MAX}};
  const Response list = ask("GET", "/v1/instances");
  EXPECT_EQ(list.status, 200);
  const auto back = instances_from_json(list.body);
  ASSERT_TRUE(back.ok());
  ASSERT_EQ(back->size(), 2u);
  const Instance& first = back->front();
  EXPECT_EQ(first.listeners, lab().listeners);
  EXPECT_EQ(first.clients, 3u);
  EXPECT_EQ(first.pid, 812);
  EXPECT_EQ(first.uptime_s, 48u);
  EXPECT_EQ(first.restarts, 2u);
  EXPECT_EQ(first.last_exit, lab().last_exit);
  EXPECT_EQ(first.log, lab().log);
  EXPECT_EQ(first.state_dir, lab().state_dir);
  EXPECT_EQ(first.worker, "small");
  EXPECT_EQ(first.stats, service.instances[0].stats);
  EXPECT_EQ(back->back().name, stopped.name);
  EXPECT_EQ(back->back().clients, std::nullopt);
  EXPECT_THAT(list.body, HasSubstr(R"("pid":null)"));
  EXPECT_THAT(list.body, HasSubstr(R"("last_exit":null)"));
}

TEST_F(Route, AListMayComeWithCounters) {
  service.instances = {lab()};
  service.instances[0].worker_cpu_s = 1.5;
  service.instances[0].worker_memory_bytes = 4096;
  EXPECT_TRUE(instances_from_json(ask("GET", "/v1/instances?stats=0").body)->front().stats.empty());
  const auto list = instances_from_json(ask("GET", "/v1/instances?stats=1").body);
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->front().stats.size(), 1u);
  EXPECT_EQ(list->front().worker_cpu_s, 1.5);
  EXPECT_EQ(list->front().worker_memory_bytes, 4096u);
}

TEST_F(Route, OneInstance) {
  service.instances = {lab()};
  const auto found = instance_from_json(ask("GET", "/v1/instances/lab").body);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->name, "lab");
  const Response missing = ask("GET", "/v1/instances/bal");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body, R"({"error":{"code":"no_such_instance","message":"there is no instance bal"}})");
  EXPECT_EQ(error_message(missing.body), "there is no instance bal");
}

TEST_F(Route, LimitsAreAnArray) {
  const Response response = ask("GET", "/v1/instances/lab/limits");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(R"({"key":"limits.sessions","limit":7,"unit":"count","use":3,"peak":null)"));
  EXPECT_EQ(service.asked_clients, "lab");
  EXPECT_EQ(ask("PUT", "/v1/instances/lab/limits").status, 405);
}

TEST_F(Route, VerbsReachTheServiceWithTheirWait) {
  service.outcome = Acted{lab(), true};
  EXPECT_EQ(ask("POST", "/v1/instances/lab/stop?wait=5000").status, 200);
  EXPECT_EQ(service.asked.name, "lab");
  EXPECT_EQ(service.asked.verb, Verb::stop);
  EXPECT_EQ(service.asked.wait, milliseconds(5000));
  ask("POST", "/v1/instances/lab/reload-users");
  EXPECT_EQ(service.asked.verb, Verb::reload_users);
  EXPECT_EQ(service.asked.wait, milliseconds(0));
  ask("POST", "/v1/instances/lab/restart?x=1&wait=4000000000");
  EXPECT_EQ(service.asked.verb, Verb::restart);
  EXPECT_EQ(service.asked.wait, kWaitMax);
  service.outcome = Acted{lab(), false};
  EXPECT_EQ(ask("POST", "/v1/instances/lab/start").status, 202);
  service.outcome = Failure{409, "already_so", "lab is ready already"};
  EXPECT_EQ(ask("POST", "/v1/instances/lab/start").status, 409);
}

TEST_F(Route, ApplyTellsHow) {
  EXPECT_EQ(ask("POST", "/v1/apply?dry_run=1&restart=1&instance=a&instance=b&wait=7").status, 200);
  ASSERT_EQ(service.applies.size(), 1u);
  EXPECT_TRUE(service.applies[0].dry_run && service.applies[0].restart);
  EXPECT_EQ(service.applies[0].only, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(service.applies[0].wait, milliseconds(7));
  EXPECT_EQ(ask("GET", "/v1/apply").status, 405);
}

TEST_F(Route, EditsOfTheFiles) {
  EXPECT_EQ(ask("POST", "/v1/instances",
                R"({"instances":[{"name":"a","template":"t","keys":{"limits.sessions":"5"}},{"name":"b"}]})")
                .status,
            200);
  EXPECT_EQ(ask("PATCH", "/v1/instances/lab", R"({"key":"enabled","value":"false"})").status, 200);
  EXPECT_EQ(ask("DELETE", "/v1/instances/a?purge=1&wait=9").status, 200);
  ASSERT_EQ(service.edits.size(), 3u);
  EXPECT_EQ(service.edits[0].create.at(0).template_name, "t");
  EXPECT_EQ(service.edits[0].create.at(0).keys.at(0).second, "5");
  EXPECT_EQ(service.edits[0].create.at(1).name, "b");
  EXPECT_EQ(service.edits[1].set + service.edits[1].key + service.edits[1].value, "labenabledfalse");
  EXPECT_EQ(service.edits[2].remove, "a");
  EXPECT_TRUE(service.edits[2].purge);
  for (const char* body :
       {"", "[]", R"({"instances":[]})", R"({"instances":[1]})", R"({"instances":[{"keys":{"a":1}}]})"})
    EXPECT_EQ(ask("POST", "/v1/instances", body).status, 400) << body;
  EXPECT_EQ(ask("PATCH", "/v1/instances/lab", R"({"key":"enabled","value":false})").status, 400);
  EXPECT_EQ(service.edits.size(), 3u);
}

TEST_F(Route, VersionAndShutdown) {
  EXPECT_EQ(ask("GET", "/v1/version").body, R"({"version":"1.2.3","api":1})");
  EXPECT_EQ(ask("GET", "/v1/shutdown").status, 405);
  EXPECT_EQ(service.shutdowns, 0);
  EXPECT_EQ(ask("POST", "/v1/shutdown").status, 202);
  EXPECT_EQ(service.shutdowns, 1);
}

TEST_F(Route, ClientsComeInPages) {
  const Response page = ask("GET", "/v1/instances/lab/clients");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr(R"("next":7)"));
  EXPECT_EQ(service.asked_clients, "lab 0 1000");
  ask("GET", "/v1/instances/lab/clients?limit=5&after=18446744073709551615");
  EXPECT_EQ(service.asked_clients, "lab 18446744073709551615 5");
  EXPECT_EQ(ask("GET", "/v1/instances/lab/clients?limit=x").status, 400);
  EXPECT_EQ(ask("POST", "/v1/instances/lab/clients").status, 405);
}

TEST_F(Route, EventsAreAskedForByTheirNumber) {
  EXPECT_EQ(ask("GET", "/v1/events").body, R"({"events":[],"next":9,"missed":1})");
  EXPECT_EQ(service.asked_clients, "0 0");
  ask("GET", "/v1/events?after=8&wait=50");
  EXPECT_EQ(service.asked_clients, "8 50");
  ask("GET", "/v1/events?wait=4000000000");
  EXPECT_EQ(service.asked_clients, "0 30000");
  EXPECT_EQ(ask("POST", "/v1/events").status, 405);
  EXPECT_EQ(ask("GET", "/v1/events?after=-1").status, 400);
}

TEST_F(Route, AClientIsNamedByItsEncodedId) {
  EXPECT_EQ(ask("DELETE", "/v1/instances/lab/clients/a%2Fb%00%3f%25").status, 200);
  EXPECT_EQ(service.asked_clients, std::string("lab a/b\0?%", 10));
  EXPECT_EQ(ask("DELETE", "/v1/instances/lab/clients/gone").status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/instances/lab/clients/%zz").status, 400);
  EXPECT_EQ(ask("GET", "/v1/instances/lab/clients/c").status, 405);
  service.asked_clients.clear();
  EXPECT_EQ(ask("DELETE", "/v1/instances/lab/clients/").status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/instances/lab/clients/a/b").status, 404);
  EXPECT_EQ(service.asked_clients, "");
}

TEST_F(Route, MonitoringIsServedEverywhereAndNothingElseIsWhereOnlyThatIs) {
  for (const Routes routes : {Routes::all, Routes::monitoring}) {
    const Response page = ask("GET", "/metrics", "", routes);
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.body, "shoal_up 1\n");
    EXPECT_EQ(page.content_type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(ask("GET", "/healthz", "", routes).status, 200);
    EXPECT_EQ(ask("GET", "/readyz?verbose", "", routes).status, 200);
    EXPECT_EQ(ask("POST", "/metrics", "", routes).status, 405);
  }
  service.waiting = {{"lab", "backoff", "killed \"so\""}};
  const Response not_ready = ask("GET", "/readyz");
  EXPECT_EQ(not_ready.status, 503);
  EXPECT_EQ(not_ready.body, R"([{"name":"lab","state":"backoff","why":"killed \"so\""}])");
  service.instances = {lab()};
  for (const char* target : {"/v1/instances", "/v1/version", "/v1/shutdown", "/v1/instances/lab/stop", "/"}) {
    EXPECT_EQ(ask("GET", target, "", Routes::monitoring).status, 404) << target;
    EXPECT_EQ(ask("POST", target, "", Routes::monitoring).status, 404) << target;
  }
  EXPECT_EQ(service.shutdowns, 0);
  EXPECT_EQ(service.asked.name, "");
}

TEST_F(Route, WhatIsNotThereIsSaidSo) {
  for (const char* target :
       {"/", "", "/v2/instances", "/v1", "/v1/instancesx", "/v1/instances/lab/explode", "/v1/instances/lab/stop/now"}) {
    const Response response = ask("POST", target);
    EXPECT_EQ(response.status, 404) << target;
    EXPECT_THAT(response.body, HasSubstr("not_found"));
  }
  EXPECT_EQ(ask("POST", "/v1/instances/lab").status, 405);
  EXPECT_EQ(ask("DELETE", "/v1/instances").status, 405);
  EXPECT_EQ(ask("GET", "/v1/instances/lab/stop").status, 405);
  EXPECT_EQ(ask("POST", "/v1/version").status, 405);
  for (const char* wait : {"wait=", "wait=x", "wait=-1", "wait=99999999999999999999"}) {
    EXPECT_EQ(ask("POST", std::string("/v1/instances/lab/stop?") + wait).status, 400) << wait;
  }
}

TEST(InstanceJson, WhatIsNoInstanceIsAnError) {
  for (const char* bad : {"", "[", "[]", "{}", R"({"name":7})", "null"}) EXPECT_FALSE(instance_from_json(bad).ok());
  for (const char* bad : {"", "{}", "[1]", "[{}]"}) EXPECT_FALSE(instances_from_json(bad).ok());
  const auto odd = instance_from_json(R"({"name":"a","pid":"x","clients":-1,"listeners":[1],"tomorrow":{}})");
  ASSERT_TRUE(odd.ok());
  EXPECT_EQ(odd->pid, 0);
  EXPECT_EQ(odd->clients, std::nullopt);
  EXPECT_EQ(error_message("no json"), "no json");
}

TEST_F(Route, LogLevelsAreSet) {
  const Response done = ask("PUT", "/v1/instances/lab/log-level", R"({"level":"debug"})");
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(done.body, R"({"level":"debug"})");
  EXPECT_EQ(service.levels, (std::vector<std::pair<std::string, LogLevel>>{{"lab", LogLevel::debug}}));
  for (const char* body : {"", "debug", "[]", "{}", R"({"level":"loud"})", R"({"level":1})"}) {
    EXPECT_EQ(ask("PUT", "/v1/instances/lab/log-level", body).status, 400) << body;
  }
  EXPECT_EQ(ask("POST", "/v1/instances/lab/log-level", R"({"level":"info"})").status, 405);
  EXPECT_EQ(service.levels.size(), 1u);
}

}  // namespace
}  // namespace shoal::api
