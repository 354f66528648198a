#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// Messages to clients: QoS flows from the server (4.3), resending (4.4), receive maximum (4.9), queues.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using enum PacketType;

struct SendFlow : testing::TestWithParam<Version> {
  explicit SendFlow(BrokerOptions options = with([](BrokerOptions& o) { o.limits.inflight = 2; }))
      : bed(std::move(options)) {
    peer = std::make_unique<Peer>(bed, GetParam());
    source.connect({"source"}).skip();
  }
  bool v5() const { return GetParam() == Version::v5; }
  /// A session that is kept, subscribed to `t` at `qos`.
  void open(std::uint8_t qos) {
    resume();
    peer->subscribe("t", qos).skip();
  }
  /// Connects again and gives what came behind the CONNACK.
  std::vector<std::string> resume() {
    if (!peer->closed() && peer->client().connected()) peer->drop();
    peer = std::make_unique<Peer>(bed, GetParam());
    peer->connect({.id = "c", .clean = false, .expiry_s = v5() ? std::optional(1000u) : std::nullopt});
    std::vector<std::string> texts = peer->got();
    texts.erase(texts.begin());
    return texts;
  }
  void publish(std::string_view payload, std::uint8_t qos = 2) {
    source.publish("t", payload, {.qos = qos, .id = static_cast<std::uint16_t>(qos != 0 ? 1 : 0)});
    if (qos == 2) source.ack(pubrel, 1);
  }

  Bed bed;
  Peer source{bed};
  std::unique_ptr<Peer> peer;
};

TEST_P(SendFlow, Qos1) {
  covers_v5("MQTT-4.3.2-1 MQTT-4.3.2-2 MQTT-4.3.2-3");
  covers_v311("MQTT-4.3.2-1");
  open(1);
  publish("a");
  publish("b");
  publish("c");
  EXPECT_THAT(peer->got(), ElementsAre("PUBLISH t=a q1 #1", "PUBLISH t=b q1 #2"));
  // Out of order: each frees its own identifier.
  EXPECT_THAT(peer->ack(puback, 2).got(), ElementsAre("PUBLISH t=c q1 #3"));
  EXPECT_THAT(peer->ack(puback, 1).ack(puback, 3).got(), IsEmpty());
}

TEST_P(SendFlow, Qos2) {
  covers_v5("MQTT-4.3.3-1 MQTT-4.3.3-2 MQTT-4.3.3-3 MQTT-4.3.3-4 MQTT-4.3.3-5");
  covers_v311("MQTT-4.3.3-1");
  open(2);
  publish("a");
  publish("b");
  publish("c");
  EXPECT_THAT(peer->got(), ElementsAre("PUBLISH t=a q2 #1", "PUBLISH t=b q2 #2"));
  EXPECT_THAT(peer->ack(pubrec, 2).got(), ElementsAre("PUBREL #2"));
  EXPECT_THAT(peer->ack(pubrec, 2).got(), ElementsAre("PUBREL #2"));
  EXPECT_THAT(peer->ack(pubrec, 1).got(), ElementsAre("PUBREL #1"));
  EXPECT_THAT(peer->ack(pubcomp, 1).got(), ElementsAre("PUBLISH t=c q2 #3"));
  EXPECT_THAT(peer->ack(pubcomp, 2).got(), IsEmpty());
}

TEST_P(SendFlow, AcksThatBelongToNothingAreSurvived) {
  open(2);
  publish("a");
  peer->skip();
  EXPECT_THAT(peer->ack(puback, 77).ack(pubcomp, 77).got(), IsEmpty());
  EXPECT_THAT(peer->ack(pubrec, 77).got(), ElementsAre(v5() ? "PUBREL #77 0x92" : "PUBREL #77"));
  EXPECT_THAT(peer->ack(pubrec, 1).got(), ElementsAre("PUBREL #1"));
  publish("b", 1);
  EXPECT_THAT(peer->got(), ElementsAre("PUBLISH t=b q1 #2"));
  EXPECT_THAT(resume(), ElementsAre("PUBREL #1", "PUBLISH t=b q1 #2 dup"));
}

