#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// PUBLISH and its acknowledgements statement by statement: 2.2.1, 3.3 to 3.7, 4.3, 4.6, 4.7. `receive_flow_test.cpp`
// and `send_flow_test.cpp` have the flows themselves.

namespace shoal::broker {
namespace {

using base::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using enum PacketType;

struct Publishing : testing::TestWithParam<Version> {
  Publishing() {
    source.connect({"source"}).skip();
    reader.connect({"reader"}).subscribe("#", 2).skip();
  }
  bool v5() const { return GetParam() == Version::v5; }
  /// A 5.0 client is told why it is closed, the others are just closed (4.13.1; 3.1.1: MQTT-4.8.0-1).
  void expect_end(Peer& peer, const char* disconnect) {
    EXPECT_TRUE(peer.closed());
    EXPECT_THAT(peer.got(), v5() ? std::vector<std::string>{disconnect} : std::vector<std::string>{});
  }

  Bed bed;
  Peer source{bed, GetParam()};
  Peer reader{bed};
};

TEST_P(Publishing, AcksCarryTheIdentifierOfTheirPacket) {
  covers_v5("MQTT-2.2.1-5 MQTT-3.3.4-1 MQTT-4.3.2-4 MQTT-4.3.3-8 MQTT-4.3.3-11");
  covers_v311("MQTT-2.3.1-6 MQTT-3.3.4-1 MQTT-4.3.2-2 MQTT-4.3.3-2");
  for (const std::uint16_t id : {1, 255, 256, 65535}) {
    const std::string number = "#" + std::to_string(id);
    EXPECT_THAT(source.publish("t", "x", {.qos = 1, .id = id}).got(), ElementsAre("PUBACK " + number));
    EXPECT_THAT(source.publish("t", "x", {.qos = 2, .id = id}).got(), ElementsAre("PUBREC " + number));
    EXPECT_THAT(source.ack(pubrel, id).got(), ElementsAre("PUBCOMP " + number));
  }
}

TEST_P(Publishing, AnIdentifierIsFreeAgainWhenItsFlowHasEnded) {
  covers_v5("MQTT-4.3.2-5 MQTT-4.3.3-12");
  covers_v311("MQTT-4.3.2-2 MQTT-4.3.3-2");
  source.publish("t", "1", {.qos = 2, .id = 5}).ack(pubrel, 5);
  source.publish("t", "2", {.qos = 1, .id = 5});
  source.publish("t", "3", {.qos = 2, .id = 5}).ack(pubrel, 5);
  EXPECT_THAT(source.got(), ElementsAre("PUBREC #5", "PUBCOMP #5", "PUBACK #5", "PUBREC #5", "PUBCOMP #5"));
  EXPECT_EQ(reader.got().size(), 3u);
}

TEST_P(Publishing, AgainBeforePubrelIsTheSameMessage) {  // with DUP or without it
  covers_v5("MQTT-4.3.3-10 MQTT-4.3.3-12");
  covers_v311("MQTT-4.3.3-2");
  source.publish("t", "x", {.qos = 2, .id = 5});
  source.publish("t", "x", {.qos = 2, .id = 5, .dup = true}).publish("t", "x", {.qos = 2, .id = 5});
  EXPECT_THAT(source.got(), ElementsAre("PUBREC #5", "PUBREC #5", "PUBREC #5"));
  EXPECT_THAT(reader.got(), ElementsAre("PUBLISH t=x q2 #1"));
  EXPECT_THAT(source.ack(pubrel, 5).publish("t", "y", {.qos = 2, .id = 5}).got(),
              ElementsAre("PUBCOMP #5", "PUBREC #5"));
  EXPECT_THAT(reader.got(), ElementsAre("PUBLISH t=y q2 #2"));  // MQTT-4.3.3-12
}

TEST_P(Publishing, Qos1AgainIsAnotherMessage) {  // behind its PUBACK the identifier is new
  covers_v5("MQTT-4.3.2-5 MQTT-3.3.1-3");
  covers_v311("MQTT-4.3.2-2 MQTT-3.3.1-3");
  source.publish("t", "x", {.qos = 1, .id = 5}).publish("t", "x", {.qos = 1, .id = 5, .dup = true});
  EXPECT_THAT(source.got(), ElementsAre("PUBACK #5", "PUBACK #5"));
  EXPECT_THAT(reader.got(),
              ElementsAre("PUBLISH t=x q1 #1", "PUBLISH t=x q1 #2"));  // MQTT-3.3.1-3: DUP is not passed on
}

TEST_P(Publishing, AcksAreInTheOrderOfTheirPackets) {  // 4.6: what -2, -3 and -4 ask of clients
  std::vector<std::uint8_t> bytes;
  const auto add = [&](const mqtt::Packet& packet) { mqtt::encode(packet, GetParam(), bytes); };
  add(mqtt::Publish{.topic = "t", .payload = {}, .properties = {}, .id = 3, .qos = 2});
  add(mqtt::Publish{.topic = "t", .payload = {}, .properties = {}, .id = 2, .qos = 1});
  add(mqtt::Publish{.topic = "t", .payload = {}, .properties = {}, .id = 1, .qos = 2});
  add(mqtt::Ack{pubrel, 3, {}, {}});
  add(mqtt::Ack{pubrel, 1, {}, {}});
  EXPECT_THAT(source.raw(bytes).got(), ElementsAre("PUBREC #3", "PUBACK #2", "PUBREC #1", "PUBCOMP #3", "PUBCOMP #1"));
}

TEST_P(Publishing, MessagesOfOneClientKeepTheirOrder) {
  covers_v5("MQTT-4.6.0-5 MQTT-4.6.0-6");
  covers_v311("MQTT-4.6.0-5 MQTT-4.6.0-6");
  for (int i = 0; i < 9; ++i) {
    const auto qos = static_cast<std::uint8_t>(i % 3);
    source.publish("t", std::to_string(i), {.qos = qos, .id = static_cast<std::uint16_t>(qos != 0 ? i + 1 : 0)});
  }
  std::string order;
  for (const Sent& sent : reader.take()) order += base::as_text(sent.as<mqtt::Publish>().payload);
  EXPECT_EQ(order, "012345678");
}

TEST_P(Publishing, MayHaveNoPayload) {  // 3.3.3
  EXPECT_THAT(source.publish("t", "", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1"));
  EXPECT_THAT(reader.got(), ElementsAre("PUBLISH t= q1 #1"));
}

TEST_P(Publishing, TopicsPassByteByByte) {  // spaces, case, BOM, empty levels
  covers_v5("MQTT-1.5.4-3 MQTT-4.7.3-4");
  covers_v311("MQTT-1.5.3-3 MQTT-4.7.3-4");
  for (const char* topic : {"/", "//", "/a", "a/", "A/b", "a b/ c",
                            "\xef\xbb\xbf"
                            "a",
                            "a\xef\xbb\xbf/\xf0\x9f\x92\xa1", "\x01", "\xef\xbf\xbf", "accounts/\xc3\xa4"}) {
    source.publish(topic, "x");
    EXPECT_THAT(reader.got(), ElementsAre("PUBLISH " + std::string(topic) + "=x q0"));
  }
}

TEST_P(Publishing, NoWildcardInATopicName) {
  covers_v5("MQTT-3.3.2-2 MQTT-4.7.0-1");
  covers_v311("MQTT-3.3.2-2 MQTT-4.7.1-1");
  for (const std::string topic : {"#", "+", "a/#", "a/+/b", "a+", "a#b"}) {
    Peer peer(bed, GetParam());
    peer.connect({"wild"}).skip();
    std::string sent{'\x30', static_cast<char>(2 + topic.size() + (v5() ? 1 : 0)), '\0',
                     static_cast<char>(topic.size())};
    sent += topic;
    if (v5()) sent += '\0';
    peer.raw(base::as_bytes(sent));
    EXPECT_TRUE(peer.closed()) << topic;
    EXPECT_EQ(peer.got().size(), v5() ? 1u : 0u);
  }
  EXPECT_THAT(reader.got(), IsEmpty());
}

TEST_P(Publishing, ATopicNameHasACharacter) {
  covers_v5("MQTT-4.7.3-1");
  covers_v311("MQTT-4.7.3-1");
  if (v5()) source.raw({0x30, 3, 0, 0, 0});
  else source.raw({0x30, 2, 0, 0});
  expect_end(source, "DISCONNECT 0x82");  // 3.3.4: neither name nor alias
}

TEST_P(Publishing, ATopicNameIsWellFormed) {
  covers_v5("MQTT-3.3.2-1 MQTT-1.5.4-1");
  covers_v311("MQTT-3.3.2-1 MQTT-1.5.3-1");
  for (const std::string bad : {"\xed\xa0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf5\x80\x80\x80", "\x80"}) {
    Peer peer(bed, GetParam());
    peer.connect({"bad"}).skip();
    std::string sent{'\x30', static_cast<char>(2 + bad.size() + (v5() ? 1 : 0)), '\0', static_cast<char>(bad.size())};
    sent += bad;
    if (v5()) sent += '\0';
    peer.raw(base::as_bytes(sent));
    expect_end(peer, "DISCONNECT 0x81");
  }
}

TEST_P(Publishing, IdentifierZeroIsNone) {
  covers_v5("MQTT-2.2.1-3");
  covers_v311("MQTT-2.3.1-1");
  for (const int first : {0x32, 0x34}) {
    Peer peer(bed, GetParam());
    peer.connect({"zero"}).skip();
    if (v5()) peer.raw({first, 6, 0, 1, 't', 0, 0, 0});
    else peer.raw({first, 5, 0, 1, 't', 0, 0});
    expect_end(peer, "DISCONNECT 0x82");
  }
}

TEST_P(Publishing, PubrelOfNothingIsAnswered) {  // 3.6.2.1: PUBCOMP in any case
  covers_v5("MQTT-4.3.3-11");
  EXPECT_THAT(source.ack(pubrel, 77).got(), ElementsAre(v5() ? "PUBCOMP #77 0x92" : "PUBCOMP #77"));
  EXPECT_FALSE(source.closed());
}

TEST_P(Publishing, DeliveredAtNoMoreThanTheQosOfThePublish) {
  covers_v5("MQTT-3.8.4-8");
  covers_v311("MQTT-3.8.4-6");
  source.publish("t", "0").publish("t", "1", {.qos = 1, .id = 1}).publish("t", "2", {.qos = 2, .id = 2});
  EXPECT_THAT(reader.got(), ElementsAre("PUBLISH t=0 q0", "PUBLISH t=1 q1 #1", "PUBLISH t=2 q2 #2"));
}

INSTANTIATE_TEST_SUITE_P(Versions, Publishing, testing::Values(Version::v3_1, Version::v3_1_1, Version::v5));

struct Codes : testing::Test {
  Codes() {
    source.connect({"source"}).skip();
    reader.connect({.id = "reader", .receive_maximum = 1}).subscribe("t", 2).skip();
  }
  Bed bed;
  Peer source{bed};
  Peer reader{bed};
};

TEST_F(Codes, NoMatchingSubscribers) {  // 0x10 and only then
  covers_v5("MQTT-3.4.2-1 MQTT-3.5.2-1");
  EXPECT_THAT(source.publish("nobody", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 16"));
  EXPECT_THAT(source.publish("nobody", "x", {.qos = 2, .id = 1}).got(), ElementsAre("PUBREC #1 16"));
  EXPECT_THAT(source.ack(pubrel, 1).got(), ElementsAre("PUBCOMP #1"));  // not an error: the flow goes on
  EXPECT_THAT(source.publish("t", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1"));
}

TEST_F(Codes, AcksInEveryLength) {  // 3.4.2.1, 3.4.2.2, 3.5.2.2, 3.7.2.2: code and properties may be left out
  source.publish("t", "1", {.qos = 2, .id = 1}).publish("t", "2", {.qos = 2, .id = 2});
  reader.skip();
  EXPECT_THAT(reader.raw({0x50, 3, 0, 1, 0}).got(), ElementsAre("PUBREL #1"));
  EXPECT_THAT(reader.raw({0x70, 4, 0, 1, 0, 0}).got(), ElementsAre("PUBLISH t=2 q2 #2"));
  EXPECT_THAT(reader.raw({0x50, 15, 0, 2, 0, 11, 0x1f, 0, 1, 'r', 0x26, 0, 1, 'k', 0, 1, 'v'}).got(),
              ElementsAre("PUBREL #2"));
  EXPECT_THAT(reader.raw({0x70, 2, 0, 2}).got(), IsEmpty());
  EXPECT_FALSE(reader.closed());
}

TEST_F(Codes, AnErrorInPubrecEndsTheFlow) {  // 4.9: it frees identifier and window, nothing is sent again
  covers_v5("MQTT-4.4.0-2");
  for (const ReasonCode code :
       {ReasonCode::unspecified_error, ReasonCode::implementation_specific_error, ReasonCode::not_authorized,
        ReasonCode::topic_name_invalid, ReasonCode::packet_identifier_in_use, ReasonCode::quota_exceeded,
        ReasonCode::payload_format_invalid}) {
    source.publish("t", "1", {.qos = 2, .id = 1}).ack(pubrel, 1).publish("t", "2", {.qos = 1, .id = 1}).skip();
    const auto first = reader.take();
    ASSERT_EQ(first.size(), 1u);
    const auto next = reader.ack(pubrec, first[0].as<mqtt::Publish>().id, code).take();
    ASSERT_EQ(next.size(), 1u) << to_string(code);
    EXPECT_EQ(next[0].type, publish);
    reader.ack(puback, next[0].as<mqtt::Publish>().id, code);  // ends a QoS 1 flow as well as success does
    EXPECT_FALSE(reader.closed());
  }
}

TEST_F(Codes, ThatBelongToOtherPackets) {
  covers_v5("MQTT-3.4.2-1 MQTT-3.5.2-1 MQTT-3.6.2-1 MQTT-3.7.2-1");
  for (const std::initializer_list<int> sent : {std::initializer_list<int>{0x40, 3, 0, 1, 0x92},
                                                {0x40, 3, 0, 1, 0x01},
                                                {0x50, 3, 0, 1, 0x8f},
                                                {0x62, 3, 0, 1, 0x10},
                                                {0x70, 3, 0, 1, 0x97}}) {
    Peer peer(bed);
    EXPECT_THAT(peer.connect({"c"}).skip().raw(sent).got(), ElementsAre("DISCONNECT 0x81"));
  }
}

struct Payloads : testing::Test {
  Payloads() {
    source.connect({"source"}).skip();
    reader.connect({"reader"}).subscribe("t", 2).skip();
  }
  static How says_text(std::uint8_t qos, std::uint16_t id) {
    How how{.qos = qos, .id = id};
    how.properties.number(PropertyId::payload_format_indicator, 1);
    return how;
  }
  Bed bed;
  Peer source{bed};
  Peer reader{bed};
};

TEST_F(Payloads, ThatAreNotTheTextTheyClaim) {  // 3.3.2.3.2: 0x99
  covers_v5("MQTT-4.3.3-9");
  EXPECT_THAT(source.publish("t", "\xff", says_text(1, 1)).got(), ElementsAre("PUBACK #1 0x99"));
  EXPECT_THAT(source.publish("t", "\xed\xa0\x80", says_text(2, 2)).got(), ElementsAre("PUBREC #2 0x99"));
  EXPECT_THAT(source.publish("t", "ok", says_text(2, 2)).got(), ElementsAre("PUBREC #2"));  // the flow had ended
  EXPECT_THAT(reader.got(), ElementsAre("PUBLISH t=ok q2 #1"));
  EXPECT_THAT(source.publish("t", "\xff", says_text(0, 0)).got(), ElementsAre("DISCONNECT 0x99"));
  EXPECT_THAT(reader.got(), IsEmpty());
}

TEST_F(Payloads, AreBytesOtherwise) {  // 3.3.2.3.2: 0 or nothing said; text may hold U+0000
  source.publish("t", "\xff\xfe")
      .publish("t", std::string_view("a\0b", 3), says_text(0, 0))
      .publish("t", "", says_text(0, 0));
  How how;
  how.properties.number(PropertyId::payload_format_indicator, 0);
  source.publish("t", "\xff", how);
  EXPECT_EQ(reader.got().size(), 4u);
  EXPECT_FALSE(source.closed());
}

TEST_F(Payloads, ResponseTopicIsATopicName) {
  covers_v5("MQTT-3.3.2-14");
  for (const char* bad : {"#", "a/+", "a#"}) {
    Peer peer(bed);
    peer.connect({"c"}).skip();
    const std::string topic = bad;
    std::string sent{'\x30', static_cast<char>(7 + topic.size()), 0, 1, 't', static_cast<char>(3 + topic.size()), 8,
                     0,      static_cast<char>(topic.size())};
    EXPECT_THAT(peer.raw(base::as_bytes(sent + topic)).got(), ElementsAre("DISCONNECT 0x82")) << bad;
  }
}

struct Expiry : testing::Test {
  Expiry() { source.connect({"source"}).skip(); }
  static How lasting(std::uint32_t expiry_s, std::uint8_t qos = 1, bool retain = false) {
    How how{.qos = qos, .id = static_cast<std::uint16_t>(qos != 0 ? 1 : 0), .retain = retain};
    how.properties.number(PropertyId::message_expiry_interval, expiry_s);
    return how;
  }
  static std::vector<std::uint32_t> left(const std::vector<Sent>& packets) {
    std::vector<std::uint32_t> result;
    for (const Sent& sent : packets) {
      if (sent.type != publish) continue;
      const mqtt::Properties properties = sent.as<mqtt::Publish>().properties;
      result.push_back(properties.number(PropertyId::message_expiry_interval, UINT32_MAX));
    }
    return result;
  }
  Bed bed;
  Peer source{bed};
};

TEST_F(Expiry, CountsDownInTheQueueOnly) {
  covers_v5("MQTT-3.3.2-5 MQTT-3.3.2-6");
  { Peer(bed).connect({.id = "c", .expiry_s = 1000}).subscribe("t", 1).drop(); }
  source.publish("t", "a", lasting(5)).publish("t", "b", lasting(6)).publish("t", "c", lasting(UINT32_MAX - 1));
  bed.advance(seconds(5));
  Peer peer(bed);
  EXPECT_THAT(left(peer.connect({.id = "c", .clean = false}).take()), ElementsAre(1u, UINT32_MAX - 6));
  EXPECT_EQ(bed.stats().messages_expired, 1u);
}

TEST_F(Expiry, OfZeroIsForThoseWhoCanTakeItAtOnce) {
  covers_v5("MQTT-3.3.2-5 MQTT-3.3.2-6");
  Peer here(bed);
  here.connect({"here"}).subscribe("t", 1).skip();
  { Peer(bed).connect({.id = "away", .expiry_s = 1000}).subscribe("t", 1).drop(); }
  source.publish("t", "a", lasting(0)).publish("t", "b", lasting(0, 1, true));
  EXPECT_THAT(left(here.take()), ElementsAre(0u, 0u));
  bed.advance(base::milliseconds(1));
  Peer away(bed);
  EXPECT_THAT(left(away.connect({.id = "away", .clean = false}).take()), IsEmpty());
  here.subscribe("t", 1);
  EXPECT_THAT(left(here.take()), IsEmpty());
}

TEST_F(Expiry, DoesNotEndAFlowThatHasBegun) {  // onward delivery had started
  covers_v5("MQTT-3.3.2-5");
  {
    Peer peer(bed);
    peer.connect({.id = "c", .expiry_s = 1000}).subscribe("t", 1).skip();
    source.publish("t", "a", lasting(5));
    EXPECT_THAT(left(peer.take()), ElementsAre(5u));
    peer.drop();
  }
  bed.advance(seconds(100));
  Peer peer(bed);
  const auto texts = peer.connect({.id = "c", .clean = false}).got();
  EXPECT_THAT(texts, ElementsAre("CONNACK 0 present", "PUBLISH t=a q1 #1 dup"));
}

TEST_F(Expiry, OfARetainedMessageCountsDownToo) {  // 3.3.2.3.3
  covers_v5("MQTT-3.3.2-6");
  source.publish("t", "a", lasting(10, 0, true));
  Peer peer(bed);
  peer.connect({"c"}).skip();
  bed.advance(seconds(4));
  EXPECT_THAT(left(peer.subscribe("t", 0).take()), ElementsAre(6u));
  bed.advance(seconds(6));
  EXPECT_THAT(left(peer.subscribe("t", 0).take()), IsEmpty());
}

TEST_F(Expiry, IsNotInventedAndNotToldToOlderVersions) {
  covers_v5("MQTT-3.3.2-6");
  Peer peer(bed);
  peer.connect({"c"}).subscribe("t", 0).skip();
  Peer old(bed, Version::v3_1_1);
  old.connect({"old"}).subscribe("t", 0).skip();
  source.publish("t", "a").publish("t", "b", lasting(7, 0));
  EXPECT_THAT(left(peer.take()), ElementsAre(UINT32_MAX, 7u));
  EXPECT_THAT(old.got(), ElementsAre("PUBLISH t=a q0", "PUBLISH t=b q0"));
}

TEST(Order, OfTheQueueBehindWhatIsSentAgain) {
  covers_v5("MQTT-4.4.0-1 MQTT-4.6.0-5");
  covers_v311("MQTT-4.4.0-1 MQTT-4.6.0-6");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    Bed bed(with([](BrokerOptions& o) { o.limits.inflight = 3; }));
    Peer source(bed);
    source.connect({"source"}).skip();
    const Hello hello{
        .id = "c", .clean = false, .expiry_s = version == Version::v5 ? std::optional(100u) : std::nullopt};
    {
      Peer peer(bed, version);
      peer.connect(hello).subscribe("t", 1).skip();
      for (const char* payload : {"1", "2", "3", "4", "5"}) source.publish("t", payload, {.qos = 1, .id = 1});
      peer.drop();
    }
    source.publish("t", "6", {.qos = 1, .id = 1});
    Peer peer(bed, version);
    peer.connect(hello);
    std::vector<std::string> order;
    for (std::uint16_t id = 1; order.size() < 6 && id < 20; ++id) {
      for (const Sent& sent : peer.take()) {
        if (sent.type == publish) order.emplace_back(base::as_text(sent.as<mqtt::Publish>().payload));
      }
      peer.ack(puback, id);
    }
    EXPECT_THAT(order, ElementsAre("1", "2", "3", "4", "5", "6"));
  }
}

}  // namespace
}  // namespace shoal::broker
