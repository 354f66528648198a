#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// Packets as such: how bytes arrive, what is malformed or out of place, what is passed on unchanged.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A whole conversation in bytes: CONNECT, SUBSCRIBE, PUBLISH at every QoS, PUBREL, UNSUBSCRIBE, PINGREQ, DISCONNECT.
std::vector<std::uint8_t> conversation(Version version) {
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint8_t> filters;
  mqtt::append_filter(filters, {"t/#", {.qos = 2}}, true);
  std::vector<std::uint8_t> names;
  mqtt::append_filter(names, {"t/#", {}}, false);
  const std::string large(300, 'x');  // a remaining length of two bytes
  const auto add = [&](const mqtt::Packet& packet) { mqtt::encode(packet, version, bytes); };
  mqtt::Connect connect;
  connect.version = version;
  connect.client_id = "c";
  add(connect);
  add(mqtt::Subscribe{1, {}, mqtt::FilterList(filters, true)});
  add(mqtt::Publish{.topic = "t/0", .payload = base::as_bytes(large), .properties = {}});
  add(mqtt::Publish{.topic = "t/1", .payload = {}, .properties = {}, .id = 1, .qos = 1});
  add(mqtt::Publish{.topic = "t/2", .payload = base::as_bytes("x"), .properties = {}, .id = 2, .qos = 2});
  add(mqtt::Ack{PacketType::pubrel, 2, {}, {}});
  add(mqtt::Unsubscribe{3, {}, mqtt::FilterList(names, false)});
  add(mqtt::Pingreq{});
  add(mqtt::Disconnect{});
  return bytes;
}

struct Packets : testing::TestWithParam<Version> {
  bool v5() const { return GetParam() == Version::v5; }
  // What a client that does something wrong is told.
  void expect_end(Peer& peer, const char* disconnect) {
    EXPECT_TRUE(peer.closed());
    EXPECT_THAT(peer.got(), v5() ? std::vector<std::string>{disconnect} : std::vector<std::string>{});
  }
};

TEST_P(Packets, ArriveInAnyPieces) {
  const std::vector<std::uint8_t> bytes = conversation(GetParam());
  std::vector<std::string> whole;
  {
    Bed bed;
    Peer peer(bed, GetParam());
    whole = peer.raw(bytes).got();
    EXPECT_TRUE(peer.closed());
    EXPECT_EQ(whole.size(), 10u);
  }
  const base::Bytes all(bytes);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    Bed bed;
    Peer peer(bed, GetParam());
    EXPECT_EQ(peer.raw(all.first(cut)).raw(all.subspan(cut)).got(), whole) << "cut at " << cut;
  }
  Bed bed;
  Peer peer(bed, GetParam());
  for (std::size_t i = 0; i < bytes.size(); ++i) peer.raw(all.subspan(i, 1));
  EXPECT_EQ(peer.got(), whole);
}

TEST_P(Packets, OnlyAServerSends) {
  covers_v5("MQTT-4.13.1-1");
  covers_v311("MQTT-4.8.0-1");
  const std::initializer_list<std::vector<int>> cases = {
      {0x20, 2, 0, 0}, {0x90, 3, 0, 1, 0}, {0xb0, 2, 0, 1}, {0xd0, 0}};
  for (const auto& bytes : cases) {
    Bed bed;
    Peer peer(bed, GetParam());
    peer.connect({"c"}).skip();
    const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    peer.raw(base::Bytes(copy));
    expect_end(peer, "DISCONNECT 0x82");
  }
}

TEST_P(Packets, Auth) {  // 4.12: without a method in CONNECT it is a protocol error
  covers_v5("MQTT-4.12.0-7");
  Bed bed;
  Peer peer(bed, GetParam());
  peer.connect({"c"}).skip().raw({0xf0, 0});
  expect_end(peer, "DISCONNECT 0x82");
}

