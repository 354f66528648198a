#include "controller/requests.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/fake_machine_test.hpp"
#include "link/client_list.hpp"
#include "link/fields.hpp"

namespace shoal::controller {
namespace {

using base::milliseconds;
using fleet::State;
using testing::HasSubstr;

class RequestsTest : public testing::Test, protected FakeFleet {
 protected:
  template <class T>
  api::Reply<T> into(std::optional<std::variant<T, api::Failure>>& place) {
    return [&place](std::variant<T, api::Failure> answer) { place = std::move(answer); };
  }
  void tell_stats(const char* name, std::uint64_t worker, std::uint64_t clients) {
    Stats stats;
    stats.connections_now = clients;
    running.on_message(WorkerId{worker}, link::to_message(name, stats), now);
    requests.on_time(now);
  }
  static const api::Failure& failure(const auto& answer) { return std::get<api::Failure>(*answer); }

  /// The metrics page, when every ready instance has told what `told` says.
  std::string page() { return page_ ? std::get<std::string>(*page_) : std::string("none"); }
  void ask_page() {
    page_.reset();
    requests.metrics(into(page_));
  }
  void tell(const char* name, std::uint64_t worker, const Stats& stats) {
    running.on_message(WorkerId{worker}, link::to_message(name, stats), now);
    requests.on_time(now);
  }
  std::vector<std::string> not_ready() const {
    std::vector<std::string> lines;
    for (const api::NotReady& one : requests.not_ready()) lines.push_back(one.name + " " + one.state + ": " + one.why);
    return lines;
  }

  std::map<std::int64_t, ProcessUsage> usage;
  config::Loaded loaded;  // what the files say now
  Requests requests{
      running,
      "1.2.3",
      [this] { return now; },
      {.shutdown = [this] { ++shutdowns; },
       .load = [this](const auto&, const auto&) { return loaded; },
       .usage =
           [this](std::int64_t pid) { return usage.contains(pid) ? std::optional(usage.at(pid)) : std::nullopt; }}};
  std::optional<std::variant<std::string, api::Failure>> page_;
  int shutdowns = 0;
  std::optional<std::variant<std::vector<api::Instance>, api::Failure>> listed;
  std::optional<std::variant<api::Instance, api::Failure>> got;
  std::optional<std::variant<api::Acted, api::Failure>> acted;
};

TEST_F(RequestsTest, AListAsksReadyInstancesAndAnswersWhenAllHaveTold) {
  begin();
  ready("a", 1);
  ready("lab", 3);
  requests.list(into(listed));
  EXPECT_EQ(requests.deadline(), now + Requests::kStatsLimit);
  tell_stats("a", 1, 5);
  EXPECT_FALSE(listed.has_value());
  tell_stats("lab", 3, 6);
  ASSERT_TRUE(listed.has_value());
  const auto& all = std::get<0>(*listed);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].clients, 5u);
  EXPECT_EQ(all[1].clients, 0u) << "b is not ready: nobody is connected";
  EXPECT_EQ(all[2].clients, 6u);
  EXPECT_TRUE(all[0].stats.empty());
  EXPECT_EQ(requests.deadline(), base::kNever);
}

TEST_F(RequestsTest, AListDoesNotWaitForAWorkerThatHangs) {
  begin();
  ready_all();
  requests.list(into(listed));
  tell_stats("a", 1, 5);
  now = requests.deadline();
  requests.on_time(now);
  ASSERT_TRUE(listed.has_value());
  EXPECT_EQ(std::get<0>(*listed)[0].clients, 5u);
  EXPECT_EQ(std::get<0>(*listed)[1].clients, std::nullopt);
}

TEST_F(RequestsTest, AListDoesNotWaitForAWorkerThatDied) {
  begin();
  ready("a", 1);
  requests.list(into(listed));
  running.on_exit(WorkerId{1}, {"killed"}, now);
  requests.on_time(now);
  ASSERT_TRUE(listed.has_value());
  EXPECT_EQ(std::get<0>(*listed)[0].state, "backoff");
}

TEST_F(RequestsTest, OneInstanceComesWithItsCounters) {
  begin();
  ready("a", 1);
  requests.get("a", into(got));
  tell_stats("a", 1, 5);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(std::get<0>(*got).stats.front(), std::pair(std::string("connections_now"), std::uint64_t{5}));
  requests.get("nope", into(got));
  EXPECT_EQ(failure(got).code, "no_such_instance");
}

