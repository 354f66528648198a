#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// What both standards demand of every connection while messages flow: retained messages, PINGREQ, the send quota (4.9),
// expiry of what is in flight, refusals. One scenario for every version wherever there is a statement in both.

namespace shoal::broker {
namespace {

using base::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using enum PacketType;

struct Flow : testing::TestWithParam<Version> {
  bool v5() const { return GetParam() == Version::v5; }
  Hello kept(std::string_view id) const {
    return {.id = id, .clean = false, .expiry_s = v5() ? std::optional(1000u) : std::nullopt};
  }
  Bed bed;
};

TEST_P(Flow, PingIsAnswered) {
  covers_v5("MQTT-3.12.4-1");
  covers_v311("MQTT-3.12.4-1");
  Peer peer(bed, GetParam());
  EXPECT_THAT(peer.connect({"c"}).skip().ping().ping().got(), ElementsAre("PINGRESP", "PINGRESP"));
}

TEST_P(Flow, ReservedAcknowledgeFlagsAreZero) {
  covers_v5("MQTT-3.2.2-1");
  for (int i = 0; i < 2; ++i) {
    Peer peer(bed, GetParam());
    const auto packets = peer.connect(kept("c")).take();
    ASSERT_EQ(packets.size(), 1u);
    const std::size_t flags = packets[0].bytes[1] < 0x80 ? 2 : 3;
    EXPECT_EQ(packets[0].bytes[flags], i == 1 && GetParam() != Version::v3_1 ? 1 : 0);
    peer.drop();
  }
}

TEST_P(Flow, NothingBehindARefusedConnectIsProcessed) {
  covers_v5("MQTT-3.1.4-6");
  covers_v311("MQTT-3.1.4-5");
  Peer watcher(bed);
  watcher.connect({"watcher"}).subscribe("#", 0).skip();
  bed.authority.decision = auth::Decision::refused;
  std::vector<std::uint8_t> bytes;
  mqtt::Connect connect;
  connect.version = GetParam();
  connect.client_id = "c";
  mqtt::encode(connect, GetParam(), bytes);
  mqtt::encode(mqtt::Publish{.topic = "t", .payload = {}, .properties = {}, .retain = true}, GetParam(), bytes);
  Peer peer(bed, GetParam());
  EXPECT_THAT(peer.raw(bytes).got(), ElementsAre(v5() ? "CONNACK 0x86" : "CONNACK 4"));
  EXPECT_TRUE(peer.closed());
  EXPECT_THAT(watcher.got(), IsEmpty());
  EXPECT_EQ(bed.stats().retained_now, 0u);
}

TEST_P(Flow, ASessionLastsAsLongAsItsConnection) {
  covers_v5("MQTT-4.1.0-1");
  covers_v311("MQTT-4.1.0-2");
  Peer peer(bed, GetParam());
  peer.connect({"c"}).subscribe("t", 0).skip();
  bed.advance(std::chrono::hours(24 * 365));
  EXPECT_THAT(peer.publish("t", "x").got(), ElementsAre("PUBLISH t=x q0"));
}

TEST_P(Flow, RetainedMessagesAreKeptWithTheirQos) {
  covers_v5("MQTT-3.3.1-5 MQTT-3.3.1-8");
  covers_v311("MQTT-3.3.1-5 MQTT-3.3.1-6 MQTT-3.3.1-7 MQTT-3.3.1-8 MQTT-3.3.1-12 MQTT-3.1.2-7");
  Peer source(bed, GetParam());
  source.connect({"source"}).publish("a", "1", {.qos = 2, .id = 1, .retain = true}).ack(pubrel, 1);
  source.publish("a", "not kept", {.qos = 1, .id = 1});
  source.publish("b", "2", {.qos = 1, .id = 2, .retain = true}).publish("b", "3", {.retain = true}).disconnect();
  Peer peer(bed, GetParam());
  EXPECT_THAT(peer.connect({"c"}).skip().subscribe("a", 2).subscribe("b", 2).got(),
              ElementsAre("SUBACK #1 2", "PUBLISH a=1 q2 #1 retain", "SUBACK #1 2", "PUBLISH b=3 q0 retain"));
}

TEST_P(Flow, RetainedMessagesAreClearedByAnEmptyOne) {
  covers_v5("MQTT-3.3.1-6 MQTT-3.3.1-7 MQTT-3.3.1-12");
  covers_v311("MQTT-3.3.1-9 MQTT-3.3.1-10 MQTT-3.3.1-11");
  Peer peer(bed, GetParam());
  peer.connect({"c"}).subscribe("t", 1).skip();
  peer.publish("t", "x", {.retain = true}).publish("t", "", {.qos = 1, .id = 1, .retain = true});
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=x q0", "PUBLISH t= q1 #1", "PUBACK #1"));
  EXPECT_THAT(peer.subscribe("t", 1).got(), ElementsAre("SUBACK #1 1"));
}

TEST_P(Flow, AtQos0DupIsNeverSet) {  // also where a repeated QoS 1 message comes down to it
  covers_v5("MQTT-3.3.1-2 MQTT-3.3.1-3 MQTT-4.3.1-1");
  covers_v311("MQTT-3.3.1-2 MQTT-3.3.1-3 MQTT-4.3.1-1");
  Peer peer(bed, GetParam());
  peer.connect({"c"}).subscribe("t", 0).skip();
  peer.publish("t", "0")
      .publish("t", "1", {.qos = 1, .id = 1, .dup = true})
      .publish("t", "2", {.qos = 2, .id = 2, .dup = true});
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=0 q0", "PUBLISH t=1 q0", "PUBACK #1", "PUBLISH t=2 q0", "PUBREC #2"));
}

TEST_P(Flow, AFullWindowHoldsUpNothingButPublish) {
  covers_v5("MQTT-3.3.4-9 MQTT-3.3.4-10 MQTT-4.9.0-1 MQTT-4.9.0-2 MQTT-4.9.0-3");
  // Before 5.0 clients cannot tell a receive maximum: the instance's own window does the same.
  Bed narrow(with([&](BrokerOptions& o) { o.limits.inflight = v5() ? 100 : 2; }));
  Peer source(narrow);
  source.connect({"source"}).skip();
  Peer peer(narrow, GetParam());
  Hello hello{"c"};
  if (v5()) hello.receive_maximum = 2;
  peer.connect(hello).subscribe("t", 2).skip();
  for (std::uint16_t id = 1; id <= 4; ++id) source.publish("t", "x", {.qos = 2, .id = id}).ack(pubrel, id);
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=x q2 #1", "PUBLISH t=x q2 #2"));
  EXPECT_THAT(peer.ack(pubrec, 1).ping().got(), ElementsAre("PUBREL #1", "PINGRESP"));
  EXPECT_THAT(peer.subscribe("u", 0).got(), ElementsAre("SUBACK #1 0"));
  EXPECT_THAT(peer.publish("u", "x", {.qos = 2, .id = 2}).ack(pubrel, 2).got(),
              ElementsAre("PUBLISH u=x q0", "PUBREC #2", "PUBCOMP #2"));
  source.publish("t", "at QoS 0");
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=at QoS 0 q0"));
  EXPECT_THAT(peer.ack(pubcomp, 1).got(), ElementsAre("PUBLISH t=x q2 #3"));
}

TEST_P(Flow, NothingIsSentAgainWhileTheConnectionLasts) {
  covers_v5("MQTT-4.4.0-1");
  covers_v311("MQTT-4.4.0-1");
  Peer source(bed);
  source.connect({"source"}).skip();
  Peer peer(bed, GetParam());
  peer.connect(kept("c")).subscribe("t", 2).skip();
  source.publish("t", "x", {.qos = 1, .id = 1}).publish("t", "y", {.qos = 2, .id = 2}).ack(pubrel, 2);
  peer.ack(pubrec, 2).skip();
  bed.advance(std::chrono::hours(24));
  EXPECT_THAT(peer.got(), IsEmpty());
  peer.drop();
  Peer again(bed, GetParam());
  EXPECT_THAT(again.connect(kept("c")).got(), Contains("PUBLISH t=x q1 #1 dup"));
}

TEST_P(Flow, IdentifiersInFlightAreNotGivenToOthers) {
  covers_v5("MQTT-2.2.1-4 MQTT-4.3.2-1 MQTT-4.3.2-2 MQTT-4.3.3-1 MQTT-4.3.3-2");
  covers_v311("MQTT-2.3.1-4 MQTT-4.3.2-1 MQTT-4.3.3-1");
  Peer source(bed);
  source.connect({"source"}).skip();
  Peer peer(bed, GetParam());
  peer.connect({"c"}).subscribe("t", 2).skip();
  source.publish("t", "stays", {.qos = 1, .id = 1});
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=stays q1 #1"));
  for (int i = 0; i < 1000; ++i) {
    source.publish("t", "x", {.qos = 1, .id = 1});
    const auto packets = peer.take();
    ASSERT_EQ(packets.size(), 1u);
    const auto packet = packets[0].as<mqtt::Publish>();
    ASSERT_GT(packet.id, 1);
    ASSERT_FALSE(packet.dup);
    peer.ack(puback, packet.id);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, Flow, testing::Values(Version::v3_1, Version::v3_1_1, Version::v5));

TEST(InFlight, Qos2DoesNotExpire) {
  covers_v5("MQTT-4.3.3-7 MQTT-4.3.3-3");
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).skip();
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 1000}).subscribe("t", 2).skip();
  How how{.qos = 2, .id = 1};
  how.properties.number(PropertyId::message_expiry_interval, 5);
  source.publish("t", "x", how);
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=x q2 #1"));
  bed.advance(seconds(10));
  peer.drop();
  Peer again(bed);
  again.connect({.id = "c", .clean = false, .expiry_s = 1000});
  EXPECT_THAT(again.got(), ElementsAre("CONNACK 0 present", "PUBLISH t=x q2 #1 dup"));
  EXPECT_THAT(again.ack(pubrec, 1).got(), ElementsAre("PUBREL #1"));
}

