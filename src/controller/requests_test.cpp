#include "controller/requests.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/fake_machine_test.hpp"
#include "link/fields.hpp"

namespace shoal::controller {
namespace {

using base::milliseconds;
using fleet::State;

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

  config::Loaded loaded;  // what the files say now
  Requests requests{running, "1.2.3", [this] { return now; },
                    {.shutdown = [this] { ++shutdowns; }, .load = [this] { return loaded; }}};
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
  running.on_exit(WorkerId{1}, "killed", now);
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

}  // namespace
}  // namespace shoal::controller