TEST_F(RequestsTest, AVerbWaitsForItsOutcome) {
  begin();
  ready_all();
  requests.act("a", api::Verb::stop, milliseconds(5000), into(acted));
  requests.on_time(now);
  EXPECT_FALSE(acted.has_value());
  stopped("a", 1);
  requests.on_time(now);
  ASSERT_TRUE(acted.has_value());
  EXPECT_TRUE(std::get<0>(*acted).settled);
  EXPECT_EQ(std::get<0>(*acted).instance.state, "stopped");

  acted.reset();
  requests.act("a", api::Verb::stop, milliseconds(5000), into(acted));
  EXPECT_EQ(failure(acted).code, "already_so");
  EXPECT_EQ(failure(acted).status, 409);
}

TEST_F(RequestsTest, AVerbThatTakesLongerIsAnsweredUnsettled) {
  begin();
  ready_all();
  requests.act("a", api::Verb::stop, milliseconds(100), into(acted));
  now = requests.deadline();
  requests.on_time(now);
  ASSERT_TRUE(acted.has_value());
  EXPECT_FALSE(std::get<0>(*acted).settled);
  EXPECT_EQ(std::get<0>(*acted).instance.state, "stopping");
}

TEST_F(RequestsTest, ARestartIsDoneWhenItIsReadyAgain) {
  begin();
  ready_all();
  requests.act("a", api::Verb::restart, milliseconds(5000), into(acted));
  stopped("a", 1);
  requests.on_time(now);
  EXPECT_FALSE(acted.has_value());
  ready("a", 4);
  requests.on_time(now);
  ASSERT_TRUE(acted.has_value());
  EXPECT_EQ(std::get<0>(*acted).instance.pid, 1004);
}

TEST_F(RequestsTest, AFailedStartTellsWhy) {
  begin();
  ready_all();
  requests.act("a", api::Verb::restart, milliseconds(5000), into(acted));
  stopped("a", 1);
  running.on_message(WorkerId{4},
                     link::Message(link::type::kRefused)
                         .add("name", std::string_view("a"))
                         .add("error", std::string_view("a.users:2: no hash")),
                     now);
  requests.on_time(now);
  ASSERT_TRUE(acted.has_value());
  EXPECT_THAT(failure(acted).message, testing::HasSubstr("a.users:2"));
}

TEST_F(RequestsTest, ReloadedUsersAreAnsweredByTheWorker) {
  begin();
  ready("a", 1);
  const auto reply = [&](std::string_view error) {
    link::Message message(link::type::kReply);
    message.add("name", std::string_view("a")).add("to", link::type::kReloadUsers);
    if (!error.empty()) message.add("error", error);
    running.on_message(WorkerId{1}, message, now);
    requests.on_time(now);
  };
  requests.act("a", api::Verb::reload_users, milliseconds(1000), into(acted));
  requests.on_time(now);
  EXPECT_FALSE(acted.has_value());
  reply("");
  ASSERT_TRUE(acted.has_value());
  EXPECT_TRUE(std::get<0>(*acted).settled);

  acted.reset();
  requests.act("a", api::Verb::reload_users, milliseconds(1000), into(acted));
  reply("a.users:1: no hash");
  EXPECT_EQ(failure(acted).message, "a.users:1: no hash");

  acted.reset();
  requests.act("b", api::Verb::reload_users, milliseconds(1000), into(acted));
  EXPECT_TRUE(std::get<0>(*acted).settled) << "b reads them when it starts";
}

TEST_F(RequestsTest, LogLevelsAreSetAtOnce) {
  begin();
  std::optional<std::variant<LogLevel, api::Failure>> set;
  requests.set_log_level("a", LogLevel::debug, into(set));
  EXPECT_EQ(std::get<0>(*set), LogLevel::debug);
  requests.set_log_level("nope", LogLevel::debug, into(set));
  EXPECT_EQ(failure(set).code, "no_such_instance");
  running.stop_all(now);
  requests.set_log_level("a", LogLevel::info, into(set));
  EXPECT_EQ(failure(set).code, "stopping");
}

