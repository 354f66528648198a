// Slow readers: what is held back, and that nobody else waits for long.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/shard_harness.hpp"

namespace shoal::broker {
namespace {

// A subscriber with `inflight` 1 that acknowledges nothing: everything behind the first message queues.
struct Backpressure : testing::Test {
  Bed bed{with([](auto& o) {
    o.limits.inflight = 1;
    o.limits.queued_messages = 10;
  })};
  Peer subscriber{bed};
  Peer publisher{bed};

  void SetUp() override {
    subscriber.connect({"subscriber"}).subscribe("t", 1).skip();
    publisher.connect({"publisher"}).skip();
  }

  void publish(std::uint16_t id) { publisher.publish("t", "x", {.qos = 1, .id = id}); }
};

TEST_F(Backpressure, APublisherIntoAFillingQueueIsReadLater) {
  for (std::uint16_t id = 1; id <= 5; ++id) publish(id);  // one in flight, four queued: below half
  EXPECT_EQ(publisher.take().size(), 5u);
  publish(6);  // half full: taken, and that is all for the moment
  EXPECT_EQ(publisher.got(), (std::vector<std::string>{"PUBACK #6"}));
  publish(7);
  publisher.ping();
  EXPECT_TRUE(publisher.got().empty());
  bed.advance(base::milliseconds(1));
  EXPECT_EQ(publisher.got(), (std::vector<std::string>{"PUBACK #7"}));
  bed.advance(base::milliseconds(5));
  EXPECT_EQ(publisher.got(), (std::vector<std::string>{"PINGRESP"}));
}

TEST_F(Backpressure, AFullQueueSlowsNobody) {
  for (std::uint16_t id = 1; id <= 11; ++id) {
    publish(id);
    bed.advance(base::milliseconds(25));
  }
  publisher.skip();
  for (std::uint16_t id = 12; id <= 20; ++id) publish(id);
  EXPECT_EQ(publisher.take().size(), 9u);
  EXPECT_EQ(bed.stats().messages_dropped_queue, 9u);
}

// Many that are connected and acknowledge nothing share what there is for such; who is away has its own.
TEST(BackpressureOfMany, ConnectedOnesShareABoundAndKeepALittle) {
  Bed bed(with([](BrokerOptions& o) {
    o.limits.inflight = 1;
    o.limits.queued_bytes_connected = 96'000;
  }));
  Peer away(bed);
  away.connect({.id = "away", .expiry_s = 60}).subscribe("t", 1).disconnect();
  std::vector<std::unique_ptr<Peer>> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(std::make_unique<Peer>(bed));
    slow.back()->connect({.id = std::to_string(i), .expiry_s = 60}).subscribe("t", 1).skip();
  }
  Peer publisher(bed);
  publisher.connect({"publisher"}).skip();
  const auto publish = [&](std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      EXPECT_EQ(publisher.publish("t", "x", {.qos = 1, .id = 1}).got(), (std::vector<std::string>{"PUBACK #1"}));
      bed.advance(base::milliseconds(25));
    }
  };
  const auto queued = [&](std::string_view id) { return bed.shard.sessions().find(id)->protocol.outbound().queued(); };
  publish(1'000);
  EXPECT_EQ(queued("away"), 1'000u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_GE(queued(std::to_string(i)), 100u);
    EXPECT_LT(queued(std::to_string(i)), 250u);  // 20 of 24 bytes for each of 200 messages
  }
  EXPECT_GT(bed.stats().messages_dropped_queue, 10'000u);

  // Those who go leave their share to the others.
  for (int i = 1; i < 20; ++i) slow[static_cast<std::size_t>(i)]->disconnect();
  publish(500);
  EXPECT_GT(queued("0"), 500u);
  EXPECT_EQ(queued("1"), queued("2"));
  EXPECT_EQ(queued("away"), 1'500u);
}

// The same for what waits for shared subscriptions whose members are there and take nothing.
TEST(BackpressureOfMany, QueuesOfSharedSubscriptionsShareItToo) {
  Bed bed(with([](BrokerOptions& o) {
    o.limits.inflight = 1;
    o.limits.queued_bytes_connected = 64'000;
  }));
  Peer member(bed);
  member.connect({"member"});
  for (int i = 0; i < 50; ++i) member.subscribe("$share/" + std::to_string(i) + "/t", 1);
  Peer away(bed);
  away.connect({.id = "away", .expiry_s = 60}).subscribe("$share/away/t", 1).disconnect();
  Peer publisher(bed);
  publisher.connect({"publisher"}).skip();
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(publisher.publish("t", "x", {.qos = 1, .id = 1}).got(), (std::vector<std::string>{"PUBACK #1"}));
    bed.advance(base::milliseconds(25));
  }
  const std::uint64_t queued = bed.stats().queued_messages_now;
  EXPECT_GE(queued, 50u * 50 + 500);
  EXPECT_LE(bed.shard.budget().connected_entry_bytes_now, 96'000u);  // half as much again
  EXPECT_GE(bed.shard.budget().connected_entry_bytes_now, 64'000u);
  member.disconnect();  // its groups go with it
  EXPECT_EQ(bed.stats().queued_messages_now, 500u);
  EXPECT_EQ(bed.shard.budget().connected_entry_bytes_now, 0u);
  EXPECT_EQ(bed.shard.budget().connected_bytes_now, 0u);
}

// What few bring back with them leaves everybody the little that is theirs, and drops nothing but as much as comes.
TEST(BackpressureOfMany, AFullQueueThatComesBackTakesNothingFromOthers) {
  for (const QueueFull when_full : {QueueFull::drop_new, QueueFull::drop_old}) {
    Bed bed(with([&](BrokerOptions& o) {
      o.limits.queued_bytes_connected = 64'000;
      o.queue_full = when_full;
    }));
    Peer publisher(bed);
    publisher.connect({"publisher"}).skip();
    const auto publish = [&](std::string_view topic, std::string_view payload) {
      publisher.publish(topic, payload, {.qos = 1, .id = 1});
      bed.advance(base::milliseconds(25));
    };
    const auto queued = [&](std::string_view id) {
      return bed.shard.sessions().find(id)->protocol.outbound().queued();
    };
    { Peer(bed).connect({.id = "greedy", .expiry_s = 60}).subscribe("greedy", 1).disconnect(); }
    for (int i = 0; i < 300; ++i) publish("greedy", std::string(1'000, 'x'));
    Peer greedy(bed);
    greedy.connect({.id = "greedy", .clean = false, .expiry_s = 60, .receive_maximum = 1});
    EXPECT_EQ(queued("greedy"), 299u);
    publish("greedy", std::string(1'000, 'y'));
    EXPECT_EQ(queued("greedy"), 299u);  // one for one, or not at all
    EXPECT_EQ(bed.stats().messages_dropped_queue, 1u);
    Peer calm(bed);
    calm.connect({.id = "calm", .receive_maximum = 1}).subscribe("calm", 1).skip();
    for (int i = 0; i < 50; ++i) publish("calm", "x");
    EXPECT_EQ(queued("calm"), 49u);
    EXPECT_EQ(bed.stats().messages_dropped_queue, 1u);
  }
}

TEST(BackpressureOfMany, TheyAreNotFullBeforeTheirPublishersAreSlowed) {
  Bed bed(with([](BrokerOptions& o) {
    o.limits.inflight = 1;
    o.limits.queued_bytes_connected = 15'000;
  }));
  Peer slow(bed);
  slow.connect({"slow"}).subscribe("t", 1).skip();
  Peer publisher(bed);
  publisher.connect({"publisher"}).skip();
  int taken = 0;
  while (!publisher.client().paused()) publisher.publish("t", "x", {.qos = 1, .id = 1}), ++taken;
  EXPECT_GT(taken, 200);
  EXPECT_EQ(bed.stats().messages_dropped_queue, 0u);
}

TEST_F(Backpressure, AnAbsentSubscriberSlowsNobody) {
  Peer away(bed);
  away.connect({.id = "away", .clean = false, .expiry_s = 60}).subscribe("kept", 1).disconnect();
  for (std::uint16_t id = 1; id <= 10; ++id) publisher.publish("kept", "x", {.qos = 1, .id = id});
  EXPECT_EQ(publisher.take().size(), 10u);
}

TEST_F(Backpressure, APublisherThatGoesWhileItWaitsIsForgotten) {
  for (std::uint16_t id = 1; id <= 6; ++id) publish(id);
  publisher.drop();
  bed.advance(base::seconds(1));
  EXPECT_EQ(bed.stats().connections_now, 1u);
}

TEST(Congestion, WhoDoesNotReadAnswersIsNotRead) {
  Bed bed(with([](auto& o) { o.limits.output_bytes = 1000; }));
  Peer peer(bed);
  peer.connect({"deaf"}).skip();
  peer.stall(true);
  for (int i = 0; i < 5000; ++i) peer.ping();
  EXPECT_LE(peer.client().link().out.size(), 2002u);
  EXPECT_GE(peer.client().link().out.size(), 2000u);
  EXPECT_TRUE(peer.client().paused());
  peer.stall(false);
  for (int i = 0; i < 10; ++i) bed.turn();
  EXPECT_EQ(peer.take().size(), 5000u);  // nothing was lost, only late
}

}  // namespace
}  // namespace shoal::broker
