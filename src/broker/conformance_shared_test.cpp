#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"

// Shared subscriptions statement by statement: 4.8.2.

namespace shoal::broker {
namespace {

using base::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using enum PacketType;

struct Sharing : testing::Test {
  explicit Sharing(BrokerOptions options = {}) : bed(std::move(options)) { source.connect({"source"}).skip(); }
  /// A connected member of `$share/g/t` whose session is kept.
  Peer& member(std::string_view id, std::uint8_t qos, std::optional<std::uint16_t> receive_maximum = {}) {
    Peer& peer = resume(id, receive_maximum);
    peer.subscribe("$share/g/t", qos).skip();
    return peer;
  }
  Peer& resume(std::string_view id, std::optional<std::uint16_t> receive_maximum = {}) {
    peers.push_back(std::make_unique<Peer>(bed));
    peers.back()->connect({.id = id, .clean = false, .expiry_s = 1000, .receive_maximum = receive_maximum}).skip();
    return *peers.back();
  }
  void publish(std::string_view payload, std::uint8_t qos = 1) {
    source.publish("t", payload, {.qos = qos, .id = static_cast<std::uint16_t>(qos != 0 ? 1 : 0)});
    if (qos == 2) source.ack(pubrel, 1);
    source.skip();
  }

  Bed bed;
  Peer source{bed};
  std::vector<std::unique_ptr<Peer>> peers;
};

TEST_F(Sharing, FiltersThatAreNone) {
  covers_v5("MQTT-4.8.2-1 MQTT-4.8.2-2");
  Peer& peer = resume("c");
  for (const char* filter : {"$share//t", "$share/g", "$share/g/", "$share/", "$share/+/t", "$share/#/t", "$share/g+/t",
                             "$share/g/a#", "$share/g/#/a"}) {
    EXPECT_THAT(peer.subscribe(filter, 1).got(), ElementsAre("SUBACK #1 0x8f")) << filter;
    EXPECT_THAT(peer.unsubscribe(filter).got(), ElementsAre("UNSUBACK #1 0x8f")) << filter;
  }
  EXPECT_THAT(peer.subscribe("$share/g/#", 1).subscribe("$share/g//", 2).subscribe("$share/x y/a/+", 0).got(),
              ElementsAre("SUBACK #1 1", "SUBACK #1 2", "SUBACK #1 0"));
}

TEST_F(Sharing, EachMessageGoesToOneMember) {  // 4.8.2, balanced
  std::vector<Peer*> members;
  for (const char* id : {"a", "b", "c"}) members.push_back(&member(id, 0));
  for (int i = 0; i < 30; ++i) publish(std::to_string(i), 0);
  std::map<std::string, int> seen;
  for (Peer* peer : members) {
    const auto texts = peer->got();
    EXPECT_EQ(texts.size(), 10u);
    for (const std::string& text : texts) ++seen[text];
  }
  EXPECT_EQ(seen.size(), 30u);
}

TEST_F(Sharing, EveryGroupGetsACopy) {
  Peer& a = member("a", 0);
  Peer& b = resume("b");
  b.subscribe("$share/h/t", 0).subscribe("$share/h/+", 0).skip();  // the filter belongs to the group's identity
  publish("x", 0);
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=x q0"));
  EXPECT_THAT(b.got(), ElementsAre("PUBLISH t=x q0", "PUBLISH t=x q0"));
}

TEST_F(Sharing, OrdinarySubscriptionsAreApart) {  // one copy for each kind, each with its own identifier
  Peer& a = resume("a");
  a.subscribe("$share/g/t", {.qos = 1}, 7).subscribe("t", {.qos = 0}, 9).subscribe("#", {.qos = 0}, 11).skip();
  publish("x");
  std::vector<std::vector<std::uint32_t>> ids;
  for (const Sent& sent : a.take()) {
    const auto packet = sent.as<mqtt::Publish>();
    ids.emplace_back();
    packet.properties.each([&](PropertyId id, base::Bytes value) {
      if (id == PropertyId::subscription_identifier) ids.back().push_back(value[0]);
    });
  }
  EXPECT_THAT(ids, UnorderedElementsAre(ElementsAre(7u), UnorderedElementsAre(9u, 11u)));
}

TEST_F(Sharing, TheGrantedQosOfTheMemberHolds) {
  covers_v5("MQTT-4.8.2-3");
  Peer& a = member("a", 0);
  Peer& b = member("b", 1);
  Peer& c = member("c", 2);
  for (int i = 0; i < 3; ++i) publish(std::to_string(i), 2);
  const auto qos_of = [](Peer& peer) {
    const auto packets = peer.take();
    EXPECT_EQ(packets.size(), 1u);
    return packets.empty() ? 9 : int{packets[0].as<mqtt::Publish>().qos};
  };
  EXPECT_EQ(qos_of(a), 0);
  EXPECT_EQ(qos_of(b), 1);
  EXPECT_EQ(qos_of(c), 2);
}

TEST_F(Sharing, NothingRetainedIsSentToThem) {  // 3.8.3.1, 4.8.2
  source.publish("t", "kept", {.retain = true});
  Peer& peer = resume("a");
  for (const std::uint8_t handling : {0, 1, 2}) {
    EXPECT_THAT(peer.subscribe("$share/g/t", {.retain_handling = handling}).got(), ElementsAre("SUBACK #1 0"));
  }
}

TEST_F(Sharing, RetainAsPublished) {
  covers_v5("MQTT-3.3.1-12 MQTT-3.3.1-13");
  Peer& peer = resume("a");
  peer.subscribe("$share/g/t", {.retain_as_published = true}).skip();
  source.publish("t", "1", {.retain = true});
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=1 q0 retain"));
  peer.subscribe("$share/g/t", {}).skip();  // replaced
  source.publish("t", "2", {.retain = true});
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=2 q0"));
}

TEST_F(Sharing, ThePublisherMayBeTheMember) {
  Peer& peer = member("a", 0);
  peer.publish("t", "own");
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=own q0"));
}

TEST_F(Sharing, WildcardsDoNotFindDollarTopics) {
  covers_v5("MQTT-4.7.2-1");
  Peer& peer = resume("a");
  peer.subscribe("$share/g/#", 0).subscribe("$share/g/+/x", 0).subscribe("$share/g/$d/#", 0).skip();
  source.publish("$d/x", "1");
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH $d/x=1 q0"));
}

TEST_F(Sharing, OfOlderVersionsToo) {
  Peer old(bed, Version::v3_1_1);
  EXPECT_THAT(old.connect({"old"}).skip().subscribe("$share/g/t", 1).got(), ElementsAre("SUBACK #1 1"));
  publish("x");
  EXPECT_THAT(old.got(), ElementsAre("PUBLISH t=x q1 #1"));
  EXPECT_THAT(old.unsubscribe("$share/g/t").got(), ElementsAre("UNSUBACK #1"));
}

TEST_F(Sharing, SubscribedAgainReplacesAndUnsubscribedEnds) {
  covers_v5("MQTT-3.8.4-3 MQTT-3.10.4-1 MQTT-3.11.3-1");
  Peer& peer = member("a", 0);
  EXPECT_THAT(peer.subscribe("$share/g/t", 2).got(), ElementsAre("SUBACK #1 2"));
  EXPECT_EQ(bed.stats().subscriptions_now, 1u);
  publish("x", 2);
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=x q2 #1"));
  EXPECT_THAT(
      peer.unsubscribe("$share/other/t").unsubscribe("t").unsubscribe("$share/g/t").unsubscribe("$share/g/t").got(),
      ElementsAre("UNSUBACK #1 17", "UNSUBACK #1 17", "UNSUBACK #1 0", "UNSUBACK #1 17"));
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
  source.publish("t", "x", {.qos = 1, .id = 5});
  EXPECT_THAT(source.got(), ElementsAre("PUBACK #5 16"));
}

TEST_F(Sharing, OnlyConnectedMembersAreChosen) {
  Peer& a = member("a", 1);
  Peer& b = member("b", 1);
  a.drop();
  for (int i = 0; i < 4; ++i) publish(std::to_string(i));
  EXPECT_EQ(b.got().size(), 4u);
  EXPECT_THAT(resume("a").got(), IsEmpty());
}

TEST_F(Sharing, WithNobodyThereMessagesWaitOnceForTheGroup) {
  covers_v5("MQTT-4.5.0-1");
  member("a", 1).drop();
  member("b", 1).drop();
  for (int i = 0; i < 3; ++i) publish(std::to_string(i));
  publish("at QoS 0", 0);
  EXPECT_EQ(bed.stats().queued_messages_now, 3u);
  peers.push_back(std::make_unique<Peer>(bed));
  Peer& b = *peers.back();
  EXPECT_THAT(b.connect({.id = "b", .clean = false, .expiry_s = 1000}).got(),
              ElementsAre("CONNACK 0 present", "PUBLISH t=0 q1 #1", "PUBLISH t=1 q1 #2", "PUBLISH t=2 q1 #3"));
  EXPECT_THAT(resume("a").got(), IsEmpty());
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
}

TEST_F(Sharing, WhatWaitsExpires) {
  covers_v5("MQTT-3.3.2-5 MQTT-3.3.2-6");
  member("a", 1).drop();
  How how{.qos = 1, .id = 1};
  how.properties.number(PropertyId::message_expiry_interval, 10);
  source.publish("t", "short", how);
  bed.advance(seconds(4));
  source.publish("t", "longer", how);
  bed.advance(seconds(6));
  peers.push_back(std::make_unique<Peer>(bed));
  const auto packets = peers.back()->connect({.id = "a", .clean = false}).take();
  ASSERT_EQ(packets.size(), 2u);
  const auto packet = packets[1].as<mqtt::Publish>();
  EXPECT_EQ(base::as_text(packet.payload), "longer");
  EXPECT_EQ(packet.properties.number(PropertyId::message_expiry_interval), 4u);
}

TEST_F(Sharing, AFullMemberIsPassedOver) {
  Peer& a = member("a", 1, 1);
  Peer& b = member("b", 1, 3);
  for (int i = 0; i < 6; ++i) publish(std::to_string(i));
  EXPECT_EQ(a.take().size(), 1u);
  EXPECT_EQ(b.take().size(), 3u);
  EXPECT_THAT(a.ack(puback, 1).got(), ElementsAre("PUBLISH t=4 q1 #2"));
  EXPECT_THAT(b.ack(puback, 2).got(), ElementsAre("PUBLISH t=5 q1 #4"));
}

TEST_F(Sharing, ConnectionLossKeepsAtQos1WhatIsInFlight) {  // 4.8.2: it may, and it is not sent to two members
  Peer& a = member("a", 1);
  publish("x");
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=x q1 #1"));
  Peer& b = member("b", 1);
  a.drop();
  EXPECT_THAT(b.got(), IsEmpty());
  peers.push_back(std::make_unique<Peer>(bed));
  EXPECT_THAT(peers.back()->connect({.id = "a", .clean = false}).got(),
              ElementsAre("CONNACK 0 present", "PUBLISH t=x q1 #1 dup"));
}

TEST_F(Sharing, AtTheSessionsEndAnotherMemberGetsWhatWasNotAcknowledgedAtQos1) {  // 4.8.2
  Peer& a = member("a", 1);
  for (const char* payload : {"1", "2", "3"}) publish(payload);
  a.ack(puback, 2).skip();
  Peer& b = member("b", 2);
  a.disconnect(ReasonCode::success, 0);
  EXPECT_THAT(b.got(), ElementsAre("PUBLISH t=1 q1 #1", "PUBLISH t=3 q1 #2"));
}

TEST_F(Sharing, AtTheSessionsEndItWaitsWhenNobodyElseIsThere) {
  Peer& a = member("a", 1);
  publish("1");
  member("b", 1).drop();
  a.drop();
  publish("2");
  bed.stats();
  Peer again(bed);
  again.connect({.id = "a", .clean = true}).skip();  // ends the session of a
  peers.push_back(std::make_unique<Peer>(bed));
  EXPECT_THAT(peers.back()->connect({.id = "b", .clean = false}).got(),
              ElementsAre("CONNACK 0 present", "PUBLISH t=1 q1 #1", "PUBLISH t=2 q1 #2"));
}

TEST_F(Sharing, AtQos2TheSameSessionCompletesIt) {
  covers_v5("MQTT-4.8.2-4");
  Peer& a = member("a", 2);
  publish("1", 2);
  publish("2", 2);
  a.ack(pubrec, 2).skip();
  Peer& b = member("b", 2);
  a.drop();
  bed.advance(seconds(100));
  EXPECT_THAT(b.got(), IsEmpty());
  peers.push_back(std::make_unique<Peer>(bed));
  EXPECT_THAT(peers.back()->connect({.id = "a", .clean = false}).got(),
              ElementsAre("CONNACK 0 present", "PUBLISH t=1 q2 #1 dup", "PUBREL #2"));
}

TEST_F(Sharing, AtQos2NobodyElseGetsItWhenTheSessionEnds) {
  covers_v5("MQTT-4.8.2-5");
  Peer& a = member("a", 2);
  publish("1", 2);
  Peer& b = member("b", 2);
  a.disconnect(ReasonCode::success, 0);
  bed.advance(seconds(2000));
  EXPECT_THAT(b.got(), IsEmpty());
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
}

TEST_F(Sharing, WhatAMemberRefusesGoesToNobodyElse) {
  covers_v5("MQTT-4.8.2-6 MQTT-4.4.0-2");
  Peer& a = member("a", 2);
  publish("1", 1);
  publish("2", 2);
  Peer& b = member("b", 2);
  a.ack(puback, 1, ReasonCode::quota_exceeded).ack(pubrec, 2, ReasonCode::unspecified_error);
  a.disconnect(ReasonCode::success, 0);
  EXPECT_THAT(b.got(), IsEmpty());
}

TEST_F(Sharing, UnsubscribingKeepsWhatIsInFlight) {
  covers_v5("MQTT-3.10.4-2 MQTT-3.10.4-3");
  Peer& a = member("a", 2);
  publish("1", 2);
  EXPECT_THAT(a.skip().unsubscribe("$share/g/t").got(), ElementsAre("UNSUBACK #1 0"));
  publish("2", 2);
  EXPECT_THAT(a.ack(pubrec, 1).got(), ElementsAre("PUBREL #1"));
}

TEST_F(Sharing, TheQueueEndsWithTheGroup) {
  member("a", 1).drop();
  publish("x");
  EXPECT_EQ(bed.stats().queued_messages_now, 1u);
  bed.advance(seconds(1000));
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
}

TEST_F(Sharing, NoMemberWaitsWhileOthersAreStuck) {
  std::vector<Peer*> stuck;
  for (int i = 0; i < 40; ++i) {
    const std::string id = "stuck" + std::to_string(i);
    stuck.push_back(&member(id, 1, 1));
  }
  for (int i = 0; i < 40; ++i) publish("first");  // their windows are full
  Peer& free = member("free", 1);
  for (int i = 0; i < 200; ++i) {
    publish("x");
    for (const Sent& sent : free.take()) free.ack(puback, sent.as<mqtt::Publish>().id);
  }
  bed.advance(base::milliseconds(200));  // some may wait where another shard has stuck members
  for (std::vector<Sent> rest; !(rest = free.take()).empty();)
    for (const Sent& sent : rest) free.ack(puback, sent.as<mqtt::Publish>().id);
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
}

struct SharingBounds : Sharing {
  SharingBounds()
      : Sharing(with([](BrokerOptions& o) {
          o.limits.queued_messages = 3;
          o.limits.subscriptions = 2;
        })) {}
};

TEST_F(SharingBounds, OfTheGroupsQueue) {
  member("a", 1).drop();
  member("b", 1).drop();
  for (int i = 0; i < 5; ++i) publish(std::to_string(i));
  bed.advance(base::seconds(1));  // who publishes may be held back for a while
  EXPECT_EQ(bed.stats().queued_messages_now, 3u);
  EXPECT_EQ(bed.stats().messages_dropped_queue, 2u);
}

TEST_F(SharingBounds, OfSubscriptions) {
  Peer& peer = resume("a");
  EXPECT_THAT(
      peer.subscribe("$share/g/a", 0).subscribe("b", 0).subscribe("$share/g/c", 0).subscribe("$share/g/a", 1).got(),
      ElementsAre("SUBACK #1 0", "SUBACK #1 0", "SUBACK #1 0x97", "SUBACK #1 1"));
}

}  // namespace
}  // namespace shoal::broker