// 4.3: the flow of a message is that of its QoS.
TEST_P(SendFlow, AcksOfTheWrongKindEndTheConnection) {
  for (const auto& [qos, type] : {std::pair{1, pubrec}, {1, pubcomp}, {2, puback}, {2, pubcomp}}) {
    Peer(bed, GetParam()).connect({.id = "c"}).disconnect();  // nothing is left of the last one
    open(2);
    publish("a", static_cast<std::uint8_t>(qos));
    const std::uint16_t id = peer->take().at(0).as<mqtt::Publish>().id;
    const std::vector<std::string> got = peer->ack(type, id).got();
    EXPECT_EQ(got, v5() ? std::vector<std::string>{"DISCONNECT 0x82"} : std::vector<std::string>{})
        << qos << to_string(type);
    EXPECT_TRUE(peer->closed()) << qos << to_string(type);
  }
}

TEST_P(SendFlow, Qos0IsNeverHeldUp) {
  open(2);
  publish("a");
  publish("b");
  publish("c");
  publish("now", 0);
  EXPECT_THAT(peer->got(), ElementsAre("PUBLISH t=a q2 #1", "PUBLISH t=b q2 #2", "PUBLISH t=now q0"));
}

TEST_P(SendFlow, ResendsInTheOriginalOrder) {
  covers_v5("MQTT-3.3.1-1 MQTT-4.3.3-5 MQTT-4.3.3-6 MQTT-4.4.0-1 MQTT-4.6.0-1 MQTT-4.6.0-4");
  covers_v311("MQTT-2.3.1-3 MQTT-3.3.1-1 MQTT-4.3.3-1 MQTT-4.4.0-1 MQTT-4.6.0-1 MQTT-4.6.0-4");
  open(2);
  publish("a");
  publish("b", 1);
  publish("c");
  peer->ack(puback, 2).skip();  // #1 and #3 are in flight now: a and c
  publish("d", 1);
  peer->ack(pubrec, 3).skip();
  EXPECT_THAT(resume(), ElementsAre("PUBLISH t=a q2 #1 dup", "PUBREL #3"));
  EXPECT_THAT(peer->ack(pubrec, 1).ack(pubcomp, 1).got(), ElementsAre("PUBREL #1", "PUBLISH t=d q1 #4"));
  EXPECT_THAT(peer->ack(pubcomp, 3).ack(puback, 4).got(), IsEmpty());
  EXPECT_THAT(resume(), IsEmpty());
}

TEST_P(SendFlow, ResendsOnlyOnceAConnectionAndOnEveryOne) {
  covers_v5("MQTT-3.3.1-1 MQTT-4.3.2-3 MQTT-4.4.0-1");
  covers_v311("MQTT-3.3.1-1 MQTT-4.3.2-1 MQTT-4.4.0-1");
  open(1);
  publish("a");
  EXPECT_THAT(resume(), ElementsAre("PUBLISH t=a q1 #1 dup"));
  bed.advance(base::seconds(100));
  EXPECT_THAT(peer->got(), IsEmpty());  // MQTT-4.4.0-1: at no other time
  EXPECT_THAT(resume(), ElementsAre("PUBLISH t=a q1 #1 dup"));
}

TEST_P(SendFlow, QueuesForAnAbsentSession) {  // MQTT-3.1.2.4; DUP is not set for what is sent first
  covers_v5("MQTT-3.1.2-23 MQTT-4.5.0-1");
  covers_v311("MQTT-3.1.2-5 MQTT-4.1.0-1 MQTT-4.5.0-1");
  open(2);
  peer->drop();
  publish("a", 0);
  publish("b", 1);
  publish("c", 2);
  EXPECT_THAT(resume(), ElementsAre("PUBLISH t=b q1 #1", "PUBLISH t=c q2 #2"));
}

TEST_P(SendFlow, AnIdentifierInFlightIsNotUsedAgain) {
  covers_v5("MQTT-2.2.1-4 MQTT-4.3.2-1");
  covers_v311("MQTT-2.3.1-4");
  open(1);
  publish("first");
  peer->skip();
  std::set<std::uint16_t> used;
  for (int i = 0; i < 300; ++i) {
    publish("next");
    const auto packets = peer->take();
    ASSERT_EQ(packets.size(), 1u);
    const std::uint16_t id = packets[0].as<mqtt::Publish>().id;
    EXPECT_NE(id, 1);
    EXPECT_NE(id, 0);
    used.insert(id);
    peer->ack(puback, id);
  }
  EXPECT_THAT(peer->ack(puback, 1).got(), IsEmpty());
}

