#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"

// Reason strings and user properties of the server's own: left out where the client does not want them or the
// packet would be too large with them. The answer itself comes in any case.

namespace shoal::broker {
namespace {

using testing::SizeIs;

struct Answer {
  PacketType type;
  const char* statements;
  std::function<void(Peer&)> provoke;
};

const Answer kAnswers[] = {
    {PacketType::puback, "MQTT-3.4.2-2 MQTT-3.4.2-3",
     [](Peer& peer) { peer.publish("too/many/levels", "x", {.qos = 1, .id = 1}); }},
    {PacketType::pubrec, "MQTT-3.5.2-2 MQTT-3.5.2-3",
     [](Peer& peer) { peer.publish("too/many/levels", "x", {.qos = 2, .id = 1}); }},
    {PacketType::pubrel, "MQTT-3.6.2-2 MQTT-3.6.2-3", [](Peer& peer) { peer.ack(PacketType::pubrec, 77); }},
    {PacketType::pubcomp, "MQTT-3.7.2-2 MQTT-3.7.2-3", [](Peer& peer) { peer.ack(PacketType::pubrel, 77); }},
    {PacketType::suback, "MQTT-3.9.2-1 MQTT-3.9.2-2", [](Peer& peer) { peer.subscribe("a/#/b", 0); }},
    {PacketType::unsuback, "MQTT-3.11.2-1 MQTT-3.11.2-2", [](Peer& peer) { peer.unsubscribe("a/#/b"); }},
    {PacketType::disconnect, "MQTT-3.14.2-3 MQTT-3.14.2-4",
     [](Peer& peer) {
       peer.raw({0xc1, 0});
     }},
};

BrokerOptions two_levels() {
  return with([](BrokerOptions& o) { o.limits.topic_levels = 2; });
}

// What a client of that maximum packet size gets (0: it has none). `connack_size`: what it needs at least.
Sent answer_within(const Answer& to, std::uint32_t packet_size_max, std::size_t* connack_size = nullptr) {
  Bed bed(two_levels());
  Peer peer(bed);
  peer.connect({.id = "c", .packet_size_max = packet_size_max != 0 ? std::optional(packet_size_max) : std::nullopt});
  const auto connack = peer.take();
  if (connack_size != nullptr) *connack_size = connack.at(0).bytes.size();
  to.provoke(peer);
  const auto packets = peer.take();
  EXPECT_THAT(packets, SizeIs(1));
  return packets.at(0);
}

TEST(AnswerProperties, AreLeftOutWhereTheyDoNotFit) {
  for (const Answer& to : kAnswers) {
    SCOPED_TRACE(to_string(to.type));
    std::size_t smallest = 0;
    const Sent full = answer_within(to, 0, &smallest);
    ASSERT_EQ(full.type, to.type);
    const std::size_t enough = std::max(smallest, full.bytes.size()) + 40;
    for (auto size = static_cast<std::uint32_t>(smallest); size <= enough; ++size) {
      const Sent fits = answer_within(to, size);
      EXPECT_EQ(fits.text(), full.text()) << size;
      EXPECT_LE(fits.bytes.size(), size);
    }
    covers_v5(to.statements);
  }
}

TEST(AnswerProperties, OfARefusalAreLeftOutWhereTheyDoNotFit) {
  covers_v5("MQTT-3.2.2-19 MQTT-3.2.2-20");
  for (std::uint32_t size = 5; size < 200; ++size) {
    Bed bed;
    bed.authority.decision = auth::Decision::refused;
    Peer peer(bed);
    const auto packets = peer.connect({.id = "c", .packet_size_max = size, .user = "u", .password = "p"}).take();
    ASSERT_THAT(packets, SizeIs(1));
    EXPECT_EQ(packets[0].text(), "CONNACK 0x86");
    EXPECT_LE(packets[0].bytes.size(), size);
  }
}

TEST(AnswerProperties, AreNotForAClientThatDoesNotWantThem) {
  covers_v5("MQTT-3.1.2-29");
  for (const Answer& to : kAnswers) {
    if (to.type == PacketType::disconnect) continue;  // may have them all the same
    SCOPED_TRACE(to_string(to.type));
    Bed bed(two_levels());
    Peer peer(bed);
    mqtt::PropertyWriter properties;
    properties.number(PropertyId::request_problem_information, 0);
    mqtt::Connect connect;
    connect.client_id = "c";
    connect.properties = properties.view(mqtt::PropertyPlace::connect);
    peer.send(connect).skip();
    to.provoke(peer);
    const auto packets = peer.take();
    ASSERT_THAT(packets, SizeIs(1));
    const auto told = std::visit(
        [](const auto& packet) {
          if constexpr (requires { packet.properties; }) return packet.properties;
          else return mqtt::Properties{};
        },
        packets[0].packet());
    EXPECT_FALSE(told.has(PropertyId::reason_string));
    EXPECT_FALSE(told.has(PropertyId::user_property));
  }
}

}  // namespace
}  // namespace shoal::broker
