#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"

// Messages from clients: QoS flows towards the server (4.3), receive maximum (4.9), topic aliases.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr ReasonCode kNotFound = ReasonCode::packet_identifier_not_found;

struct ReceiveFlow : testing::TestWithParam<Version> {
  ReceiveFlow() {
    watcher.connect({"watcher"}).subscribe("t/#", 0).skip();
    peer.connect({"peer"}).skip();
  }
  bool v5() const { return GetParam() == Version::v5; }

  Bed bed{with([](BrokerOptions& o) { o.limits.receive_maximum = 2; })};
  Peer watcher{bed};
  Peer peer{bed, GetParam()};
};

TEST_P(ReceiveFlow, Qos0IsNotAnswered) {
  covers_v5("MQTT-3.3.4-1");
  covers_v311("MQTT-3.3.4-1");
  EXPECT_THAT(peer.publish("t/a", "x").got(), IsEmpty());
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH t/a=x q0"));
}

TEST_P(ReceiveFlow, Qos1) {  // MQTT-4.3.2-3, -4: every PUBLISH is a new message, DUP or not
  covers_v5("MQTT-2.2.1-5 MQTT-3.3.4-1 MQTT-4.3.2-4 MQTT-4.3.2-5");
  covers_v311("MQTT-2.3.1-6 MQTT-3.3.4-1 MQTT-4.3.2-2");
  EXPECT_THAT(peer.publish("t/a", "x", {.qos = 1, .id = 7}).got(), ElementsAre("PUBACK #7"));
  EXPECT_THAT(peer.publish("t/a", "x", {.qos = 1, .id = 7, .dup = true}).got(), ElementsAre("PUBACK #7"));
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH t/a=x q0", "PUBLISH t/a=x q0"));
}

TEST_P(ReceiveFlow, Qos2) {
  covers_v5("MQTT-2.2.1-5 MQTT-3.3.4-1 MQTT-4.3.3-8 MQTT-4.3.3-10 MQTT-4.3.3-11 MQTT-4.3.3-12");
  covers_v311("MQTT-2.3.1-6 MQTT-3.3.4-1 MQTT-4.3.3-2");
  EXPECT_THAT(peer.publish("t/a", "x", {.qos = 2, .id = 7}).got(), ElementsAre("PUBREC #7"));
  EXPECT_THAT(peer.publish("t/a", "x", {.qos = 2, .id = 7, .dup = true}).got(), ElementsAre("PUBREC #7"));
  EXPECT_THAT(peer.ack(PacketType::pubrel, 7).got(), ElementsAre("PUBCOMP #7"));
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH t/a=x q0"));
  // The identifier is free again: the same PUBLISH is another message (MQTT-4.3.3-12).
  EXPECT_THAT(peer.publish("t/a", "x", {.qos = 2, .id = 7}).got(), ElementsAre("PUBREC #7"));
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH t/a=x q0"));
}

TEST_P(ReceiveFlow, PubrelOfAnUnknownIdentifier) {
  covers_v5("MQTT-3.7.2-1");
  EXPECT_THAT(peer.ack(PacketType::pubrel, 9).got(), ElementsAre(v5() ? "PUBCOMP #9 0x92" : "PUBCOMP #9"));
  EXPECT_FALSE(peer.closed());
}

TEST_P(ReceiveFlow, AcksComeInTheOrderOfTheMessages) {
  covers_v5("MQTT-4.6.0-2 MQTT-4.6.0-3 MQTT-4.6.0-5 MQTT-4.6.0-6");
  covers_v311("MQTT-4.6.0-2 MQTT-4.6.0-3 MQTT-4.6.0-5 MQTT-4.6.0-6");
  peer.publish("t/a", "1", {.qos = 2, .id = 2}).publish("t/a", "2", {.qos = 1, .id = 9});
  peer.publish("t/a", "3", {.qos = 2, .id = 1}).publish("t/a", "4", {.qos = 1, .id = 3});
  EXPECT_THAT(peer.got(), ElementsAre("PUBREC #2", "PUBACK #9", "PUBREC #1", "PUBACK #3"));
  EXPECT_THAT(watcher.got(),
              ElementsAre("PUBLISH t/a=1 q0", "PUBLISH t/a=2 q0", "PUBLISH t/a=3 q0", "PUBLISH t/a=4 q0"));
}

TEST_P(ReceiveFlow, ReceiveMaximum) {
  covers_v5("MQTT-3.3.4-7");
  peer.publish("t/a", "1", {.qos = 2, .id = 1}).publish("t/a", "2", {.qos = 2, .id = 2}).skip();
  // Acknowledged already, so they do not count; neither does a repetition, nor one that was completed.
  for (int i = 0; i < 5; ++i) peer.publish("t/a", "q1", {.qos = 1, .id = 5});
  peer.publish("t/a", "1", {.qos = 2, .id = 1, .dup = true}).ack(PacketType::pubrel, 2);
  EXPECT_FALSE(peer.publish("t/a", "3", {.qos = 2, .id = 3}).skip().closed());
  EXPECT_TRUE(peer.publish("t/a", "4", {.qos = 2, .id = 4}).closed());
  EXPECT_THAT(peer.got(), v5() ? std::vector<std::string>{"DISCONNECT 0x93"} : std::vector<std::string>{});
}