TEST_P(SendFlow, ACleanStartForgetsWhatWasInFlight) {
  covers_v5("MQTT-3.1.2-4");
  covers_v311("MQTT-3.1.2-6");
  open(2);
  publish("a");
  publish("b");
  publish("c");
  peer->drop();
  Peer clean(bed, GetParam());
  EXPECT_THAT(clean.connect({"c", true}).got(), ElementsAre("CONNACK 0"));
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
}

INSTANTIATE_TEST_SUITE_P(Versions, SendFlow, testing::Values(Version::v3_1, Version::v3_1_1, Version::v5));

struct Window : testing::Test {
  void publish(std::string_view payload, std::uint8_t qos) {
    source.publish("t", payload, {.qos = qos, .id = static_cast<std::uint16_t>(qos != 0 ? 1 : 0)});
    if (qos == 2) source.ack(pubrel, 1);
  }
  Bed bed;
  Peer source{bed};
  Window() { source.connect({"source"}).skip(); }
};

TEST_F(Window, ReceiveMaximumOfTheClient) {
  covers_v5("MQTT-3.3.4-9 MQTT-4.4.0-2 MQTT-4.9.0-1 MQTT-4.9.0-2");
  Peer peer(bed);
  peer.connect({.id = "c", .receive_maximum = 2}).subscribe("t", 2).skip();
  publish("a", 1);
  publish("b", 2);
  publish("c", 1);
  publish("d", 2);
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=a q1 #1", "PUBLISH t=b q2 #2"));
  EXPECT_THAT(peer.ack(pubrec, 2).got(), ElementsAre("PUBREL #2"));  // does not open the window
  EXPECT_THAT(peer.ack(pubcomp, 2).got(), ElementsAre("PUBLISH t=c q1 #3"));
  EXPECT_THAT(peer.ack(puback, 1).got(), ElementsAre("PUBLISH t=d q2 #4"));
  publish("e", 1);
  EXPECT_THAT(peer.got(), IsEmpty());
  // A PUBREC that refuses ends the flow, without a PUBREL, and opens the window (4.9).
  EXPECT_THAT(peer.ack(pubrec, 4, ReasonCode::quota_exceeded).got(), ElementsAre("PUBLISH t=e q1 #5"));
}

TEST_F(Window, HoldsUpNothingButMessages) {
  covers_v5("MQTT-3.3.4-10 MQTT-4.9.0-3");
  Peer peer(bed);
  peer.connect({.id = "c", .receive_maximum = 1}).subscribe("t", 2).skip();
  publish("a", 2);
  publish("b", 1);
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=a q2 #1"));
  peer.ping().subscribe("x", 0).unsubscribe("x").publish("y", "own", {.qos = 1, .id = 1});
  peer.publish("y", "own", {.qos = 2, .id = 2}).ack(pubrel, 2).ack(pubrec, 1);
  publish("now", 0);
  EXPECT_THAT(peer.got(), ElementsAre("PINGRESP", "SUBACK #1 0", "UNSUBACK #1 0", "PUBACK #1 16", "PUBREC #2 16",
                                      "PUBCOMP #2", "PUBREL #1", "PUBLISH t=now q0"));
  EXPECT_THAT(peer.ack(pubcomp, 1).got(), ElementsAre("PUBLISH t=b q1 #2"));
}

TEST_F(Window, ReceiveMaximumHoldsForResending) {  // 4.9: it is that of the new connection
  covers_v5("MQTT-3.3.4-9");
  Peer first(bed);
  first.connect({.id = "c", .expiry_s = 100}).subscribe("t", 1).skip();
  for (const char* payload : {"a", "b", "c"}) publish(payload, 1);
  first.drop();
  Peer second(bed);
  second.connect({.id = "c", .clean = false, .receive_maximum = 1});
  EXPECT_THAT(second.got(), ElementsAre("CONNACK 0 present", "PUBLISH t=a q1 #1 dup"));
  publish("d", 1);
  EXPECT_THAT(second.ack(puback, 1).got(), ElementsAre("PUBLISH t=b q1 #2 dup"));
  EXPECT_THAT(second.ack(puback, 2).got(), ElementsAre("PUBLISH t=c q1 #3 dup"));
  EXPECT_THAT(second.ack(puback, 3).got(), ElementsAre("PUBLISH t=d q1 #4"));
}

