#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"

// How long things live: session expiry, message expiry, keep-alive.

namespace shoal::broker {
namespace {

using base::milliseconds;
using base::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// Whether client `c` still has a session; it has one of the same expiry afterwards or none.
bool present(Bed& bed, std::uint32_t expiry_s = 0) {
  Peer peer(bed);
  const auto texts = peer.connect({.id = "c", .clean = false, .expiry_s = expiry_s}).got();
  peer.disconnect();
  return texts == std::vector<std::string>{"CONNACK 0 present"};
}

TEST(SessionExpiry, ToTheSecond) {
  covers_v5("MQTT-3.1.2-23 MQTT-4.1.0-1 MQTT-4.1.0-2");
  Bed bed;
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 10});
  bed.advance(seconds(100));  // counts from the end of the connection
  peer.drop();
  bed.advance(milliseconds(9'999));
  EXPECT_TRUE(present(bed, 10));
  bed.advance(seconds(10));
  EXPECT_EQ(bed.stats().sessions_now, 0u);
  EXPECT_FALSE(present(bed));
}

TEST(SessionExpiry, IsOverAlsoWhenItsEndWaits) {  // as after a restart, when many have expired meanwhile
  Bed bed;
  Peer first(bed);
  first.connect({.id = "c", .clean = false, .expiry_s = 2}).drop();
  bed.now += seconds(2);  // no deadline has been looked at yet
  Peer second(bed);
  EXPECT_THAT(second.connect({.id = "c", .clean = false, .expiry_s = 2}).got(), ElementsAre("CONNACK 0"));
}

TEST(SessionExpiry, ZeroEndsWithTheConnection) {  // 3.1.2.11.2
  covers_v5("MQTT-4.1.0-2");
  Bed bed;
  Peer peer(bed);
  peer.connect({"c"}).subscribe("t", 1).drop();
  EXPECT_EQ(bed.stats().sessions_now, 0u);
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
}

TEST(SessionExpiry, NeverWhenTheLimitSaysSo) {
  Bed bed(with([](BrokerOptions& o) { o.limits.session_expiry_s = UINT32_MAX; }));
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = UINT32_MAX}).drop();
  bed.advance(std::chrono::hours(24 * 365 * 100));
  EXPECT_TRUE(present(bed));
}

TEST(SessionExpiry, OfEarlierVersionsIsTheLimit) {
  covers_v311("MQTT-3.1.2-4 MQTT-4.1.0-1 MQTT-4.1.0-2");
  Bed bed(with([](BrokerOptions& o) { o.limits.session_expiry_s = 60; }));
  Peer peer(bed, Version::v3_1_1);
  peer.connect({"c", false});
  bed.advance(seconds(100));  // counts from the end of the connection
  EXPECT_EQ(bed.stats().sessions_now, 1u);
  peer.disconnect();
  bed.advance(milliseconds(59'999));
  EXPECT_EQ(bed.stats().sessions_now, 1u);
  bed.advance(milliseconds(1));
  EXPECT_EQ(bed.stats().sessions_now, 0u);
}

TEST(SessionExpiry, ChangedByDisconnect) {  // 3.14.2.2.2
  Bed bed(with([](BrokerOptions& o) { o.limits.session_expiry_s = 60; }));
  const auto left_after = [&](std::uint32_t connect_s, std::uint32_t disconnect_s) {
    Peer peer(bed);
    peer.connect({.id = "c", .expiry_s = connect_s}).disconnect(ReasonCode::success, disconnect_s);
    unsigned left_s = 0;
    for (; bed.stats().sessions_now != 0; ++left_s) bed.advance(seconds(1));
    return left_s;
  };
  EXPECT_EQ(left_after(10, 20), 20u);
  EXPECT_EQ(left_after(20, 10), 10u);
  EXPECT_EQ(left_after(10, 0), 0u);
  EXPECT_EQ(left_after(10, 100), 60u);  // the limit holds here too
}

TEST(SessionExpiry, OfZeroCannotBeRaisedByDisconnect) {  // 3.14.2.2.2: protocol error
  Bed bed;
  Peer watcher(bed);
  watcher.connect({"watcher"}).subscribe("will", 0).skip();
  Peer peer(bed);
  peer.connect({"c"}, Last{"will", "gone"}).skip();
  EXPECT_THAT(peer.disconnect(ReasonCode::success, 10).got(), ElementsAre("DISCONNECT 0x82"));
  EXPECT_EQ(bed.stats().sessions_now, 1u);
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH will=gone q0"));  // the DISCONNECT did not count
}

TEST(SessionExpiry, LoweredToZeroByTheServerIsNotTheClientsZero) {  // 3.14.2.2.2 speaks of the CONNECT
  Bed bed(with([](BrokerOptions& o) { o.limits.session_expiry_s = 0; }));
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 100}).skip();
  EXPECT_THAT(peer.disconnect(ReasonCode::success, 100).got(), IsEmpty());
  EXPECT_TRUE(peer.closed());
}

TEST(SessionExpiry, IsThatOfTheLastConnection) {
  Bed bed;
  Peer first(bed);
  first.connect({.id = "c", .expiry_s = 10}).drop();
  bed.advance(seconds(9));
  Peer second(bed);
  second.connect({.id = "c", .clean = false, .expiry_s = 100});
  bed.advance(seconds(9));
  second.drop();
  bed.advance(seconds(99));
  EXPECT_TRUE(present(bed));
}

