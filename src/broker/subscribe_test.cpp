#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11), and who gets what.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct Subscribe : testing::Test {
  explicit Subscribe(BrokerOptions options = {}) : bed(std::move(options)) {
    source.connect({"source"}).skip();
    peer.connect({"peer"}).skip();
  }
  Peer& subscribe(Peer& who, std::initializer_list<mqtt::FilterEntry> entries) {
    std::vector<std::uint8_t> filters;
    for (const auto& entry : entries) mqtt::append_filter(filters, entry, true);
    return who.send(mqtt::Subscribe{5, {}, mqtt::FilterList(filters, true)});
  }
  Peer& unsubscribe(Peer& who, std::initializer_list<std::string_view> entries) {
    std::vector<std::uint8_t> filters;
    for (const auto& entry : entries) mqtt::append_filter(filters, {entry, {}}, false);
    return who.send(mqtt::Unsubscribe{6, {}, mqtt::FilterList(filters, false)});
  }
  static std::vector<std::uint32_t> ids(const Sent& packet) {
    std::vector<std::uint32_t> found;
    const auto publish = packet.as<mqtt::Publish>();
    publish.properties.each([&](PropertyId id, base::Bytes value) {
      if (id == PropertyId::subscription_identifier) found.push_back(value[0]);
    });
    return found;
  }

  Bed bed;
  Peer source{bed};
  Peer peer{bed};
};

TEST_F(Subscribe, EveryFilterIsAnsweredInOrder) {
  covers_v5("MQTT-2.2.1-6 MQTT-3.8.4-1 MQTT-3.8.4-2 MQTT-3.8.4-5 MQTT-3.8.4-6 MQTT-3.8.4-7 MQTT-3.9.3-1");
  EXPECT_THAT(subscribe(peer, {{"a", {.qos = 2}}, {"b", {.qos = 0}}, {"c", {.qos = 1}}}).got(),
              ElementsAre("SUBACK #5 2 0 1"));
  source.publish("b", "x");
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH b=x q0"));
}

TEST_F(Subscribe, RefusedFiltersLeaveTheOthersAlone) {  // 3.9.3
  covers_v5("MQTT-3.8.4-5 MQTT-3.8.4-7 MQTT-3.9.3-2 MQTT-4.7.1-1 MQTT-4.7.1-2 MQTT-4.7.3-1 MQTT-4.8.2-1 MQTT-4.8.2-2");
  covers_v311("MQTT-2.3.1-7 MQTT-3.8.4-1 MQTT-3.8.4-2 MQTT-3.8.4-4 MQTT-3.8.4-5 MQTT-3.9.3-1 MQTT-3.9.3-2");
  EXPECT_THAT(subscribe(peer, {{"a", {}}, {"a/#/b", {}}, {"", {}}, {"a+", {}}, {"$share/g+/a", {}}, {"b", {}}}).got(),
              ElementsAre("SUBACK #5 0 0x8f 0x8f 0x8f 0x8f 0"));
  EXPECT_EQ(bed.stats().subscriptions_now, 2u);
  bed.options.limits.subscriptions = 1;
  Peer old(bed, Version::v3_1_1);
  EXPECT_THAT(subscribe(old.connect({"old"}).skip(), {{"a", {}}, {"b", {.qos = 1}}}).got(),
              ElementsAre("SUBACK #5 0 0x80"));
  // 3.1 knows no failure: it answers what was asked for.
  Peer oldest(bed, Version::v3_1);
  EXPECT_THAT(subscribe(oldest.connect({"oldest"}).skip(), {{"a", {}}, {"b", {.qos = 1}}}).got(),
              ElementsAre("SUBACK #5 0 1"));
  EXPECT_EQ(bed.stats().subscriptions_now, 4u);
}