TEST_F(Window, MaximumPacketSize) {  // MQTT-3.1.2-24, -25: discarded, and as if it had been sent
  covers_v5("MQTT-3.1.2-24 MQTT-3.1.2-25");
  Peer peer(bed);
  peer.connect({.id = "c", .packet_size_max = 60}).subscribe("t", 2).skip();
  const std::string large(60, 'x');
  publish(large, 0);
  publish(large, 1);
  publish(large, 2);
  publish("small", 1);
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=small q1 #3"));
  EXPECT_EQ(bed.stats().messages_dropped_size, 3u);
}

TEST_F(Window, MaximumPacketSizeToTheByte) {
  covers_v5("MQTT-3.1.2-24");
  Peer peer(bed);
  peer.connect({.id = "c", .packet_size_max = 60}).subscribe("t", 0).skip();
  const std::string fits(60 - 2 - 3 - 1, 'x');  // fixed header, topic, property length
  publish(fits, 0);
  EXPECT_EQ(peer.got().size(), 1u);
  publish(fits + "x", 0);
  EXPECT_EQ(peer.got().size(), 0u);
}

TEST(AnswerSize, ConnackHasToFit) {
  covers_v5("MQTT-3.1.2-24");
  Bed bed;
  std::uint32_t needed = 5;
  for (;; ++needed) {
    Peer peer(bed);
    const auto packets = peer.connect({.id = "c", .expiry_s = 100, .packet_size_max = needed}).take();
    ASSERT_EQ(packets.size(), 1u);
    ASSERT_LE(packets[0].bytes.size(), needed);
    if (packets[0].text() == "CONNACK 0") {
      EXPECT_EQ(packets[0].bytes.size(), needed);
      break;
    }
    EXPECT_EQ(packets[0].text(), "CONNACK 0x95");
    EXPECT_TRUE(peer.closed());
    EXPECT_EQ(bed.stats().sessions_now, 0u);
  }
  Peer tiny(bed);
  EXPECT_THAT(tiny.connect({.id = "d", .packet_size_max = 4}).got(), IsEmpty());
  EXPECT_TRUE(tiny.closed());
}

TEST(AnswerSize, SubackHasToFit) {
  covers_v5("MQTT-3.1.2-24");
  Bed bed;
  Peer peer(bed);
  peer.connect({.id = "c", .packet_size_max = 40}).skip();
  std::vector<std::uint8_t> filters;
  for (int i = 0; i < 40; ++i) mqtt::append_filter(filters, {"t", {}}, true);
  peer.send(mqtt::Subscribe{1, {}, mqtt::FilterList(filters, true)});
  EXPECT_THAT(peer.got(), ElementsAre("DISCONNECT 0x95"));
  EXPECT_TRUE(peer.closed());
}

TEST_F(Window, ASlowReaderLosesQos0AndKeepsTheRest) {
  bed.options.limits.output_bytes = 100;
  Peer peer(bed);
  peer.connect({"c"}).subscribe("t", 2).skip().stall(true);
  const std::string payload(100, 'x');
  publish(payload, 0);
  publish("lost", 0);
  publish("kept", 1);
  EXPECT_EQ(bed.stats().messages_dropped_slow, 1u);
  peer.stall(false);
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=" + payload + " q0", "PUBLISH t=kept q1 #1"));
}

TEST_F(Window, NothingPassesTheQueueWhenThereIsRoomAgain) {
  covers_v5("MQTT-4.6.0-5 MQTT-4.6.0-6");
  bed.options.limits.output_bytes = 100;
  Peer peer(bed);
  peer.connect({"c"}).subscribe("t", 1).skip().stall(true);
  const std::string payload(100, 'x');
  publish(payload, 1);
  publish("queued", 1);
  peer.trickle(50);
  publish("behind it", 1);
  peer.stall(false);
  EXPECT_THAT(peer.got(),
              ElementsAre("PUBLISH t=" + payload + " q1 #1", "PUBLISH t=queued q1 #2", "PUBLISH t=behind it q1 #3"));
}

