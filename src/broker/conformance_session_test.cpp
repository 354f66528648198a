#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"

// Session state statement by statement: 3.1.2.4, 3.1.2.11.2, 3.14.2.2.2, 4.1, 4.4. `session_test.cpp` has the exact
// times.

namespace shoal::broker {
namespace {

using base::milliseconds;
using base::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using enum PacketType;

constexpr const char* kNew = "CONNACK 0";
constexpr const char* kPresent = "CONNACK 0 present";

/// What a CONNECT as client `c` is answered.
std::vector<std::string> hello(Peer& peer, bool clean, std::optional<std::uint32_t> expiry_s = {}) {
  return peer.connect({.id = "c", .clean = clean, .expiry_s = expiry_s}).got();
}

// Every combination of clean start and session expiry, one connection after the other (MQTT-3.1.2-4, -5, -6, -23).
using Combination = std::tuple<bool, std::uint32_t, bool>;  // first clean, first expiry, second clean
struct CleanStart : testing::TestWithParam<Combination> {};

TEST_P(CleanStart, DecidesWithTheExpiryOfTheConnectionBefore) {
  covers_v5("MQTT-3.1.2-4 MQTT-3.1.2-5 MQTT-3.1.2-6 MQTT-3.1.2-23 MQTT-3.1.4-4 MQTT-3.2.2-2 MQTT-3.2.2-3");
  const auto [first_clean, first_expiry_s, second_clean] = GetParam();
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).skip();
  {
    Peer first(bed);
    EXPECT_THAT(hello(first, first_clean, first_expiry_s), ElementsAre(kNew));
    first.subscribe("t", 1).skip().drop();
  }
  source.publish("t", "kept?", {.qos = 1, .id = 1});
  const bool kept = first_expiry_s != 0 && !second_clean;
  EXPECT_THAT(source.got(), ElementsAre(first_expiry_s != 0 ? "PUBACK #1" : "PUBACK #1 16"));
  Peer second(bed);
  if (kept) EXPECT_THAT(hello(second, second_clean), ElementsAre(kPresent, "PUBLISH t=kept? q1 #1"));
  else EXPECT_THAT(hello(second, second_clean), ElementsAre(kNew));
  source.publish("t", "still subscribed?");
  EXPECT_EQ(second.got().size(), kept ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(All, CleanStart, testing::Combine(testing::Bool(), testing::Values(0u, 50u), testing::Bool()));

TEST(CleanSession, OfBothOlderVersions) {
  covers_v311("MQTT-3.1.2-4 MQTT-3.1.2-5 MQTT-3.1.2-6 MQTT-3.1.4-3");
  for (const Version version : {Version::v3_1, Version::v3_1_1}) {
    for (const bool first_clean : {true, false}) {
      for (const bool second_clean : {true, false}) {
        Bed bed;
        Peer source(bed);
        source.connect({"source"}).skip();
        {
          Peer first(bed, version);
          hello(first, first_clean);
          first.subscribe("t", 1).skip().drop();
        }
        source.publish("t", "kept?", {.qos = 1, .id = 1});
        Peer second(bed, version);
        const auto texts = hello(second, second_clean);
        EXPECT_EQ(texts.size(), !first_clean && !second_clean ? 2u : 1u) << first_clean << second_clean;
      }
    }
  }
}

TEST(SessionVersions, AreOneSessionOfOneClientId) {  // a session belongs to the client id, not to a version (4.1)
  covers_v5("MQTT-4.1.0-1");
  covers_v311("MQTT-4.1.0-1");
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).skip();
  {
    Peer v5(bed);
    hello(v5, true, 100);
    v5.subscribe("t", {.qos = 2, .retain_as_published = true}, 9).skip().drop();
  }
  source.publish("t", "1", {.qos = 2, .id = 1}).ack(pubrel, 1);
  {
    Peer v4(bed, Version::v3_1_1);
    EXPECT_THAT(hello(v4, false), ElementsAre(kPresent, "PUBLISH t=1 q2 #1"));
    EXPECT_THAT(v4.ack(pubrec, 1).got(), ElementsAre("PUBREL #1"));
    v4.drop();
  }
  Peer again(bed);
  EXPECT_THAT(hello(again, false, 100), ElementsAre(kPresent, "PUBREL #1"));
  again.ack(pubcomp, 1).skip();
  source.publish("t", "2");
  const auto packets = again.take();
  ASSERT_EQ(packets.size(), 1u);
  const auto publish = packets[0].as<mqtt::Publish>();
  EXPECT_EQ(publish.properties.number(PropertyId::subscription_identifier), 9u);
}

TEST(SessionState, HoldsSubscriptionsAndBothDirectionsOfQos) {
  covers_v5("MQTT-3.1.2-5 MQTT-4.3.3-5 MQTT-4.3.3-6 MQTT-4.4.0-1 MQTT-4.5.0-1");
  covers_v311("MQTT-3.1.2-4 MQTT-4.1.0-1 MQTT-4.4.0-1 MQTT-4.5.0-1");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    Bed bed;
    Peer source(bed);
    source.connect({"source"}).skip();
    const auto expiry = version == Version::v5 ? std::optional(100u) : std::nullopt;
    {
      Peer peer(bed, version);
      hello(peer, false, expiry);
      peer.subscribe("t/#", 2).publish("up", "x", {.qos = 2, .id = 8}).skip();
      source.publish("t/1", "in flight", {.qos = 1, .id = 1});
      source.publish("t/2", "received", {.qos = 2, .id = 2}).ack(pubrel, 2);
      peer.ack(pubrec, 2).drop();
    }
    source.publish("t/3", "behind", {.qos = 1, .id = 3}).publish("t/0", "not kept");
    Peer peer(bed, version);
    EXPECT_THAT(hello(peer, false, expiry),
                ElementsAre(kPresent, "PUBLISH t/1=in flight q1 #1 dup", "PUBREL #2", "PUBLISH t/3=behind q1 #3"));
    // What came up before is still known: not routed again, and released once.
    EXPECT_THAT(peer.publish("up", "x", {.qos = 2, .id = 8, .dup = true}).got(), ElementsAre("PUBREC #8"));
    EXPECT_THAT(peer.ack(pubrel, 8).got(), ElementsAre("PUBCOMP #8"));
  }
}

TEST(SessionState, EndsWithTheSession) {  // nothing of it is in the next one
  covers_v5("MQTT-3.1.2-4");
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).skip();
  {
    Peer peer(bed);
    hello(peer, true, 100);
    peer.subscribe("t", 2).publish("up", "x", {.qos = 2, .id = 8}).skip();
    source.publish("t", "in flight", {.qos = 1, .id = 1});
    peer.drop();
  }
  source.publish("t", "queued", {.qos = 1, .id = 1}).skip();
  Peer peer(bed);
  EXPECT_THAT(hello(peer, true, 100), ElementsAre(kNew));
  EXPECT_THAT(peer.ack(pubrel, 8).got(), ElementsAre("PUBCOMP #8 0x92"));
  EXPECT_THAT(source.publish("t", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 16"));
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
}

TEST(SessionExpiryEcho, OnlyWhenItIsNotWhatWasAsked) {  // 3.2.2.3.2
  Bed bed(with([](BrokerOptions& o) { o.limits.session_expiry_s = 60; }));
  const auto echoed = [&](std::optional<std::uint32_t> asked) -> std::optional<std::uint32_t> {
    Peer peer(bed);
    const auto packets = peer.connect({.id = "c", .expiry_s = asked}).take();
    const mqtt::Properties told = packets.at(0).as<mqtt::Connack>().properties;
    peer.disconnect();
    if (!told.has(PropertyId::session_expiry_interval)) return {};
    return told.number(PropertyId::session_expiry_interval);
  };
  EXPECT_EQ(echoed({}), std::nullopt);
  EXPECT_EQ(echoed(0), std::nullopt);
  EXPECT_EQ(echoed(60), std::nullopt);
  EXPECT_EQ(echoed(61), 60u);
  EXPECT_EQ(echoed(UINT32_MAX), 60u);
}

struct DisconnectExpiry : testing::Test {
  /// Seconds the session lasts after DISCONNECT with `in_disconnect`, looked at to the second.
  bool lives(std::uint32_t in_connect, std::optional<std::uint32_t> in_disconnect, std::uint32_t after_s) {
    Bed bed;
    Peer peer(bed);
    hello(peer, true, in_connect);
    peer.disconnect(ReasonCode::success, in_disconnect);
    EXPECT_TRUE(peer.closed());
    EXPECT_THAT(peer.got(), IsEmpty());
    bed.advance(seconds(after_s));
    return bed.stats().sessions_now == 1;
  }
};

TEST_F(DisconnectExpiry, AbsentLeavesThatOfConnect) {  // 3.14.2.2.2
  covers_v5("MQTT-3.1.2-23 MQTT-4.1.0-2");
  EXPECT_TRUE(lives(20, {}, 19));
  EXPECT_FALSE(lives(20, {}, 20));
}

TEST_F(DisconnectExpiry, ReplacesThatOfConnectBothWays) {  // 3.14.2.2.2
  covers_v5("MQTT-4.1.0-2");
  EXPECT_TRUE(lives(20, 30, 29));
  EXPECT_FALSE(lives(20, 30, 30));
  EXPECT_TRUE(lives(20, 10, 9));
  EXPECT_FALSE(lives(20, 10, 10));
  EXPECT_FALSE(lives(20, 0, 0));
  EXPECT_FALSE(lives(UINT32_MAX, 5, 5));
}

TEST_F(DisconnectExpiry, ZeroMayBeRepeatedForZero) { EXPECT_FALSE(lives(0, 0, 0)); }

TEST_F(DisconnectExpiry, OfZeroRaisedIsNoValidDisconnect) {  // 3.14.2.2.2: so the will is sent
  covers_v5("MQTT-3.1.2-8 MQTT-3.14.2-2");
  Bed bed;
  Peer watcher(bed);
  watcher.connect({"watcher"}).subscribe("w", 0).skip();
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 0}, Last{"w", "gone"}).skip().disconnect(ReasonCode::success, 1);
  EXPECT_THAT(peer.got(), ElementsAre("DISCONNECT 0x82"));
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH w=gone q0"));
  EXPECT_EQ(bed.stats().sessions_now, 1u);  // the watcher's
}

