#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"

// Shared subscriptions (4.8.2).

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Shared : testing::Test {
  explicit Shared(BrokerOptions options = with([](BrokerOptions&) {})) : bed(std::move(options)), source(bed) {
    source.connect({"source"}).skip();
  }

  void publish(std::string_view payload, std::uint8_t qos = 1, std::string_view topic = "t") {
    source.publish(topic, payload, {.qos = qos, .id = static_cast<std::uint16_t>(qos == 0 ? 0 : ++id)});
    if (qos == 2) source.ack(PacketType::pubrel, id);
  }

  Bed bed;
  Peer source;
  std::uint16_t id = 0;
};

// The session of a member that keeps none ends with the process, and its messages are for the others then.
TEST(SharedAndStored, WhatACleanMemberHasNotAcknowledgedIsThereForTheOthersAfterACrash) {
  store::MemoryStore::Disk disk;
  const auto options = with([](BrokerOptions&) {});
  {
    Bed bed(options, &disk);
    Peer early(bed), kept(bed), late(bed), source(bed);
    early.connect({"early"}).subscribe("$share/g/t", 1);
    kept.connect({.id = "kept", .clean = false, .expiry_s = 1000}).subscribe("$share/g/t", 1).drop();
    early.skip();
    source.connect({"source"}).publish("t", "1", {.qos = 1, .id = 1}).publish("t", "2", {.qos = 1, .id = 2});
    EXPECT_THAT(early.got(), ElementsAre("PUBLISH t=1 q1 #1", "PUBLISH t=2 q1 #2"));
    early.ack(PacketType::puback, 1);
    late.connect({"late"}).subscribe("$share/g/t", 2).skip();
    for (std::uint16_t id = 3; id < 7; ++id) source.publish("t", std::to_string(id), {.qos = 1, .id = id});
    source.publish("t", "as QoS 1", {.qos = 2, .id = 7}).publish("t", "as QoS 2", {.qos = 2, .id = 8});
    bed.crash();
  }
  Bed bed(options, &disk);
  bed.advance({});  // those two end
  EXPECT_EQ(bed.stats().sessions_now, 1u);
  Peer kept(bed);
  kept.connect({.id = "kept", .clean = false, .expiry_s = 1000});
  std::multiset<std::string> got;
  for (const Sent& packet : kept.take()) {
    if (packet.type == PacketType::publish) got.emplace(base::as_text(packet.as<mqtt::Publish>().payload));
  }
  EXPECT_THAT(got, ElementsAre("2", "3", "4", "5", "6", "as QoS 1"))
      << "not 1, which was acknowledged, nor what a member got at QoS 2 (MQTT-4.8.2-5)";
}

TEST_F(Shared, MembersTakeTurns) {
  Peer a(bed), b(bed, Version::v3_1_1), c(bed);
  for (auto [peer, name] : {std::pair{&a, "a"}, {&b, "b"}, {&c, "c"}}) {
    EXPECT_THAT(peer->connect({name}).skip().subscribe("$share/g/t", 0).got(), ElementsAre("SUBACK #1 0"));
  }
  for (int i = 0; i < 30; ++i) publish(std::to_string(i), 0);
  std::size_t all = 0;
  for (Peer* peer : {&a, &b, &c}) {
    const std::size_t got = peer->take().size();
    EXPECT_EQ(got, 10u);
    all += got;
  }
  EXPECT_EQ(all, 30u);
  EXPECT_EQ(bed.stats().subscriptions_now, 3u);
  c.disconnect();
  for (int i = 0; i < 10; ++i) publish(std::to_string(i), 0);
  EXPECT_EQ(a.take().size(), 5u);
  EXPECT_EQ(b.take().size(), 5u);
}

TEST_F(Shared, EveryGroupAndEveryOrdinarySubscriptionGetsItsCopy) {
  Peer a(bed);
  a.connect({"a"}).subscribe("$share/g/t", 1, 7).subscribe("$share/h/t", 1, 8).subscribe("t", 1, 9).skip();
  publish("x");
  std::map<std::uint32_t, int> by_id;
  for (const Sent& packet : a.take()) {
    ++by_id[packet.as<mqtt::Publish>().properties.number(PropertyId::subscription_identifier)];
  }
  EXPECT_EQ(by_id, (std::map<std::uint32_t, int>{{7, 1}, {8, 1}, {9, 1}}));
}