// 3.1.1, 4.8.0-1: what is no filter violates the protocol, and there is no code for it.
TEST_F(Subscribe, WhatIsNoFilterEndsOlderConnections) {
  covers_v311("MQTT-4.7.1-2 MQTT-4.8.0-1");
  for (const char* filter : {"a/#/b", "a+", "$share/g", "$share//a", "$share/g/"}) {
    Peer old(bed, Version::v3_1_1);
    EXPECT_THAT(subscribe(old.connect({"old"}).skip(), {{"a", {}}, {filter, {}}}).got(), IsEmpty());
    EXPECT_TRUE(old.closed()) << filter;
    Peer leaver(bed, Version::v3_1_1);
    EXPECT_THAT(leaver.connect({"leaver"}).skip().unsubscribe(filter).got(), IsEmpty());
    EXPECT_TRUE(leaver.closed()) << filter;
  }
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
}

TEST_F(Subscribe, QosIsTheLowerOfBoth) {
  covers_v5("MQTT-3.8.4-8");
  const auto packet_id = [](int qos) { return static_cast<std::uint16_t>(qos != 0 ? 1 : 0); };
  for (int granted = 0; granted <= 2; ++granted) {
    for (int sent = 0; sent <= 2; ++sent) {
      Peer reader(bed);
      reader.connect({"reader"}).subscribe("t", static_cast<std::uint8_t>(granted)).skip();
      source.publish("t", "x", {.qos = static_cast<std::uint8_t>(sent), .id = packet_id(sent)});
      if (sent == 2) source.ack(PacketType::pubrel, 1);
      const int qos = std::min(granted, sent);
      EXPECT_THAT(reader.got(), ElementsAre("PUBLISH t=x q" + std::to_string(qos) + (qos != 0 ? " #1" : "")));
    }
  }
}

TEST_F(Subscribe, OverlappingSubscriptionsMakeOneCopy) {  // MQTT-3.3.4-2, -3, -4, -5: highest QoS, all identifiers
  covers_v5("MQTT-3.3.4-2 MQTT-3.3.4-3 MQTT-3.3.4-4");
  peer.subscribe("a/+", 0, 1).subscribe("a/#", 2, 2).subscribe("a/b", 1, 3).subscribe("#", 0).subscribe("x", 2, 9);
  peer.skip();
  source.publish("a/b", "x", {.qos = 2, .id = 1});
  const auto packets = peer.take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].text(), "PUBLISH a/b=x q2 #1");
  EXPECT_THAT(ids(packets[0]), UnorderedElementsAre(1u, 2u, 3u));
}

TEST_F(Subscribe, OverlappingSubscriptionsOfEarlierVersions) {
  covers_v311("MQTT-3.3.5-1 MQTT-3.8.4-6");
  Peer old(bed, Version::v3_1_1);
  old.connect({"old"}).subscribe("a/+", 0).subscribe("a/#", 1).skip();
  source.publish("a/b", "x", {.qos = 2, .id = 1});
  EXPECT_THAT(old.got(), ElementsAre("PUBLISH a/b=x q1 #1"));
}

TEST_F(Subscribe, AgainReplacesOptionsAndIdentifier) {
  covers_v5("MQTT-3.8.4-3");
  peer.subscribe("t", 2, 1).subscribe("t", 0, 2).skip();
  source.publish("t", "x", {.qos = 1, .id = 1});
  auto packets = peer.take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].text(), "PUBLISH t=x q0");
  EXPECT_THAT(ids(packets[0]), ElementsAre(2u));
  peer.subscribe("t", 0).skip();
  source.publish("t", "x");
  packets = peer.take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_THAT(ids(packets[0]), IsEmpty());
  EXPECT_EQ(bed.stats().subscriptions_now, 1u);
}

TEST_F(Subscribe, NoLocal) {
  covers_v5("MQTT-3.8.3-3");
  peer.subscribe("t", {.qos = 0, .no_local = true}).skip();
  peer.publish("t", "own");
  source.publish("t", "other");
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=other q0"));
}

