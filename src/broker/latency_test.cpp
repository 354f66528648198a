#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"

namespace shoal::broker {
namespace {

using std::chrono::milliseconds;

TEST(Latency, ATurnsDeliveriesTookUntilItsEnd) {
  Bed bed(with([](auto&) {}));
  Peer publisher(bed);
  Peer a(bed);
  Peer b(bed);
  publisher.connect({"p"});
  a.connect({"a"}).subscribe("t", 0);
  b.connect({"b"}).subscribe("t", 1);
  EXPECT_FALSE(bed.shard.has_deliveries());
  publisher.publish("t", "1", {.qos = 1, .id = 1});
  ASSERT_TRUE(bed.shard.has_deliveries());
  bed.shard.time_deliveries(bed.now + milliseconds(3));
  EXPECT_FALSE(bed.shard.has_deliveries());
  const Histogram latency = bed.stats().delivery_latency;
  EXPECT_EQ(latency.count(), 2u);
  EXPECT_EQ(latency.sum_ns, 6'000'000u);
}

TEST(Latency, DeliveriesOfATurnInPartsTookSinceItBegan) {
  Bed bed(with([](auto&) {}));
  bed.shard.share_turns(true);
  Peer publisher(bed);
  Peer receiver(bed);
  publisher.connect({"p"});
  receiver.connect({"r"}).subscribe("t", 0);
  bed.shard.time_deliveries(bed.now);
  const Histogram before = bed.stats().delivery_latency;
  std::vector<std::uint8_t> burst;
  for (int i = 0; i < 2'000; ++i) mqtt::encode(mqtt::Publish{"t", {}, {}, 0, 0, false, false}, Version::v5, burst);
  publisher.give(burst);
  ASSERT_TRUE(bed.one_turn());
  bed.now += milliseconds(2);  // the others' turns were long
  bed.one_turn();
  bed.shard.time_deliveries(bed.now);
  const Histogram latency = bed.stats().delivery_latency;
  ASSERT_GT(latency.count(), before.count());
  EXPECT_EQ(latency.sum_ns - before.sum_ns, (latency.count() - before.count()) * 2'000'000);
}

TEST(Latency, RetainedMessagesAndResentOnesAreNotTimed) {
  Bed bed(with([](auto&) {}));
  Peer publisher(bed);
  publisher.connect({"p"});
  publisher.publish("t", "kept", {.retain = true});
  {
    Peer a(bed);
    a.connect({.id = "a", .clean = true, .expiry_s = 100}).subscribe("t", 1);
    publisher.publish("t", "live", {.qos = 1, .id = 1});
    bed.shard.time_deliveries(bed.now);
    EXPECT_EQ(bed.stats().messages_delivered, 2u);
    EXPECT_EQ(bed.stats().delivery_latency.count(), 1u);
    a.drop();
  }
  Peer again(bed);
  again.connect({.id = "a", .clean = false, .expiry_s = 100});
  bed.shard.time_deliveries(bed.now + milliseconds(1));
  EXPECT_EQ(bed.stats().messages_delivered, 3u);
  EXPECT_EQ(bed.stats().delivery_latency.count(), 1u);
}

TEST(Latency, AcknowledgementsAreTimedByTurns) {
  Bed bed(with([](auto&) {}));
  Peer publisher(bed);
  Peer a(bed);
  publisher.connect({"p"});
  a.connect({"a"}).subscribe("t", 1);
  publisher.publish("t", "1", {.qos = 1, .id = 1});
  bed.advance(milliseconds(7));
  a.ack(PacketType::puback, 1);
  const Stats stats = bed.stats();
  EXPECT_EQ(stats.ack_latency.count(), 1u);
  EXPECT_EQ(stats.ack_latency.sum_ns, 7'000'000u);
}

}  // namespace
}  // namespace shoal::broker