TEST(InFlight, AReceivedQos2FlowGoesOnAfterItsExpiry) {
  covers_v5("MQTT-4.3.3-13");
  Bed bed;
  Peer peer(bed);
  peer.connect({"c"}).skip();
  How how{.qos = 2, .id = 1};
  how.properties.number(PropertyId::message_expiry_interval, 5);
  EXPECT_THAT(peer.publish("t", "x", how).got(), ElementsAre("PUBREC #1 16"));
  bed.advance(seconds(10));
  how.dup = true;
  EXPECT_THAT(peer.publish("t", "x", how).got(), ElementsAre("PUBREC #1"));
  EXPECT_THAT(peer.ack(pubrel, 1).got(), ElementsAre("PUBCOMP #1"));
}

TEST(AliasMaximum, OfZeroAllowsNone) {
  covers_v5("MQTT-3.2.2-18 MQTT-3.2.2-17");
  Bed bed(with([](BrokerOptions& o) { o.limits.topic_aliases = 0; }));
  Peer peer(bed);
  const auto packets = peer.connect({"c"}).take();
  EXPECT_FALSE(packets.at(0).as<mqtt::Connack>().properties.has(PropertyId::topic_alias_maximum));
  How how;
  how.properties.number(PropertyId::topic_alias, 1);
  EXPECT_THAT(peer.publish("t", "x", how).got(), ElementsAre("DISCONNECT 0x94"));
}

