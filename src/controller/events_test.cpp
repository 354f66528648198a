#include "controller/events.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::controller {
namespace {

using fleet::State;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> lines(const api::EventPage& page) {
  std::vector<std::string> all;
  for (const api::Event& event : page.events) all.push_back(api::to_json(event));
  return all;
}

TEST(Events, TellWhatChanged) {
  Events events;
  EXPECT_THAT(lines(events.since(0)), IsEmpty());
  events.changed("a", State::starting, "", 1'700'000'000'000);
  events.changed("a", State::backoff, "killed \"so\"", 1'700'000'000'042);
  EXPECT_THAT(
      lines(events.since(0)),
      ElementsAre(
          R"({"number":1,"time":"2023-11-14T22:13:20.000Z","instance":"a","kind":"state","state":"starting","was":"stopped"})",
          R"({"number":2,"time":"2023-11-14T22:13:20.042Z","instance":"a","kind":"state","state":"backoff","was":"starting","because":"killed \"so\""})"));
  EXPECT_EQ(events.since(1).events.size(), 1u);
  EXPECT_EQ(events.since(2).events.size(), 0u);
  EXPECT_EQ(events.since(2).next, 2u);
  EXPECT_EQ(events.since(99).events.size(), 2u) << "a number of another controller";
}

TEST(Events, TellBoundsThatWereReachedSinceTheLastAnswer) {
  Events events;
  Stats stats;
  events.heard("a", stats, 0);
  stats.limit_hits[static_cast<std::size_t>(Bound::queue)] = 3;
  events.heard("a", stats, 0);
  events.heard("a", stats, 0);
  stats.limit_hits[static_cast<std::size_t>(Bound::queue)] = 4;
  events.heard("a", stats, 0);
  EXPECT_THAT(
      lines(events.since(0)),
      ElementsAre(
          R"({"number":1,"time":"1970-01-01T00:00:00.000Z","instance":"a","kind":"limit","limit":"queue","times":3})",
          R"({"number":2,"time":"1970-01-01T00:00:00.000Z","instance":"a","kind":"limit","limit":"queue","times":1})"));
  events.changed("a", State::backoff, "", 0);
  stats.limit_hits[static_cast<std::size_t>(Bound::queue)] = 2;
  events.heard("a", stats, 0);
  EXPECT_EQ(events.since(3).events[0].times, 2u) << "the next process counts from 0";
}

TEST(Events, TellWhenAnAlarmComesAndGoes) {
  Events events;
  Stats stats;
  stats.alarm = "store cannot be written";
  events.heard("a", stats, 0);
  events.heard("a", stats, 0);
  stats.alarm.clear();
  events.heard("a", stats, 0);
  EXPECT_THAT(
      lines(events.since(0)),
      ElementsAre(
          R"({"number":1,"time":"1970-01-01T00:00:00.000Z","instance":"a","kind":"alarm","alarm":"store cannot be written"})",
          R"({"number":2,"time":"1970-01-01T00:00:00.000Z","instance":"a","kind":"alarm","alarm":null})"));
}

TEST(Events, AreForgottenAndThatIsSaid) {
  Events events;
  for (std::size_t i = 0; i < Events::kKept + 10; ++i) events.changed("a", State::ready, "", 0);
  EXPECT_EQ(events.since(0).events.size(), Events::kKept);
  EXPECT_EQ(events.since(0).missed, 0u);
  EXPECT_EQ(events.since(3).missed, 7u);
  EXPECT_EQ(events.since(10).missed, 0u);
  EXPECT_EQ(events.since(500).missed, 0u);
}

}  // namespace
}  // namespace shoal::controller