TEST_P(Packets, Malformed) {
  covers_v5("MQTT-2.1.3-1 MQTT-4.13.1-1");
  covers_v311("MQTT-2.2.2-2 MQTT-4.8.0-1");
  const std::initializer_list<std::pair<std::vector<int>, const char*>> cases = {
      {{0x00, 0}, "DISCONNECT 0x81"},                          // type 0
      {{0x30, 0x80, 0x80, 0x80, 0x80, 1}, "DISCONNECT 0x81"},  // remaining length of five bytes (2.1.4)
      {{0x36, 5, 0, 1, 't', 0, 1}, "DISCONNECT 0x81"},         // MQTT-3.3.1-4
      {{0x38, 4, 0, 1, 't', 0}, "DISCONNECT 0x81"},            // MQTT-3.3.1-2: DUP at QoS 0
      {{0x32, 6, 0, 1, 't', 0, 0, 0}, "DISCONNECT 0x82"},      // MQTT-2.2.1-3 (3.1.1: -1): identifier 0
      {{0x60, 2, 0, 1}, "DISCONNECT 0x81"},                    // MQTT-3.6.1-1: PUBREL's flags
      {{0x80, 5, 0, 1, 0, 0, 0}, "DISCONNECT 0x81"},           // MQTT-3.8.1-1
      {{0xa0, 5, 0, 1, 0, 0, 0}, "DISCONNECT 0x81"},           // MQTT-3.10.1-1
      {{0xc1, 0}, "DISCONNECT 0x81"},                          // MQTT-2.1.3-1
      {{0x30, 4, 0, 1, '#', 0}, "DISCONNECT 0x90"},            // MQTT-3.3.2-2
      {{0x30, 5, 0, 2, 0xc0, 0x80, 0}, "DISCONNECT 0x81"},     // MQTT-1.5.4-1
      {{0x30, 5, 0, 2, 't', 0, 0}, "DISCONNECT 0x81"},         // MQTT-1.5.4-2
      {{0x40, 1, 0}, "DISCONNECT 0x81"},                       // too short
      {{0xc0, 1, 0}, "DISCONNECT 0x81"},                       // too long
      {{0xe1, 0}, "DISCONNECT 0x81"},                          // MQTT-3.14.1-1
  };
  for (const auto& [bytes, answer] : cases) {
    SCOPED_TRACE(testing::PrintToString(bytes));
    Bed bed;
    Peer peer(bed, GetParam());
    peer.connect({"c"}).skip();
    const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    peer.raw(base::Bytes(copy));
    expect_end(peer, answer);
  }
}

TEST_P(Packets, WithoutFilters) {  // MQTT-3.8.3-2 (3.1.1: -3), MQTT-3.10.3-2
  covers_v5("MQTT-3.8.3-2 MQTT-3.10.3-2");
  covers_v311("MQTT-3.8.3-3 MQTT-3.10.3-2");
  for (const int first : {0x82, 0xa2}) {
    Bed bed;
    Peer peer(bed, GetParam());
    peer.connect({"c"}).skip();
    if (v5()) peer.raw({first, 3, 0, 1, 0});
    else peer.raw({first, 2, 0, 1});
    expect_end(peer, "DISCONNECT 0x82");
  }
}

TEST_P(Packets, LargerThanTheLimit) {  // 3.2.2.3.6: 0x95, before the rest has come
  covers_v5("MQTT-3.2.2-15");
  Bed bed(with([](BrokerOptions& o) { o.limits.packet_size_bytes = 64; }));
  Peer peer(bed, GetParam());
  peer.connect({"c"}).skip();
  const std::string fits(64 - 2 - 3 - (v5() ? 1 : 0), 'x');
  EXPECT_FALSE(peer.publish("t", fits).closed());
  EXPECT_EQ(peer.client().expected_bytes(), 0u);
  peer.raw({0x30, 63});
  expect_end(peer, "DISCONNECT 0x95");
}