TEST_F(RequestsTest, CountersOnThePageGoOnOverTheDeathOfAWorker) {
  begin();
  ready_all();
  Stats stats;
  stats.messages_received = 10;
  stats.connections_now = 2;
  ask_page();
  for (const auto& [name, worker] : {std::pair("a", 1), std::pair("b", 2), std::pair("lab", 3), std::pair("lab2", 3)}) {
    EXPECT_EQ(page(), "none");
    tell(name, static_cast<std::uint64_t>(worker), stats);
  }
  EXPECT_THAT(page(), HasSubstr("shoal_messages_received_total{instance=\"a\"} 10\n"));
  EXPECT_THAT(page(), HasSubstr("shoal_connections{instance=\"a\"} 2\n"));

  running.on_exit(WorkerId{1}, {"killed by signal 9 (KILL)"}, now);
  requests.on_time(now);
  ask_page();
  now = requests.deadline();
  requests.on_time(now);
  EXPECT_THAT(page(), HasSubstr("shoal_messages_received_total{instance=\"a\"} 10\n"));
  EXPECT_THAT(page(), HasSubstr("shoal_connections{instance=\"a\"} 0\n"));
  EXPECT_THAT(page(), HasSubstr("shoal_instance_up{instance=\"a\"} 0\n"));
  EXPECT_THAT(page(), HasSubstr("shoal_instance_up{instance=\"b\"} 0\n")) << "it did not answer";
  EXPECT_THAT(page(), HasSubstr("shoal_messages_received_total{instance=\"b\"} 10\n"));
  EXPECT_THAT(page(), HasSubstr("shoal_instances{state=\"backoff\"} 1\n"));

  pass_until_deadline();
  ready("a", 4);
  stats.messages_received = 3;
  ask_page();
  tell("a", 4, stats);
  now = requests.deadline();
  requests.on_time(now);
  EXPECT_THAT(page(), HasSubstr("shoal_messages_received_total{instance=\"a\"} 13\n"));
  EXPECT_THAT(page(), HasSubstr("shoal_instance_restarts_total{instance=\"a\"} 1\n"));
  EXPECT_THAT(page(), HasSubstr("shoal_instance_up{instance=\"a\"} 1\n"));
}

TEST_F(RequestsTest, WhoAsksForThePageMeanwhileGetsTheSame) {
  std::optional<std::variant<std::string, api::Failure>> other;
  begin();
  ready("a", 1);
  ask_page();
  const std::size_t told = processes.sent.size();
  requests.metrics(into(other));
  EXPECT_EQ(processes.sent.size(), told);
  tell("a", 1, {});
  ASSERT_TRUE(page_ && other);
  EXPECT_EQ(std::get<std::string>(*other), page());
  ask_page();
  EXPECT_EQ(processes.sent.size(), told + 1);
}

TEST_F(RequestsTest, ThePageHasOneLineForEachWorker) {
  begin();
  usage = {{1001, {1.5, 100}}, {1003, {2.5, 200}}};
  ask_page();
  requests.on_time(now);
  EXPECT_THAT(page(), HasSubstr("TYPE shoal_worker_cpu_seconds_total counter\n"
                                "shoal_worker_cpu_seconds_total{worker=\"a\",shared=\"false\"} 1.5\n"
                                "shoal_worker_cpu_seconds_total{worker=\"small\",shared=\"true\"} 2.5\n#"));
}

TEST_F(RequestsTest, NotReadyIsWhatShouldRunAndDoesNot) {
  using testing::ElementsAre;
  using testing::IsEmpty;
  begin();
  ready("a", 1);
  ready("b", 2);
  EXPECT_THAT(not_ready(), ElementsAre("lab starting: it is starting", "lab2 starting: it is starting"));
  ready("lab", 3);
  ready("lab2", 3);
  EXPECT_THAT(not_ready(), IsEmpty());
  requests.act("a", api::Verb::stop, milliseconds(0), into(acted));
  EXPECT_THAT(not_ready(), IsEmpty()) << "somebody wants it stopped";
  requests.act("b", api::Verb::restart, milliseconds(0), into(acted));
  EXPECT_THAT(not_ready(), ElementsAre("b stopping: it is stopping"));
  stopped("a", 1);
  stopped("b", 2);
  EXPECT_THAT(not_ready(), ElementsAre("b starting: it is starting"));
  running.on_exit(WorkerId{3}, {"killed by signal 9 (KILL)"}, now);
  EXPECT_THAT(not_ready(), ElementsAre("b starting: it is starting", "lab backoff: killed by signal 9 (KILL)",
                                       "lab2 backoff: killed by signal 9 (KILL)"));
  running.stop_all(now);
  EXPECT_THAT(not_ready(), ElementsAre("b stopping: it is stopping"));
}

