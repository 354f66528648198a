#include "broker/memory_release.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"

namespace shoal::broker {
namespace {

constexpr std::uint64_t kMuch = 16 * MemoryRelease::kLeast;

struct MemoryReleaseTest : testing::Test {
  void pass(base::Duration time) {
    now += time;
    timers.run(now);
  }

  base::Time now{base::seconds(1000)};
  io::TimerQueue timers;
  int released = 0;
  MemoryRelease release{timers, [this] { ++released; }};
};

TEST_F(MemoryReleaseTest, OnceAfterABurst) {
  release.note(kMuch, now);
  EXPECT_EQ(timers.next(), base::kNever);
  release.note(0, now);
  release.note(0, now);
  EXPECT_EQ(timers.next(), now + MemoryRelease::kAfter);
  pass(MemoryRelease::kAfter);
  EXPECT_EQ(released, 1);
  release.note(0, now);
  EXPECT_EQ(timers.next(), base::kNever) << "who is idle sleeps";
}

TEST_F(MemoryReleaseTest, NotForTheNextBurst) {
  release.note(kMuch, now);
  release.note(0, now);
  release.note(kMuch, now);
  pass(MemoryRelease::kAfter);
  EXPECT_EQ(released, 0);
  release.note(0, now);
  pass(MemoryRelease::kAfter);
  EXPECT_EQ(released, 1);
}

TEST_F(MemoryReleaseTest, NotForLittle) {
  release.note(MemoryRelease::kLeast - 1, now);
  release.note(0, now);
  release.note(kMuch, now);
  release.note(kMuch / 2 + 1, now);
  EXPECT_EQ(timers.next(), base::kNever);
  release.note(kMuch / 2, now);
  EXPECT_EQ(timers.next(), now + MemoryRelease::kAfter);
}

using testing::Contains;
using testing::ElementsAre;

// All goes on with what was there before, in the places where it was.
TEST(ShardRelease, WhoStaysNoticesNothing) {
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).publish("a/kept", "1", {.retain = true});
  std::vector<std::unique_ptr<Peer>> crowd;
  const auto join = [&](int number) {
    crowd.push_back(std::make_unique<Peer>(bed));
    crowd.back()->connect({std::to_string(number)});
    for (int i = 0; i < 10; ++i) {
      crowd.back()->subscribe(std::to_string(number) + "/" + std::to_string(i) + "/+", 1);
    }
  };
  for (int i = 0; i < 250; ++i) join(i);
  Peer stays(bed);
  stays.connect({"stays"}).subscribe("a/+", 1).subscribe("b/#", 0);
  for (int i = 250; i < 500; ++i) join(i);
  EXPECT_THAT(stays.got(), Contains("PUBLISH a/kept=1 q0 retain"));
  bed.advance(base::seconds(5));
  EXPECT_EQ(bed.memory_freed, 0);

  crowd.clear();
  bed.turn();
  bed.advance(base::seconds(5));
  EXPECT_EQ(bed.memory_freed, 1);
  source.publish("a/b", "2").publish("b/c/d", "3");
  EXPECT_THAT(stays.got(), ElementsAre("PUBLISH a/b=2 q0", "PUBLISH b/c/d=3 q0"));
  EXPECT_THAT(stays.unsubscribe("b/#").subscribe("+/kept", 0).got(), Contains("PUBLISH a/kept=1 q0 retain"));
  for (int i = 0; i < 10; ++i) join(i);
  source.publish("a/b", "4").publish("b/c/d", "5").publish("7/7/x", "6");
  EXPECT_THAT(stays.got(), ElementsAre("PUBLISH a/b=4 q0"));
  EXPECT_THAT(crowd[7]->got(), Contains("PUBLISH 7/7/x=6 q0"));
}

// No packet tells of it: the deadline does.
TEST(ShardRelease, WhenSessionsExpire) {
  Bed bed;
  for (int i = 0; i < 300; ++i) {
    Peer peer(bed);
    peer.connect({.id = std::to_string(i), .expiry_s = 60});
    for (int j = 0; j < 40; ++j) peer.subscribe(std::to_string(i) + "/" + std::to_string(j) + "/+", 1);
    peer.drop();
  }
  bed.advance(base::seconds(50));
  EXPECT_EQ(bed.memory_freed, 0);
  bed.advance(base::seconds(30));
  EXPECT_EQ(bed.memory_freed, 1);
}

}  // namespace
}  // namespace shoal::broker