TEST_F(Shared, GrantedQosIsThatOfTheMember) {
  covers_v5("MQTT-4.8.2-3");
  Peer a(bed), b(bed);
  a.connect({"a"}).subscribe("$share/g/t", 0).skip();
  b.connect({"b"}).subscribe("$share/g/t", 2).skip();
  for (const char* payload : {"1", "2", "3", "4"}) publish(payload, 1);
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=1 q0", "PUBLISH t=3 q0"));
  EXPECT_THAT(b.got(), ElementsAre("PUBLISH t=2 q1 #1", "PUBLISH t=4 q1 #2"));
}

TEST_F(Shared, OptionsAndIdentifierAreTheMembers) {
  Peer a(bed);
  a.connect({"a"}).subscribe("$share/g/t", mqtt::SubscriptionOptions{.qos = 1, .retain_as_published = true}, 5).skip();
  source.publish("t", "x", {.qos = 1, .id = 1, .retain = true});
  const auto got = a.take();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].text(), "PUBLISH t=x q1 #1 retain");
  EXPECT_EQ(got[0].as<mqtt::Publish>().properties.number(PropertyId::subscription_identifier), 5u);
  // Again with others: replaced, not one more.
  a.subscribe("$share/g/t", mqtt::SubscriptionOptions{.qos = 0}).skip();
  source.publish("t", "y", {.retain = true});
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=y q0"));
  EXPECT_EQ(bed.stats().subscriptions_now, 1u);
}

TEST_F(Shared, NoRetainedMessages) {  // 3.8.4
  covers_v5("MQTT-3.3.1-9");
  source.publish("t", "kept", {.retain = true});
  Peer a(bed);
  a.connect({"a"}).skip();
  EXPECT_THAT(a.subscribe("$share/g/t", 1).got(), ElementsAre("SUBACK #1 1"));
}

TEST_F(Shared, WildcardsInGroupsDoNotMatchDollarTopics) {
  Peer a(bed);
  a.connect({"a"}).subscribe("$share/g/#", 0).skip();
  publish("x", 0, "$own/t");
  publish("y", 0, "t");
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=y q0"));
}

TEST_F(Shared, Unsubscribe) {
  Peer a(bed), b(bed);
  a.connect({"a"}).subscribe("$share/g/t", 0).skip();
  b.connect({"b"}).skip();
  EXPECT_THAT(b.unsubscribe("$share/g/t").got(), ElementsAre("UNSUBACK #1 17"));
  EXPECT_THAT(a.unsubscribe("t").got(), ElementsAre("UNSUBACK #1 17")) << "another filter";
  EXPECT_THAT(a.unsubscribe("$share/g/t").got(), ElementsAre("UNSUBACK #1 0"));
  publish("x", 0);
  EXPECT_THAT(a.got(), IsEmpty());
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
}

TEST_F(Shared, ABusyMemberIsPassedOver) {
  Peer a(bed), b(bed);
  a.connect({.id = "a", .receive_maximum = 1}).subscribe("$share/g/t", 1).skip();
  b.connect({.id = "b", .receive_maximum = 2}).subscribe("$share/g/t", 1).skip();
  for (const char* payload : {"1", "2", "3", "4", "5"}) publish(payload);
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=1 q1 #1"));
  EXPECT_THAT(b.got(), ElementsAre("PUBLISH t=2 q1 #1", "PUBLISH t=3 q1 #2"));
  EXPECT_EQ(bed.stats().queued_messages_now, 2u);
  EXPECT_THAT(b.ack(PacketType::puback, 2).got(), ElementsAre("PUBLISH t=4 q1 #3"));
  EXPECT_THAT(a.ack(PacketType::puback, 1).got(), ElementsAre("PUBLISH t=5 q1 #2"));
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
}