TEST(SessionTime, StandsStillWhileConnected) {  // 3.1.2.11.2: from the close on
  covers_v5("MQTT-4.1.0-1 MQTT-4.1.0-2");
  Bed bed;
  Peer peer(bed);
  hello(peer, true, 10);
  bed.advance(seconds(1000));
  peer.disconnect();
  bed.advance(seconds(9));
  Peer again(bed);
  EXPECT_THAT(hello(again, false, 10), ElementsAre(kPresent));
  bed.advance(seconds(1000));
  again.drop();
  bed.advance(milliseconds(9'999));
  EXPECT_EQ(bed.stats().sessions_now, 1u);
  bed.advance(milliseconds(1));
  EXPECT_EQ(bed.stats().sessions_now, 0u);
}

TEST(SessionTime, EndsSubscriptionsAndQueueWithIt) {  // until then it is all kept
  covers_v5("MQTT-3.1.2-23 MQTT-4.1.0-2");
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).skip();
  Peer peer(bed);
  hello(peer, true, 10);
  peer.subscribe("t", 1).drop();
  source.publish("t", "x", {.qos = 1, .id = 1});
  EXPECT_EQ(bed.stats().queued_messages_now, 1u);
  bed.advance(seconds(10));
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
}

TEST(TakeOver, TellsTheOlderConnectionWhereItCan) {
  covers_v5("MQTT-3.1.4-3");
  covers_v311("MQTT-3.1.4-2");
  for (const Version older : {Version::v3_1, Version::v3_1_1, Version::v5}) {
    for (const Version newer : {Version::v3_1, Version::v3_1_1, Version::v5}) {
      Bed bed;
      Peer first(bed, older);
      first.connect({"c"}).skip();
      Peer second(bed, newer);
      EXPECT_THAT(second.connect({"c"}).got(), ElementsAre(kNew));
      EXPECT_TRUE(first.closed());
      if (older == Version::v5) EXPECT_THAT(first.got(), ElementsAre("DISCONNECT 0x8e"));
      else EXPECT_THAT(first.got(), IsEmpty());
      EXPECT_EQ(bed.stats().connections_now, 1u);
    }
  }
}

TEST(TakeOver, GoesOnWithWhatWasInFlight) {
  covers_v5("MQTT-3.1.2-5 MQTT-4.4.0-1");
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).skip();
  Peer first(bed);
  hello(first, true, 100);
  first.subscribe("t", 1).skip();
  source.publish("t", "x", {.qos = 1, .id = 1});
  EXPECT_THAT(first.got(), ElementsAre("PUBLISH t=x q1 #1"));
  Peer second(bed);
  EXPECT_THAT(hello(second, false, 100), ElementsAre(kPresent, "PUBLISH t=x q1 #1 dup"));
  Peer third(bed);
  EXPECT_THAT(hello(third, true, 100), ElementsAre(kNew));
}

