#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// Retained messages: 3.3.1.3, and the subscription options that concern them (3.8.3.1).

namespace shoal::broker {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct Retained : testing::Test {
  explicit Retained(BrokerOptions options = {}) : bed(std::move(options)) {
    source.connect({"source"}).skip();
    peer.connect({"peer"}).skip();
  }
  void retain(std::string_view topic, std::string_view payload, std::uint8_t qos = 0) {
    source.publish(topic, payload, {.qos = qos, .id = static_cast<std::uint16_t>(qos != 0 ? 1 : 0), .retain = true});
    if (qos == 2) source.ack(PacketType::pubrel, 1);
    source.skip();
  }
  // What a subscription brings besides its SUBACK.
  std::vector<std::string> on_subscribe(std::string_view filter, mqtt::SubscriptionOptions options = {}) {
    std::vector<std::string> texts = peer.subscribe(filter, options).got();
    EXPECT_TRUE(texts.at(0).starts_with("SUBACK"));
    texts.erase(texts.begin());
    return texts;
  }

  Bed bed;
  Peer source{bed};
  Peer peer{bed};
};

TEST_F(Retained, TheLastOneIsKept) {
  covers_v5("MQTT-3.3.1-5 MQTT-3.3.1-8");
  covers_v311("MQTT-3.3.1-5 MQTT-3.3.1-12");
  retain("t", "1");
  retain("t", "2");
  source.publish("t", "live");  // MQTT-3.3.1-8: without RETAIN nothing is stored or replaced
  EXPECT_THAT(on_subscribe("t"), ElementsAre("PUBLISH t=2 q0 retain"));
  EXPECT_EQ(bed.stats().retained_now, 1u);
  Peer old(bed, Version::v3_1_1);
  old.connect({"old"}).publish("t", "3", {.retain = true}).publish("t", "live").publish("other", "live");
  peer.skip();
  EXPECT_THAT(on_subscribe("#"), ElementsAre("PUBLISH t=3 q0 retain"));
}

TEST_F(Retained, IsClearedByAnEmptyPayload) {
  covers_v5("MQTT-3.3.1-6 MQTT-3.3.1-7");
  retain("t", "1");
  EXPECT_THAT(on_subscribe("t"), ElementsAre("PUBLISH t=1 q0 retain"));
  retain("t", "");
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t= q0"));  // delivered as any message
  EXPECT_THAT(on_subscribe("t"), IsEmpty());
  EXPECT_EQ(bed.stats().retained_now, 0u);
  EXPECT_EQ(bed.stats().retained_bytes_now, 0u);
  retain("never-set", "");
  EXPECT_EQ(bed.stats().retained_now, 0u);
}

TEST_F(Retained, OutlivesItsPublisher) {
  covers_v311("MQTT-3.1.2-7");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    Peer brief(bed, version);
    brief.connect({"brief"}).publish(version == Version::v5 ? "5" : "4", "1", {.retain = true}).disconnect();
  }
  EXPECT_THAT(on_subscribe("+"), UnorderedElementsAre("PUBLISH 4=1 q0 retain", "PUBLISH 5=1 q0 retain"));
}

TEST_F(Retained, ComesAtTheLowerQos) {
  covers_v5("MQTT-3.8.4-8");
  retain("q0", "x", 0);
  retain("q1", "x", 1);
  retain("q2", "x", 2);
  EXPECT_THAT(on_subscribe("q0", {.qos = 1}), ElementsAre("PUBLISH q0=x q0 retain"));
  EXPECT_THAT(on_subscribe("q1", {.qos = 1}), ElementsAre("PUBLISH q1=x q1 #1 retain"));
  EXPECT_THAT(on_subscribe("q2", {.qos = 1}), ElementsAre("PUBLISH q2=x q1 #2 retain"));
}