TEST_F(Subscribe, NoLocalLeavesOtherSubscriptionsAlone) {
  peer.subscribe("t", mqtt::SubscriptionOptions{.qos = 2, .no_local = true}, 1).subscribe("+", 0, 2).skip();
  peer.publish("t", "own", {.qos = 1, .id = 1});
  auto packets = peer.take();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0].text(), "PUBLISH t=own q0");
  EXPECT_THAT(ids(packets[0]), ElementsAre(2u));
  source.publish("t", "other", {.qos = 1, .id = 1});
  packets = peer.take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].text(), "PUBLISH t=other q1 #1");
  EXPECT_THAT(ids(packets[0]), UnorderedElementsAre(1u, 2u));
}

TEST_F(Subscribe, WildcardsDoNotFindDollarTopics) {
  covers_v5("MQTT-4.7.2-1");
  peer.subscribe("#", 0).subscribe("+/a", 0).skip();
  source.publish("$x/a", "hidden");
  EXPECT_THAT(peer.got(), IsEmpty());
  peer.subscribe("$x/#", 0).skip();
  source.publish("$x/a", "asked for");
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH $x/a=asked for q0"));
}

TEST_F(Subscribe, SurvivesWithItsSession) {
  covers_v5("MQTT-3.1.2-5 MQTT-3.1.2-23");
  Peer first(bed);
  first.connect({.id = "c", .expiry_s = 100}).subscribe("t", 1, 4).drop();
  Peer second(bed);
  second.connect({.id = "c", .clean = false, .expiry_s = 100}).skip();
  source.publish("t", "x");
  const auto packets = second.take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_THAT(ids(packets[0]), ElementsAre(4u));
  second.disconnect(ReasonCode::success, 0);
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
}

TEST_F(Subscribe, UnsubscribeIsAnsweredInOrder) {
  covers_v5("MQTT-2.2.1-6 MQTT-3.10.4-4 MQTT-3.10.4-5 MQTT-3.10.4-6 MQTT-3.11.3-1 MQTT-3.11.3-2");
  covers_v311("MQTT-2.3.1-7 MQTT-3.10.4-4 MQTT-3.10.4-5 MQTT-3.10.4-6");
  peer.subscribe("a", 0).subscribe("b", 0).skip();
  EXPECT_THAT(unsubscribe(peer, {"a", "c", "a", "a/#/b", "b"}).got(), ElementsAre("UNSUBACK #6 0 17 17 0x8f 0"));
  Peer old(bed, Version::v3_1_1);
  EXPECT_THAT(unsubscribe(old.connect({"old"}).skip(), {"a", "c"}).got(), ElementsAre("UNSUBACK #6"));
}

TEST_F(Subscribe, UnsubscribeComparesCharacterByCharacter) {
  covers_v5("MQTT-3.10.4-1");
  covers_v311("MQTT-3.10.4-1");
  Peer old(bed, Version::v3_1_1);
  old.connect({"old"});
  for (Peer* const who : {&peer, &old}) {
    who->subscribe("a/+", 0).skip();
    EXPECT_THAT(unsubscribe(*who, {"a/b", "a/#", "a/", "A/+"}).got(),
                ElementsAre(who == &peer ? "UNSUBACK #6 17 17 17 17" : "UNSUBACK #6"));
    source.publish("a/b", "x");
    EXPECT_THAT(who->got(), ElementsAre("PUBLISH a/b=x q0"));
    unsubscribe(*who, {"a/+"}).skip();
    source.publish("a/b", "x");
    EXPECT_THAT(who->got(), IsEmpty());
  }
}

TEST_F(Subscribe, UnsubscribeEndsDeliveryButNotWhatHasStarted) {
  covers_v5("MQTT-3.10.4-2 MQTT-3.10.4-3");
  covers_v311("MQTT-3.10.4-2 MQTT-3.10.4-3");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    Peer reader(bed, version);
    reader.connect({"reader"}).subscribe("t", 2).skip();
    source.publish("t", "1", {.qos = 2, .id = 1}).ack(PacketType::pubrel, 1);
    reader.unsubscribe("t").skip();
    source.publish("t", "2", {.qos = 2, .id = 2}).ack(PacketType::pubrel, 2);
    EXPECT_THAT(reader.got(), IsEmpty());
    EXPECT_THAT(reader.ack(PacketType::pubrec, 1).got(), ElementsAre("PUBREL #1"));
  }
}