INSTANTIATE_TEST_SUITE_P(Versions, ReceiveFlow, testing::Values(Version::v3_1, Version::v3_1_1, Version::v5));

TEST(ReceiveFlowResumed, Qos2MessageIsTakenOnceOverTwoConnections) {
  covers_v5("MQTT-4.3.3-10");
  covers_v311("MQTT-4.3.3-2");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    Bed bed;
    Peer watcher(bed);
    watcher.connect({"watcher"}).subscribe("t", 0).skip();
    Peer first(bed, version);
    first.connect({.id = "c", .clean = false, .expiry_s = version == Version::v5 ? std::optional(100u) : std::nullopt});
    first.publish("t", "x", {.qos = 2, .id = 1}).drop();
    Peer second(bed, version);
    second.connect({"c", false}).skip();
    EXPECT_THAT(second.publish("t", "x", {.qos = 2, .id = 1, .dup = true}).got(), ElementsAre("PUBREC #1"));
    EXPECT_THAT(second.ack(PacketType::pubrel, 1).got(), ElementsAre("PUBCOMP #1"));
    EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH t=x q0"));
  }
}

TEST(ReceiveFlowResumed, ACleanStartForgetsIt) {
  covers_v5("MQTT-3.1.2-4");
  Bed bed;
  Peer watcher(bed);
  watcher.connect({"watcher"}).subscribe("t", 0).skip();
  Peer first(bed);
  first.connect({.id = "c", .expiry_s = 100}).publish("t", "x", {.qos = 2, .id = 1}).drop();
  Peer second(bed);
  second.connect({"c", true}).skip();
  EXPECT_THAT(second.ack(PacketType::pubrel, 1, kNotFound).got(), ElementsAre("PUBCOMP #1 0x92"));
  second.publish("t", "y", {.qos = 2, .id = 1});
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH t=x q0", "PUBLISH t=y q0"));
}

TEST(ReceiveFlowCodes, NoMatchingSubscribers) {  // 3.4.2.1, 3.5.2.1: 0x10
  covers_v5("MQTT-3.4.2-1 MQTT-3.5.2-1");
  Bed bed;
  Peer peer(bed);
  peer.connect({"c"}).skip();
  EXPECT_THAT(peer.publish("t", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 16"));
  EXPECT_THAT(peer.publish("t", "x", {.qos = 2, .id = 2}).got(), ElementsAre("PUBREC #2 16"));
  EXPECT_THAT(peer.ack(PacketType::pubrel, 2).got(), ElementsAre("PUBCOMP #2"));
}

TEST(ReceiveFlowCodes, TopicBeyondTheLimits) {  // MQTT-3.3.5: 0x90
  covers_v5("MQTT-4.3.3-9");
  covers_v311("MQTT-3.3.5-2");
  Bed bed(with([](BrokerOptions& o) {
    o.limits.topic_levels = 3;
    o.limits.topic_bytes = 10;
  }));
  for (const char* topic : {"a/b/c/d", "12345678901"}) {
    Peer peer(bed);
    peer.connect({"c"}).skip();
    EXPECT_THAT(peer.publish(topic, "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 0x90"));
    EXPECT_THAT(peer.publish(topic, "x", {.qos = 2, .id = 2}).got(), ElementsAre("PUBREC #2 0x90"));
    // The refusal ended the flow: the identifier is free (4.3.3).
    EXPECT_THAT(peer.ack(PacketType::pubrel, 2).got(), ElementsAre("PUBCOMP #2 0x92"));
    Peer old(bed, Version::v3_1_1);
    EXPECT_TRUE(old.connect({"d"}).publish(topic, "x", {.qos = 1, .id = 1}).closed());
  }
}

TEST(ReceiveFlowCodes, PayloadThatIsNotWhatItSays) {  // 3.3.2.3.2: 0x99
  Bed bed;
  Peer peer(bed);
  peer.connect({"c"}).subscribe("t", 0).skip();
  mqtt::PropertyWriter utf8;
  utf8.number(PropertyId::payload_format_indicator, 1);
  EXPECT_THAT(peer.publish("t", "\xc3\x28", {.qos = 1, .id = 1, .properties = utf8}).got(),
              ElementsAre("PUBACK #1 0x99"));
  EXPECT_THAT(peer.publish("t", "\xc3\x28", {.qos = 2, .id = 2, .properties = utf8}).got(),
              ElementsAre("PUBREC #2 0x99"));
  EXPECT_THAT(peer.publish("t", "\xc3\xa4", {.properties = utf8}).got(), ElementsAre("PUBLISH t=\xc3\xa4 q0"));
  EXPECT_THAT(peer.publish("t", "\xc3\x28", {.properties = utf8}).got(), ElementsAre("DISCONNECT 0x99"));
}

TEST(ReceiveFlowExpiry, AFlowIsCompletedWhateverBecameOfItsMessage) {
  covers_v5("MQTT-4.3.3-13");
  Bed bed;
  Peer absent(bed);
  absent.connect({.id = "absent", .expiry_s = 1000}).subscribe("t", 2).drop();
  Peer peer(bed);
  How how{.qos = 2, .id = 1};
  how.properties.number(PropertyId::message_expiry_interval, 1);
  EXPECT_THAT(peer.connect({"c"}).skip().publish("t", "x", how).got(), ElementsAre("PUBREC #1"));
  bed.advance(base::seconds(100));
  EXPECT_THAT(peer.ack(PacketType::pubrel, 1).got(), ElementsAre("PUBCOMP #1"));
  Peer back(bed);
  EXPECT_THAT(back.connect({.id = "absent", .clean = false}).got(), ElementsAre("CONNACK 0 present"));
}

struct Alias : testing::Test {
  Alias() { peer.connect({"c"}).subscribe("#", 0).skip(); }
  static How alias(std::uint32_t number) {
    How how;
    how.properties.number(PropertyId::topic_alias, number);
    return how;
  }

  Bed bed{with([](BrokerOptions& o) { o.limits.topic_aliases = 3; })};
  Peer peer{bed};
};

TEST_F(Alias, StandsForItsTopicAndCanBeSetAgain) {  // 3.3.2.3.4
  covers_v5("MQTT-3.3.2-12");
  peer.publish("t/a", "1", alias(3)).publish("", "2", alias(3)).publish("t/b", "3", alias(1));
  peer.publish("t/b", "4", alias(3)).publish("", "5", alias(3)).publish("", "6", alias(1));
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t/a=1 q0", "PUBLISH t/a=2 q0", "PUBLISH t/b=3 q0", "PUBLISH t/b=4 q0",
                                      "PUBLISH t/b=5 q0", "PUBLISH t/b=6 q0"));
}