TEST_F(Retained, WildcardsFindTheirs) {  // 4.7
  covers_v5("MQTT-3.3.1-9 MQTT-4.7.2-1");
  for (const char* topic : {"a", "a/b", "a/b/c", "b/b", "$a/b"}) retain(topic, "x");
  EXPECT_THAT(on_subscribe("a/#"),
              UnorderedElementsAre("PUBLISH a=x q0 retain", "PUBLISH a/b=x q0 retain", "PUBLISH a/b/c=x q0 retain"));
  EXPECT_THAT(on_subscribe("+/b"), UnorderedElementsAre("PUBLISH a/b=x q0 retain", "PUBLISH b/b=x q0 retain"));
  EXPECT_THAT(on_subscribe("$a/+"), UnorderedElementsAre("PUBLISH $a/b=x q0 retain"));
}

TEST_F(Retained, LiveMessagesAreNotMarked) {
  covers_v5("MQTT-3.3.1-12");
  covers_v311("MQTT-3.3.1-9");
  on_subscribe("t");
  Peer old(bed, Version::v3_1_1);
  old.connect({"old"}).subscribe("t", 0).skip();
  retain("t", "x");
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=x q0"));
  EXPECT_THAT(old.got(), ElementsAre("PUBLISH t=x q0"));
}

TEST_F(Retained, LiveMessagesAreMarkedAsPublishedOnRequest) {
  covers_v5("MQTT-3.3.1-13");
  on_subscribe("t", {.retain_as_published = true});
  retain("t", "x");
  source.publish("t", "y");
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=x q0 retain", "PUBLISH t=y q0"));
}

TEST_F(Retained, HandlingZeroSendsAlways) {
  covers_v5("MQTT-3.3.1-9 MQTT-3.8.4-4");
  retain("t", "x");
  EXPECT_THAT(on_subscribe("t", {.retain_handling = 0}), ElementsAre("PUBLISH t=x q0 retain"));
  EXPECT_THAT(on_subscribe("t", {.retain_handling = 0}), ElementsAre("PUBLISH t=x q0 retain"));
}

TEST_F(Retained, HandlingOneSendsToNewSubscriptions) {
  covers_v5("MQTT-3.3.1-10");
  retain("t", "x");
  EXPECT_THAT(on_subscribe("t", {.retain_handling = 1}), ElementsAre("PUBLISH t=x q0 retain"));
  EXPECT_THAT(on_subscribe("t", {.retain_handling = 1}), IsEmpty());
  EXPECT_THAT(on_subscribe("#", {.retain_handling = 1}), ElementsAre("PUBLISH t=x q0 retain"));
  peer.unsubscribe("t").skip();
  EXPECT_THAT(on_subscribe("t", {.retain_handling = 1}), ElementsAre("PUBLISH t=x q0 retain"));
}

TEST_F(Retained, HandlingTwoSendsNever) {
  covers_v5("MQTT-3.3.1-11");
  retain("t", "x");
  EXPECT_THAT(on_subscribe("t", {.retain_handling = 2}), IsEmpty());
}

TEST_F(Retained, EarlierVersionsGetThemAtEverySubscribe) {
  covers_v311("MQTT-3.3.1-6 MQTT-3.3.1-8 MQTT-3.8.4-3");
  retain("t", "x");
  Peer old(bed, Version::v3_1_1);
  old.connect({"old"}).skip();
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(old.subscribe("t", 0).got(), ElementsAre("SUBACK #1 0", "PUBLISH t=x q0 retain"));
  }
}

TEST_F(Retained, CarriesPropertiesAndTheSubscriptionsIdentifier) {
  covers_v5("MQTT-3.3.4-3");
  How how{.retain = true};
  how.properties.user("k", "v").text(PropertyId::content_type, "text/plain");
  source.publish("t", "x", how);
  const auto packets = peer.subscribe("t", 0, 77).take();
  ASSERT_EQ(packets.size(), 2u);
  const mqtt::Properties properties = packets[1].as<mqtt::Publish>().properties;
  EXPECT_EQ(properties.number(PropertyId::subscription_identifier), 77u);
  EXPECT_EQ(properties.text(PropertyId::content_type), "text/plain");
  EXPECT_TRUE(properties.has(PropertyId::user_property));
}