TEST_P(Packets, AfterTheEndAreIgnored) {
  covers_v5("MQTT-3.14.4-1");
  covers_v311("MQTT-3.14.4-2");
  Bed bed;
  Peer watcher(bed);
  watcher.connect({"watcher"}).subscribe("t", 0).skip();
  Peer peer(bed, GetParam());
  std::vector<std::uint8_t> bytes;
  mqtt::encode(mqtt::Disconnect{}, GetParam(), bytes);
  mqtt::encode(mqtt::Publish{.topic = "t", .payload = {}, .properties = {}}, GetParam(), bytes);
  EXPECT_THAT(peer.connect({"c"}).skip().raw(bytes).got(), IsEmpty());
  EXPECT_TRUE(peer.closed());
  EXPECT_THAT(watcher.got(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Versions, Packets, testing::Values(Version::v3_1, Version::v3_1_1, Version::v5));

TEST(Forwarding, PropertiesPassInOrder) {
  covers_v5("MQTT-3.3.2-4 MQTT-3.3.2-15 MQTT-3.3.2-16 MQTT-3.3.2-17 MQTT-3.3.2-18 MQTT-3.3.2-20");
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).skip();
  Peer reader(bed);
  reader.connect({"reader"}).subscribe("t", 0).skip();
  How how;
  how.properties.user("z", "1")
      .number(PropertyId::topic_alias, 1)
      .text(PropertyId::response_topic, "answers/here")
      .user("a", "2")
      .text(PropertyId::correlation_data, std::string_view("\0\1", 2))
      .number(PropertyId::payload_format_indicator, 1)
      .user("z", "3")
      .text(PropertyId::content_type, "text/plain");
  const auto packets = (source.publish("t", "x", how), reader.take());
  ASSERT_EQ(packets.size(), 1u);
  mqtt::PropertyWriter expected;
  expected.user("z", "1")
      .text(PropertyId::response_topic, "answers/here")
      .user("a", "2")
      .text(PropertyId::correlation_data, std::string_view("\0\1", 2))
      .number(PropertyId::payload_format_indicator, 1)
      .user("z", "3")
      .text(PropertyId::content_type, "text/plain");
  const base::Bytes raw = packets[0].as<mqtt::Publish>().properties.raw();
  EXPECT_EQ(base::as_text(raw), base::as_text(expected.raw()));
}

TEST(Forwarding, DupAndIdentifierAreNotPassedOn) {
  covers_v5("MQTT-3.3.1-3");
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).skip();
  Peer reader(bed);
  reader.connect({"reader"}).subscribe("t", 1).skip();
  source.publish("t", "x", {.qos = 1, .id = 999, .dup = true});
  EXPECT_THAT(reader.got(), ElementsAre("PUBLISH t=x q1 #1"));
}

TEST(Forwarding, LargePayloadsArriveWhole) {  // these are sent by reference, not copied
  Bed bed;
  std::string payload(100'000, ' ');
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>('a' + i % 23);
  Peer source(bed);
  source.connect({"source"}).skip();
  Peer v5(bed);
  v5.connect({"v5"}).subscribe("t", 1, 5).skip();
  Peer v4(bed, Version::v3_1_1);
  v4.connect({"v4"}).subscribe("t", 0).skip();
  source.publish("t", payload, {.qos = 1, .id = 1}).publish("t", "behind it");
  EXPECT_THAT(v5.got(), ElementsAre("PUBLISH t=" + payload + " q1 #1", "PUBLISH t=behind it q0"));
  EXPECT_THAT(v4.got(), ElementsAre("PUBLISH t=" + payload + " q0", "PUBLISH t=behind it q0"));
}

TEST(Forwarding, SubscriptionIdentifierFromAClient) {
  covers_v5("MQTT-3.3.4-6");
  Bed bed;
  Peer peer(bed);
  peer.connect({"c"}).skip();
  How how;
  how.properties.number(PropertyId::subscription_identifier, 3);
  EXPECT_THAT(peer.publish("t", "x", how).got(), ElementsAre("DISCONNECT 0x82"));
}

TEST(Forwarding, NothingPassesBetweenInstances) {  // the promise of isolation, at its root
  Bed one;
  Bed two;
  Peer reader(two);
  reader.connect({"same"}).subscribe("#", 0).skip();
  Peer source(one);
  source.connect({"same"}).publish("t", "x", {.retain = true});
  EXPECT_THAT(reader.got(), IsEmpty());
  EXPECT_FALSE(reader.closed());
  EXPECT_THAT(reader.subscribe("#", 0).got(), ElementsAre("SUBACK #1 0"));
}

}  // namespace
}  // namespace shoal::broker