struct SubscribeLimits : Subscribe {
  SubscribeLimits()
      : Subscribe(with([](BrokerOptions& o) {
          o.limits.subscriptions = 2;
          o.limits.topic_levels = 3;
          o.limits.topic_bytes = 10;
        })) {}
};

TEST_F(SubscribeLimits, Number) {  // 0x97 per filter
  EXPECT_THAT(subscribe(peer, {{"a", {}}, {"b", {}}, {"c", {}}, {"a", {.qos = 1}}}).got(),
              ElementsAre("SUBACK #5 0 0 0x97 1"));
  unsubscribe(peer, {"a"}).skip();
  EXPECT_THAT(subscribe(peer, {{"c", {}}}).got(), ElementsAre("SUBACK #5 0"));
}

TEST_F(SubscribeLimits, LevelsAndLength) {
  EXPECT_THAT(subscribe(peer, {{"a/b/c", {}}, {"a/b/c/d", {}}, {"12345678901", {}}, {"1234567890", {}}}).got(),
              ElementsAre("SUBACK #5 0 0x8f 0x8f 0"));
}

struct Host : Subscribe {
  Broker::OnMessage record() {
    return [this](const Message& m) {
      heard.push_back(std::string(m.topic) + "=" + std::string(m.payload) + " q" +
                      std::to_string(static_cast<int>(m.qos)) + (m.retain ? " retain" : ""));
    };
  }
  std::vector<std::string> heard;
};

TEST_F(Host, HearsClientsAndItself) {
  ASSERT_TRUE(bed.shard.subscribe("t/#", Qos::at_least_once, record()));
  bed.turn();
  source.publish("t/a", "1", {.qos = 2, .id = 1});
  source.publish("other", "2");
  ASSERT_TRUE(bed.shard.publish({.topic = "t/b", .payload = "3"}));
  bed.turn();
  EXPECT_THAT(heard, ElementsAre("t/a=1 q1", "t/b=3 q0"));
}

TEST_F(Host, PublishesToClients) {
  peer.subscribe("t", 2).skip();
  ASSERT_TRUE(bed.shard.publish({.topic = "t", .payload = "x", .qos = Qos::exactly_once, .retain = true}));
  bed.turn();
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=x q2 #1"));
  EXPECT_THAT(peer.subscribe("t", 0).got(), ElementsAre("SUBACK #1 0", "PUBLISH t=x q0 retain"));
}

TEST_F(Host, GetsRetainedMessagesFirst) {
  source.publish("t", "old", {.retain = true});
  ASSERT_TRUE(bed.shard.subscribe("t", Qos::at_most_once, record()));
  bed.turn();
  source.publish("t", "new", {.retain = true});
  EXPECT_THAT(heard, ElementsAre("t=old q0 retain", "t=new q0"));
}

TEST_F(Host, MayPublishFromItsCallback) {
  peer.subscribe("answer", 0).skip();
  ASSERT_TRUE(bed.shard.subscribe("question", Qos::at_most_once, [&](const Message& m) {
    ASSERT_TRUE(bed.shard.publish({.topic = "answer", .payload = m.payload}));
  }));
  bed.turn();
  source.publish("question", "42");
  bed.turn();
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH answer=42 q0"));
}

TEST_F(Host, IsToldWhatIsWrong) {
  for (const char* topic : {"", "a/+", "#", "\xff"}) {
    const auto result = bed.shard.publish({.topic = topic});
    ASSERT_FALSE(result) << topic;
    EXPECT_EQ(result.error().code, ErrorCode::invalid_argument);
  }
  for (const char* filter : {"", "a/#/b", "a+", "\xff", "$share/g/t"}) {
    const auto result = bed.shard.subscribe(filter, Qos::at_most_once, record());
    ASSERT_FALSE(result) << filter;
    EXPECT_EQ(result.error().code, ErrorCode::invalid_argument);
  }
}

}  // namespace
}  // namespace shoal::broker