TEST_F(Retained, ComesBeforeTheLiveMessagesBehindIt) {
  bed.options.limits.output_bytes = 50;
  Peer slow(bed);
  slow.connect({"slow"}).skip().stall(true);
  for (int i = 0; i < 9; ++i) retain("t/" + std::to_string(i), "old", 1);
  slow.subscribe("t/#", 1);
  for (int i = 0; i < 9; ++i) retain("t/" + std::to_string(i), "new", 1);
  for (int i = 0; i < 9; ++i) source.publish("t/" + std::to_string(i), "now");
  slow.stall(false);
  std::map<std::string, std::vector<std::string>> by_topic;
  for (const Sent& packet : slow.take()) {
    if (packet.type != PacketType::publish) continue;
    const auto publish = packet.as<mqtt::Publish>();
    by_topic[std::string(publish.topic)].emplace_back(base::as_text(publish.payload));
  }
  EXPECT_EQ(by_topic.size(), 9u);
  std::size_t complete = 0;
  for (const auto& [topic, payloads] : by_topic) {
    // Where the old value was replaced before there was room for it, it is not sent any more.
    if (payloads.front() == "old") ++complete;
    EXPECT_THAT(payloads, AnyOf(ElementsAre("old", "new", "now"), ElementsAre("new", "now"))) << topic;
  }
  EXPECT_GT(complete, 0u);
  EXPECT_LT(complete, 9u);
}