TEST_F(RequestsTest, AQuestionIsAnsweredByItsOwnAnswer) {
  std::optional<std::variant<ClientPage, api::Failure>> first;
  std::optional<std::variant<ClientPage, api::Failure>> second;
  begin();
  ready_all();
  requests.clients("a", 0, 10, into(first));
  requests.clients("a", 7, 10, into(second));
  const link::Message asked = processes.sent.back().message;
  EXPECT_EQ(asked.type(), link::type::kClients);
  EXPECT_EQ(asked.text("name"), "a");
  EXPECT_EQ(asked.number("from"), 7u);
  EXPECT_EQ(asked.number("most"), 10u);
  const auto answer = [&](std::string_view request, const char* client) {
    link::Message message = link::to_message("a", ClientPage{.clients = {{.client_id = client}}, .next = 3});
    running.on_message(WorkerId{1}, message.add("request", request), now);
    requests.on_time(now);
  };
  answer("77", "of nobody");
  EXPECT_FALSE(first || second);
  answer(asked.text("request"), "x");
  EXPECT_FALSE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(std::get<ClientPage>(*second).clients[0].client_id, "x");
  EXPECT_EQ(std::get<ClientPage>(*second).next, 3u);
  now = requests.deadline();
  requests.on_time(now);
  ASSERT_TRUE(first);
  EXPECT_THAT(failure(first).message, HasSubstr("does not answer"));
}

TEST_F(RequestsTest, AClientIsDisconnectedOrNotThere) {
  std::optional<std::variant<api::Done, api::Failure>> done;
  begin();
  ready("a", 1);
  for (const bool there : {true, false}) {
    done.reset();
    requests.disconnect("a", "c 1\n", into(done));
    const link::Message asked = processes.sent.back().message;
    EXPECT_EQ(asked.type(), link::type::kDisconnect);
    EXPECT_EQ(asked.text("client"), "c 1\n");
    link::Message reply(link::type::kReply);
    reply.add("name", std::string_view("a")).add("request", asked.text("request"));
    if (!there) reply.add("error", std::string_view("no"));
    running.on_message(WorkerId{1}, reply, now);
    requests.on_time(now);
    ASSERT_TRUE(done);
    EXPECT_EQ(std::holds_alternative<api::Done>(*done), there);
  }
  EXPECT_EQ(failure(done).code, "no_such_client");
  requests.disconnect("nobody", "c", into(done));
  EXPECT_EQ(failure(done).code, "no_such_instance");
  requests.disconnect("b", "c", into(done));
  requests.on_time(now);
  EXPECT_EQ(failure(done).code, "not_ready");
  requests.disconnect("a", std::string(70'000, 'x'), into(done));
  EXPECT_EQ(failure(done).code, "no_such_client");
  requests.disconnect("a", "c", into(done));
  running.on_exit(WorkerId{1}, {"killed by signal 9 (KILL)"}, now);
  requests.on_time(now);
  EXPECT_EQ(failure(done).message, "a is backoff");
}

TEST_F(RequestsTest, EventsAreWaitedFor) {
  std::optional<std::variant<api::EventPage, api::Failure>> page;
  const auto kinds = [&] {
    std::string all;
    if (page) {
      for (const api::Event& event : std::get<api::EventPage>(*page).events)
        all += event.instance + ' ' + event.kind + '|';
    }
    return all;
  };
  const auto ask = [&](std::uint64_t after, int wait_ms) {
    page.reset();
    requests.events(after, milliseconds(wait_ms), into(page));
    requests.on_time(now);
  };
  begin();
  ready_all();
  ask(0, 1000);
  ASSERT_TRUE(page) << "there are some";
  std::uint64_t next = std::get<api::EventPage>(*page).next;
  EXPECT_EQ(next, 8u);
  ask(next, 0);
  ASSERT_TRUE(page);
  EXPECT_EQ(kinds(), "");
  EXPECT_EQ(requests.deadline(), base::kNever) << "nobody waits";

  const std::size_t told = processes.sent.size();
  ask(next, 10'000);
  EXPECT_FALSE(page);
  EXPECT_EQ(processes.sent.size(), told + 4) << "every instance is asked for its counters";
  EXPECT_EQ(requests.deadline(), now + Requests::kLookEvery);
  Stats stats;
  tell("a", 1, stats);
  EXPECT_FALSE(page);
  stats.limit_hits[0] = 1;
  stats.alarm = "broken";
  tell("a", 1, stats);
  EXPECT_EQ(kinds(), "a limit|a alarm|");
  next = std::get<api::EventPage>(*page).next;

  ask(next, 10'000);
  running.on_exit(WorkerId{1}, {"killed by signal 9 (KILL)"}, now);
  requests.on_time(now);
  EXPECT_EQ(kinds(), "a state|");
  next = std::get<api::EventPage>(*page).next;
  ask(next, 3'000);
  for (const base::Time until = now + milliseconds(3'000); now < until && !page;) {
    now = std::min(requests.deadline(), until);
    requests.on_time(now);
  }
  EXPECT_TRUE(page);
  now += Requests::kLookEvery;
  requests.on_time(now);
  EXPECT_EQ(requests.deadline(), base::kNever);
}

}  // namespace
}  // namespace shoal::controller