struct MessageExpiry : testing::Test {
  MessageExpiry() { source.connect({"source"}).skip(); }
  void publish(std::string_view payload, std::uint32_t expiry_s, bool retain = false) {
    How how{.qos = 1, .id = 1, .retain = retain};
    how.properties.number(PropertyId::message_expiry_interval, expiry_s);
    source.publish("t", payload, how);
  }
  // What is left of the PUBLISH that is the last of `packets`.
  static std::uint32_t left(const std::vector<Sent>& packets) {
    return packets.back().as<mqtt::Publish>().properties.number(PropertyId::message_expiry_interval);
  }
  Bed bed;
  Peer source{bed};
};

TEST_F(MessageExpiry, IsReducedByTheTimeInTheQueue) {
  covers_v5("MQTT-3.3.2-5 MQTT-3.3.2-6");
  Peer first(bed);
  first.connect({.id = "c", .expiry_s = 1000}).subscribe("t", 1).drop();
  publish("short", 5);
  publish("long", 60);
  bed.advance(seconds(5));
  Peer second(bed);
  const auto packets = second.connect({.id = "c", .clean = false, .expiry_s = 1000}).take();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[1].text(), "PUBLISH t=long q1 #2");
  EXPECT_EQ(left(packets), 55u);
  EXPECT_EQ(bed.stats().messages_expired, 1u);
}

TEST_F(MessageExpiry, PassesUnchangedWithoutWaiting) {
  Peer peer(bed);
  peer.connect({"c"}).subscribe("t", 0).skip();
  publish("x", 5);
  const auto packets = peer.take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(left(packets), 5u);
}

TEST_F(MessageExpiry, OfRetainedMessages) {  // 3.3.2.3.3
  covers_v5("MQTT-3.3.2-6");
  publish("x", 10, true);
  bed.advance(seconds(4));
  Peer in_time(bed);
  in_time.connect({"a"}).subscribe("t", 0);
  EXPECT_EQ(left(in_time.take()), 6u);
  bed.advance(seconds(6));
  Peer late(bed);
  EXPECT_THAT(late.connect({"b"}).subscribe("t", 0).got(), ElementsAre("CONNACK 0", "SUBACK #1 0"));
}

TEST(KeepAlive, OneAndAHalfTimes) {  // MQTT-3.1.2-22 (3.1.1: -24)
  covers_v5("MQTT-3.1.2-22 MQTT-3.2.2-22");
  covers_v311("MQTT-3.1.2-24");
  Bed bed;
  Peer v5(bed);
  v5.connect({.id = "a", .keep_alive_s = 10}).skip();
  Peer v4(bed, Version::v3_1_1);
  v4.connect({.id = "b", .keep_alive_s = 10}).skip();
  bed.advance(milliseconds(14'999));
  EXPECT_FALSE(v5.closed() || v4.closed());
  bed.advance(milliseconds(1));
  EXPECT_THAT(v5.got(), ElementsAre("DISCONNECT 0x8d"));
  EXPECT_THAT(v4.got(), IsEmpty());
  EXPECT_TRUE(v5.closed() && v4.closed());
}

TEST(KeepAlive, EveryPacketCounts) {
  Bed bed;
  Peer peer(bed);
  peer.connect({.id = "a", .keep_alive_s = 10});
  for (int i = 0; i < 5; ++i) {
    bed.advance(seconds(14));
    peer.ping();
    bed.advance(seconds(14));
    peer.publish("t", "x");
  }
  EXPECT_FALSE(peer.closed());
}

TEST(KeepAlive, BytesThatMakeNoPacketDoNot) {  // MQTT-3.1.2-22: a control packet has to come
  covers_v5("MQTT-3.1.2-22");
  Bed bed;
  Peer peer(bed);
  peer.connect({.id = "a", .keep_alive_s = 10});
  peer.raw({0x30, 100});
  for (int i = 0; i < 3; ++i) {
    bed.advance(seconds(5));
    if (!peer.closed()) peer.raw({0});
  }
  EXPECT_TRUE(peer.closed());
}

TEST(KeepAlive, WhatTheServerSendsDoesNotCount) {
  Bed bed;
  Peer peer(bed);
  peer.connect({.id = "a", .keep_alive_s = 10}).subscribe("t", 0).skip();
  Peer source(bed);
  source.connect({"source"});
  for (int i = 0; i < 3; ++i) {
    source.publish("t", "x");
    bed.advance(seconds(5));
  }
  EXPECT_TRUE(peer.closed());
}

TEST(KeepAlive, ZeroIsNever) {  // 3.1.2.10
  Bed bed;
  Peer peer(bed);
  peer.connect({"a"});
  bed.advance(seconds(1'000'000));
  EXPECT_FALSE(peer.closed());
}

TEST(KeepAlive, OfTheServer) {  // MQTT-3.2.2-21; earlier versions cannot be told
  Bed bed(with([](BrokerOptions& o) { o.limits.keep_alive_max_s = 10; }));
  Peer v5(bed);
  v5.connect({.id = "a", .keep_alive_s = 1000});
  Peer zero(bed);
  zero.connect({.id = "b", .keep_alive_s = 0});
  Peer v4(bed, Version::v3_1_1);
  v4.connect({.id = "c", .keep_alive_s = 1000});
  bed.advance(seconds(15));
  EXPECT_TRUE(v5.closed() && zero.closed());
  EXPECT_FALSE(v4.closed());
}

TEST(KeepAlive, Ping) {
  covers_v5("MQTT-3.12.4-1");
  covers_v311("MQTT-3.12.4-1");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    Bed bed;
    Peer peer(bed, version);
    EXPECT_THAT(peer.connect({"a"}).ping().got(), ElementsAre("CONNACK 0", "PINGRESP"));
  }
}

}  // namespace
}  // namespace shoal::broker