// A walk, not a queue: what a million of them would take is not kept for a reader that does not read.
TEST_F(Retained, WaitInConstantMemory) {
  for (int i = 0; i < 1'000; ++i) retain("many/" + std::to_string(i), "x", 1);
  Peer slow(bed);
  slow.connect({.id = "slow", .receive_maximum = 1}).skip();
  const std::uint64_t before = bed.shard.budget().entry_bytes_now;
  for (int again = 0; again < 50; ++again) slow.subscribe("many/#", 1);
  EXPECT_EQ(bed.shard.budget().entry_bytes_now, before);
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
  std::set<std::string> topics;
  std::size_t got = 0;
  for (auto packets = slow.take(); !packets.empty();) {
    std::uint16_t id = 0;
    for (const Sent& packet : packets) {
      if (packet.type != PacketType::publish) continue;
      const auto publish = packet.as<mqtt::Publish>();
      topics.insert(std::string(publish.topic));
      id = publish.id;
      ++got;
    }
    packets = slow.ack(PacketType::puback, id).take();
  }
  EXPECT_EQ(topics.size(), 1'000u);
  EXPECT_LE(got, 1'001u);  // 50 times asked for, while one could be sent: once, and that one
}

TEST_F(Retained, UnsubscribeEndsWhatWaits) {
  covers_v5("MQTT-3.10.4-2");
  for (int i = 0; i < 100; ++i) retain("t/" + std::to_string(i), "x", 1);
  Peer slow(bed);
  slow.connect({.id = "slow", .receive_maximum = 1}).subscribe("t/#", 1).skip();
  source.publish("u", "live");
  slow.subscribe("u", 0).skip();
  source.publish("u", "behind", {.qos = 0});
  EXPECT_THAT(slow.got(), IsEmpty());
  slow.unsubscribe("t/#");
  EXPECT_THAT(slow.got(), ElementsAre("UNSUBACK #1 0", "PUBLISH u=behind q0"));
  EXPECT_THAT(slow.ack(PacketType::puback, 1).got(), IsEmpty());
}

TEST_F(Retained, WhatWaitsGoesOnWithTheSession) {
  for (int i = 0; i < 3; ++i) retain("t/" + std::to_string(i), "x", 1);
  {
    Peer slow(bed);
    slow.connect({.id = "slow", .expiry_s = 100, .receive_maximum = 1}).subscribe("t/#", 1).drop();
  }
  retain("t/1", "newer", 1);
  Peer back(bed);
  back.connect({.id = "slow", .clean = false, .expiry_s = 100});
  std::map<std::string, std::vector<std::string>> by_topic;
  for (const Sent& packet : back.take()) {
    if (packet.type != PacketType::publish) continue;
    const auto publish = packet.as<mqtt::Publish>();
    by_topic[std::string(publish.topic)].emplace_back(base::as_text(publish.payload));
  }
  EXPECT_EQ(by_topic.size(), 3u);
  EXPECT_EQ(by_topic["t/1"].back(), "newer");
}

// MQTT-3.8.3-3: nor later, from the store.
TEST_F(Retained, NoLocalHoldsForThemToo) {
  covers_v5("MQTT-3.8.3-3");
  retain("t", "mine");
  EXPECT_THAT(source.skip().subscribe("t", mqtt::SubscriptionOptions{.no_local = true}).got(),
              ElementsAre("SUBACK #1 0"));
  EXPECT_THAT(source.subscribe("t", 0).got(), ElementsAre("SUBACK #1 0", "PUBLISH t=mine q0 retain"));
  Peer other(bed);
  other.connect({"other"}).skip();
  EXPECT_THAT(other.subscribe("t", mqtt::SubscriptionOptions{.no_local = true}).got(),
              ElementsAre("SUBACK #1 0", "PUBLISH t=mine q0 retain"));
}

struct RetainedLimits : Retained {
  RetainedLimits()
      : Retained(with([](BrokerOptions& o) {
          o.limits.retained_messages = 2;
          o.limits.retained_bytes = 20'000;  // the index takes some hundred
        })) {}
  // The answer to a QoS 1 PUBLISH with RETAIN.
  std::string answer(std::string_view topic, std::string_view payload, std::uint32_t expiry_s = 0) {
    How how{.qos = 1, .id = 1, .retain = true};
    if (expiry_s != 0) how.properties.number(PropertyId::message_expiry_interval, expiry_s);
    return source.publish(topic, payload, how).got().at(0);
  }
};

TEST_F(RetainedLimits, Messages) {  // 0x97
  retain("a", "1");
  retain("b", "1");
  on_subscribe("#", {.retain_handling = 2});
  EXPECT_EQ(answer("c", "1"), "PUBACK #1 0x97");
  EXPECT_THAT(peer.got(), IsEmpty());
  EXPECT_EQ(answer("a", "2"), "PUBACK #1");
  retain("b", "");
  EXPECT_EQ(answer("c", "1"), "PUBACK #1");
}

TEST_F(RetainedLimits, Bytes) {
  EXPECT_EQ(answer("a", std::string(15'000, 'x')), "PUBACK #1 16");
  EXPECT_EQ(answer("b", std::string(5'000, 'x')), "PUBACK #1 0x97");
  EXPECT_EQ(answer("a", std::string(20'000, 'x')), "PUBACK #1 0x97");
  EXPECT_EQ(answer("a", std::string(10'000, 'x')), "PUBACK #1 16");
  EXPECT_EQ(answer("b", std::string(5'000, 'x')), "PUBACK #1 16");
  retain("a", "");
  std::string deep = "x";
  for (int level = 1; level < 127; ++level) deep += "/" + std::to_string(1'000'000 + level);
  EXPECT_EQ(answer(deep, "x"), "PUBACK #1 16");
  EXPECT_EQ(answer(deep + "/y", "x"), "PUBACK #1 0x97") << "levels take memory, too";
}

TEST_F(RetainedLimits, WhatHasExpiredMakesRoom) {  // 3.3.2.3.3: it is deleted
  EXPECT_EQ(answer("a", "1", 10), "PUBACK #1 16");
  EXPECT_EQ(answer("b", "1", 20), "PUBACK #1 16");
  bed.advance(base::seconds(9));
  EXPECT_EQ(answer("c", "1"), "PUBACK #1 0x97");
  bed.advance(base::seconds(1));
  EXPECT_EQ(answer("c", "1"), "PUBACK #1 16");
  EXPECT_THAT(on_subscribe("#"), UnorderedElementsAre("PUBLISH b=1 q0 retain", "PUBLISH c=1 q0 retain"));
}

}  // namespace
}  // namespace shoal::broker