TEST(TakeOver, ByManyLeavesOne) {
  covers_v5("MQTT-3.1.4-3");
  covers_v311("MQTT-3.1.4-2");
  Bed bed;
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(std::make_unique<Peer>(bed, i % 2 == 0 ? Version::v5 : Version::v3_1_1));
    peers.back()->connect({"c", i % 3 == 0});
  }
  for (std::size_t i = 0; i + 1 < peers.size(); ++i) EXPECT_TRUE(peers[i]->closed());
  EXPECT_FALSE(peers.back()->closed());
  EXPECT_EQ(bed.stats().sessions_now, 1u);
}

TEST(KeepAliveOfEachVersion, OneAndAHalfTimesThenTheWill) {
  covers_v5("MQTT-3.1.2-22");
  covers_v311("MQTT-3.1.2-24");
  for (const Version version : {Version::v3_1, Version::v3_1_1, Version::v5}) {
    Bed bed;
    Peer watcher(bed);
    watcher.connect({"watcher"}).subscribe("w", 0).skip();
    Peer peer(bed, version);
    peer.connect({.id = "c", .keep_alive_s = 3}, Last{"w", "gone"}).skip();
    bed.advance(milliseconds(4'499));
    EXPECT_FALSE(peer.closed());
    bed.advance(milliseconds(1));
    EXPECT_TRUE(peer.closed());
    if (version == Version::v5) EXPECT_THAT(peer.got(), ElementsAre("DISCONNECT 0x8d"));
    else EXPECT_THAT(peer.got(), IsEmpty());
    EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH w=gone q0"));
  }
}

TEST(KeepAliveOfEachVersion, TheLongestIsMoreThan18Hours) {  // 3.1.2.10
  covers_v5("MQTT-3.1.2-22");
  covers_v311("MQTT-3.1.2-24");
  Bed bed;
  Peer peer(bed);
  peer.connect({.id = "c", .keep_alive_s = UINT16_MAX});
  bed.advance(milliseconds(UINT16_MAX * 1500 - 1));
  EXPECT_FALSE(peer.closed());
  bed.advance(milliseconds(1));
  EXPECT_TRUE(peer.closed());
}

}  // namespace
}  // namespace shoal::broker