// Also for a topic that is refused: what follows is not for the topic before.
TEST_F(Alias, StandsForARefusedTopicToo) {
  bed.options.limits.topic_levels = 3;
  bed.options.limits.topic_bytes = 10;
  const std::string euro = "\xe2\x82\xac";
  for (const std::string& refused : {std::string("1/2/3/4"), std::string(11, 'x'), euro + euro + euro + euro}) {
    How how = alias(3);
    how.qos = 1;
    how.id = 1;
    EXPECT_THAT(peer.publish("t/a", "1", how).got(), ElementsAre("PUBLISH t/a=1 q0", "PUBACK #1"));
    EXPECT_THAT(peer.publish(refused, "2", how).got(), ElementsAre("PUBACK #1 0x90")) << refused;
    EXPECT_THAT(peer.publish("", "3", how).got(), ElementsAre("PUBACK #1 0x90")) << refused;
  }
}

TEST_F(Alias, IsNotForwarded) {  // the alias is the sender's; the receiver's maximum is 0 (MQTT-3.1.2-26)
  covers_v5("MQTT-3.1.2-27");
  const auto packets = peer.publish("t/a", "1", alias(3)).take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_FALSE(packets[0].as<mqtt::Publish>().properties.has(PropertyId::topic_alias));
}

TEST_F(Alias, AboveTheMaximum) {
  covers_v5("MQTT-3.2.2-17 MQTT-3.3.2-9");
  EXPECT_THAT(peer.publish("t/a", "1", alias(4)).got(), ElementsAre("DISCONNECT 0x94"));
}

TEST_F(Alias, OfAServerThatAllowsNone) {
  covers_v5("MQTT-3.2.2-18");
  Bed none(with([](BrokerOptions& o) { o.limits.topic_aliases = 0; }));
  Peer client(none);
  const auto packets = client.connect({"c"}).take();
  EXPECT_FALSE(packets.at(0).as<mqtt::Connack>().properties.has(PropertyId::topic_alias_maximum));
  EXPECT_THAT(client.publish("t/a", "1", alias(1)).got(), ElementsAre("DISCONNECT 0x94"));
}

TEST_F(Alias, Zero) {
  covers_v5("MQTT-3.3.2-8");
  EXPECT_THAT(peer.raw({0x30, 7, 0, 1, 't', 3, 0x23, 0, 0}).got(), ElementsAre("DISCONNECT 0x94"));
}

TEST_F(Alias, NotSet) {  // 3.3.4: protocol error
  peer.publish("t/a", "1", alias(3)).skip();
  EXPECT_THAT(peer.publish("", "1", alias(2)).got(), ElementsAre("DISCONNECT 0x82"));
}

TEST_F(Alias, EndsWithTheConnection) {
  covers_v5("MQTT-3.3.2-7");
  peer.publish("t/a", "1", alias(3)).disconnect();
  Peer next(bed);
  next.connect({"c"}).skip();
  EXPECT_THAT(next.publish("", "1", alias(3)).got(), ElementsAre("DISCONNECT 0x82"));
}

}  // namespace
}  // namespace shoal::broker
