#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"

// What is used of the limits, and was at most.

namespace shoal::broker {
namespace {

TEST(LimitUse, CountsTheInstanceAsAWholeAndRemembersTheMost) {
  Bed bed;
  {
    Peer half(bed), one(bed), two(bed);
    one.connect({"one"});
    two.connect({"two"}).subscribe("kept/#", 1);
    one.publish("t", std::string(1'000, 'x'), {.retain = true});
    bed.turn();
    const LimitUse use = bed.shard.use();
    EXPECT_EQ(use.connections, (Use{2, 2}));
    EXPECT_EQ(use.half_open.now, 1u);
    EXPECT_EQ(use.sessions, (Use{2, 2}));
    EXPECT_EQ(use.retained_messages, (Use{1, 1}));
    EXPECT_GT(use.retained_bytes.now, 1'000u);
    EXPECT_GT(use.subscription_bytes.now, 0u);
    one.publish("t", "", {.retain = true});
    bed.turn();
    half.drop();
    two.drop();
    bed.turn();
  }
  const LimitUse use = bed.stats().use;
  EXPECT_EQ(use.connections, (Use{0, 2}));
  EXPECT_EQ(use.half_open.now, 0u);
  EXPECT_GE(use.half_open.peak, 1u);
  EXPECT_EQ(use.sessions, (Use{0, 2}));
  EXPECT_EQ(use.retained_messages, (Use{0, 1}));
  EXPECT_EQ(use.retained_bytes.now, 0u);
  EXPECT_GT(use.retained_bytes.peak, 1'000u);
}

TEST(LimitUse, QueuesOfWhoIsAwayAreTheInstances) {
  Bed bed;
  Peer away(bed), source(bed);
  away.connect({.id = "away", .clean = false, .expiry_s = 100}).subscribe("q", 1).skip();
  away.drop();
  source.connect({"source"});
  for (std::uint16_t id = 1; id <= 10; ++id) source.publish("q", std::string(500, 'x'), {.qos = 1, .id = id});
  bed.turn();
  const LimitUse use = bed.shard.use();
  EXPECT_GT(use.queued_bytes_total.now, 5'000u);
  EXPECT_GE(use.queued_bytes_total.peak, use.queued_bytes_total.now);
  EXPECT_EQ(use.queued_bytes_connected.now, 0u);
}

}  // namespace
}  // namespace shoal::broker