TEST_F(Shared, WaitsOnceForTheGroupWhileAllAreAbsent) {
  Peer a(bed), b(bed);
  a.connect({.id = "a", .expiry_s = 100}).subscribe("$share/g/t", 1).drop();
  b.connect({.id = "b", .expiry_s = 100}).subscribe("$share/g/t", 2).drop();
  source.skip();
  publish("0", 0);
  publish("1", 1);
  publish("2", 2);
  EXPECT_THAT(source.got(), ElementsAre("PUBACK #1", "PUBREC #2", "PUBCOMP #2")) << "they are subscribers";
  EXPECT_EQ(bed.stats().queued_messages_now, 2u);
  Peer back(bed);
  back.connect({.id = "b", .clean = false, .expiry_s = 100, .receive_maximum = 1});
  EXPECT_THAT(back.got(), ElementsAre("CONNACK 0 present", "PUBLISH t=1 q1 #1"));
  Peer too(bed);
  too.connect({.id = "a", .clean = false, .expiry_s = 100});
  bed.advance(base::milliseconds(200));
  EXPECT_THAT(too.got(), ElementsAre("CONNACK 0 present", "PUBLISH t=2 q1 #1"));
  EXPECT_THAT(back.ack(PacketType::puback, 1).got(), IsEmpty());
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
}

TEST_F(Shared, QueueOfTheGroupIsBounded) {
  Bed small(with([](BrokerOptions& o) { o.limits.queued_messages = 3; }));
  Peer member(small), from(small);
  member.connect({.id = "m", .expiry_s = 100}).subscribe("$share/g/t", 1).drop();
  from.connect({"from"});
  for (std::uint16_t n = 1; n <= 5; ++n) from.publish("t", std::to_string(n), {.qos = 1, .id = n});
  EXPECT_EQ(small.shard.stats().queued_messages_now, 3u);
  EXPECT_EQ(small.shard.stats().messages_dropped_queue, 2u);
  EXPECT_EQ(small.shard.stats().hits(Bound::queue), 2u);
  Peer back(small);
  back.connect({.id = "m", .clean = false});
  EXPECT_THAT(back.got(),
              ElementsAre("CONNACK 0 present", "PUBLISH t=1 q1 #1", "PUBLISH t=2 q1 #2", "PUBLISH t=3 q1 #3"));
}

TEST_F(Shared, WhatWaitsExpires) {
  Peer a(bed);
  a.connect({.id = "a", .expiry_s = 100}).subscribe("$share/g/t", 1).drop();
  How how{.qos = 1, .id = 1};
  how.properties.number(PropertyId::message_expiry_interval, 5);
  source.publish("t", "short", how);
  publish("long");
  bed.advance(base::seconds(6));
  Peer back(bed);
  back.connect({.id = "a", .clean = false});
  EXPECT_THAT(back.got(), ElementsAre("CONNACK 0 present", "PUBLISH t=long q1 #1"));
}

// 4.8.2: QoS 1, not acknowledged, and the session ends: others get it, first of all.
TEST_F(Shared, UnacknowledgedQos1GoesToAnotherMember) {
  Peer a(bed), b(bed);
  a.connect({"a"}).subscribe("$share/g/t", 1).skip();
  b.connect({.id = "b", .receive_maximum = 2}).subscribe("$share/g/t", 1).skip();
  for (const char* payload : {"1", "2", "3"}) publish(payload);
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=1 q1 #1", "PUBLISH t=3 q1 #2"));
  EXPECT_THAT(b.got(), ElementsAre("PUBLISH t=2 q1 #1"));
  a.drop();
  EXPECT_THAT(b.got(), ElementsAre("PUBLISH t=1 q1 #2")) << "not a duplicate for this one";
  publish("4");
  EXPECT_THAT(b.ack(PacketType::puback, 1).got(), ElementsAre("PUBLISH t=3 q1 #3")) << "before what came later";
  EXPECT_THAT(b.ack(PacketType::puback, 2).got(), ElementsAre("PUBLISH t=4 q1 #4"));
}