struct FullQueue : testing::Test {
  // One in flight and two queued; then a fourth.
  void fill(QueueFull rule, bool online) {
    bed = std::make_unique<Bed>(with([&](BrokerOptions& o) {
      o.limits.inflight = 1;
      o.limits.queued_messages = 2;
      o.queue_full = rule;
    }));
    source = std::make_unique<Peer>(*bed);
    source->connect({"source"}).skip();
    peer = std::make_unique<Peer>(*bed);
    peer->connect({.id = "c", .expiry_s = 100}).subscribe("t", 1).skip();
    publish("a");
    if (!online) peer->drop();
    for (const char* payload : {"b", "c", "d"}) publish(payload);
  }
  void publish(std::string_view payload) {
    source->publish("t", payload, {.qos = 1, .id = 1});
    bed->advance(base::milliseconds(100));  // a publisher into a filling queue is made to wait
    EXPECT_THAT(source->got(), ElementsAre("PUBACK #1"));
  }
  /// Everything the session gets when its client comes back.
  std::vector<std::string> rest() {
    peer = std::make_unique<Peer>(*bed);
    peer->connect({.id = "c", .clean = false, .expiry_s = 100}).skip();
    for (std::uint16_t id = 1; id < 9; ++id) peer->ack(puback, id);
    return peer->got();
  }

  std::unique_ptr<Bed> bed;
  std::unique_ptr<Peer> source;
  std::unique_ptr<Peer> peer;
};

TEST_F(FullQueue, DropNew) {
  fill(QueueFull::drop_new, false);
  EXPECT_EQ(bed->stats().messages_dropped_queue, 1u);
  EXPECT_THAT(rest(), ElementsAre("PUBLISH t=b q1 #2", "PUBLISH t=c q1 #3"));
}

TEST_F(FullQueue, DropOld) {
  fill(QueueFull::drop_old, false);
  EXPECT_EQ(bed->stats().messages_dropped_queue, 1u);
  EXPECT_THAT(rest(), ElementsAre("PUBLISH t=c q1 #2", "PUBLISH t=d q1 #3"));
}

TEST_F(FullQueue, Disconnect) {
  fill(QueueFull::disconnect, true);
  EXPECT_THAT(peer->got(), ElementsAre("PUBLISH t=a q1 #1", "DISCONNECT 0x97"));
  EXPECT_TRUE(peer->closed());
  EXPECT_EQ(bed->stats().messages_dropped_queue, 1u);
  EXPECT_THAT(rest(), ElementsAre("PUBLISH t=b q1 #2", "PUBLISH t=c q1 #3"));
}

TEST_F(FullQueue, DisconnectWithNobodyThereDropsTheNew) {
  fill(QueueFull::disconnect, false);
  EXPECT_THAT(rest(), ElementsAre("PUBLISH t=b q1 #2", "PUBLISH t=c q1 #3"));
}

TEST_F(FullQueue, OfThePublisherItself) {
  bed = std::make_unique<Bed>(with([&](BrokerOptions& o) {
    o.limits.inflight = 1;
    o.limits.queued_messages = 1;
    o.queue_full = QueueFull::disconnect;
  }));
  peer = std::make_unique<Peer>(*bed);
  peer->connect({"c"}).subscribe("t", 1).skip();
  for (std::uint16_t id = 1; id <= 3; ++id) {
    peer->publish("t", "x", {.qos = 1, .id = id});
    bed->advance(base::milliseconds(100));
  }
  EXPECT_TRUE(peer->closed());
  EXPECT_EQ(peer->got().back(), "DISCONNECT 0x97");
}

TEST(QueueTotal, PublishersAreRefused) {  // 0x97
  covers_v311("MQTT-3.3.5-2 MQTT-4.8.0-2");
  Bed bed(with([](BrokerOptions& o) { o.limits.queued_bytes_total = 20; }));  // the client ids take 14
  Peer absent(bed);
  absent.connect({.id = "c", .expiry_s = 100}).subscribe("t", 1).drop();
  Peer source(bed);
  source.connect({"source"}).skip();
  EXPECT_THAT(source.publish("t", "0123456789", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1"));
  EXPECT_THAT(source.publish("t", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 0x97"));
  EXPECT_THAT(source.publish("t", "x", {.qos = 2, .id = 2}).got(), ElementsAre("PUBREC #2 0x97"));
  for (const std::uint8_t qos : {1, 2}) {
    Peer old(bed, Version::v3_1_1);
    EXPECT_THAT(old.connect({"old"}).skip().publish("t", "x", {.qos = qos, .id = 1}).got(), IsEmpty());
    EXPECT_TRUE(old.closed());
  }
  Peer back(bed);
  back.connect({.id = "c", .clean = false});
  EXPECT_THAT(back.got(), ElementsAre("CONNACK 0 present", "PUBLISH t=0123456789 q1 #1"));
  EXPECT_THAT(source.publish("t", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1"));
}

}  // namespace
}  // namespace shoal::broker