TEST(AliasMaximum, EveryAliasUpToItIsTaken) {
  covers_v5("MQTT-3.3.2-12 MQTT-3.3.2-9");
  Bed bed;
  Peer peer(bed);
  const auto packets = peer.connect({"c"}).take();
  const std::uint32_t maximum = packets.at(0).as<mqtt::Connack>().properties.number(PropertyId::topic_alias_maximum);
  ASSERT_GT(maximum, 0u);
  peer.subscribe("#", 0).skip();
  const auto with_alias = [](std::uint32_t alias) {
    How how;
    how.properties.number(PropertyId::topic_alias, alias);
    return how;
  };
  for (std::uint32_t alias = 1; alias <= maximum; ++alias)
    peer.publish("t/" + std::to_string(alias), "x", with_alias(alias));
  peer.skip();
  for (std::uint32_t alias = maximum; alias > 0; --alias) {
    EXPECT_THAT(peer.publish("", "x", with_alias(alias)).got(),
                ElementsAre("PUBLISH t/" + std::to_string(alias) + "=x q0"));
  }
  EXPECT_THAT(peer.publish("t", "x", with_alias(maximum + 1)).got(), ElementsAre("DISCONNECT 0x94"));
}

TEST(Refusal, OfA311PublishEndsTheConnection) {  // what 5.0 says in PUBACK and PUBREC
  covers_v311("MQTT-3.3.5-2 MQTT-4.8.0-2");
  Bed bed(with([](BrokerOptions& o) { o.limits.retained_messages = 0; }));
  for (const std::uint8_t qos : {1, 2}) {
    Peer old(bed, Version::v3_1_1);
    old.connect({"old"}).skip().publish("t", "x", {.qos = qos, .id = 1, .retain = true});
    EXPECT_TRUE(old.closed());
    EXPECT_THAT(old.got(), IsEmpty());
    Peer now(bed);
    now.connect({"now"}).skip().publish("t", "x", {.qos = qos, .id = 1, .retain = true});
    EXPECT_THAT(now.got(), ElementsAre(qos == 1 ? "PUBACK #1 0x97" : "PUBREC #1 0x97"));
    EXPECT_FALSE(now.closed());
  }
}

}  // namespace
}  // namespace shoal::broker