TEST_F(Shared, AfterAMereConnectionLossItStays) {
  Peer a(bed), b(bed);
  a.connect({.id = "a", .expiry_s = 10}).subscribe("$share/g/t", 1).skip();
  publish("1");
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=1 q1 #1"));
  a.drop();
  b.connect({"b"}).subscribe("$share/g/t", 1).skip();
  EXPECT_THAT(b.got(), IsEmpty());
  Peer again(bed);
  again.connect({.id = "a", .clean = false, .expiry_s = 10});
  EXPECT_THAT(again.got(), ElementsAre("CONNACK 0 present", "PUBLISH t=1 q1 #1 dup"));
  again.drop();
  bed.advance(base::seconds(10));
  EXPECT_THAT(b.got(), ElementsAre("PUBLISH t=1 q1 #1"));
}

TEST_F(Shared, Qos2IsCompletedWithItsMemberOrNobody) {
  covers_v5("MQTT-4.8.2-4 MQTT-4.8.2-5");
  Peer a(bed), b(bed);
  a.connect({.id = "a", .expiry_s = 10}).subscribe("$share/g/t", 2).skip();
  publish("1", 2);
  publish("2", 2);
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=1 q2 #1", "PUBLISH t=2 q2 #2"));
  a.ack(PacketType::pubrec, 1).drop();
  b.connect({"b"}).subscribe("$share/g/t", 2).skip();
  Peer again(bed);
  again.connect({.id = "a", .clean = false, .expiry_s = 10});
  EXPECT_THAT(again.got(), ElementsAre("CONNACK 0 present", "PUBREL #1", "PUBLISH t=2 q2 #2 dup"));
  again.drop();
  bed.advance(base::seconds(11));
  EXPECT_THAT(b.got(), IsEmpty());
  EXPECT_EQ(bed.stats().sessions_now, 2u);
}

TEST_F(Shared, WhatAMemberRefusesIsDiscarded) {
  covers_v5("MQTT-4.8.2-6");
  Peer a(bed), b(bed);
  a.connect({"a"}).subscribe("$share/g/t", 2).skip();
  b.connect({"b"}).subscribe("$share/g/t", 2).skip();
  publish("1", 1);
  publish("2", 1);
  publish("3", 2);
  a.ack(PacketType::puback, 1, ReasonCode::quota_exceeded);
  a.ack(PacketType::pubrec, 2, ReasonCode::quota_exceeded);
  EXPECT_THAT(a.got(), ElementsAre("PUBLISH t=1 q1 #1", "PUBLISH t=3 q2 #2"));
  EXPECT_THAT(b.got(), ElementsAre("PUBLISH t=2 q1 #1"));
  a.drop();
  EXPECT_THAT(b.got(), IsEmpty());
}

TEST_F(Shared, TheLastMemberTakesTheQueueWithIt) {
  Peer a(bed);
  a.connect({.id = "a", .expiry_s = 10}).subscribe("$share/g/t", 1).drop();
  publish("1");
  EXPECT_EQ(bed.stats().queued_messages_now, 1u);
  bed.advance(base::seconds(11));
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
  source.skip();
  publish("2");
  EXPECT_THAT(source.got(), ElementsAre("PUBACK #2 16"));
}

TEST_F(Shared, APublisherMayBeAMember) {
  source.subscribe("$share/g/t", 0).skip();
  publish("x", 0);
  EXPECT_THAT(source.got(), ElementsAre("PUBLISH t=x q0"));
}

TEST_F(Shared, MembershipsCountAsSubscriptions) {
  Bed small(with([](BrokerOptions& o) { o.limits.subscriptions = 2; }));
  Peer a(small);
  a.connect({"a"}).subscribe("$share/g/1", 0).subscribe("$share/g/2", 0).skip();
  EXPECT_THAT(a.subscribe("$share/g/3", 0).got(), ElementsAre("SUBACK #1 0x97"));
  EXPECT_THAT(a.subscribe("$share/g/2", 1).got(), ElementsAre("SUBACK #1 1"));
}

}  // namespace
}  // namespace shoal::broker
