#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// What a server may say by itself: topic aliases towards clients (3.3.2.3.4), reason strings (3.1.2.11.7), response
// information, `$SYS`, and retained messages to readers that are slow.

namespace shoal::broker {
namespace {

using base::seconds;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;
using enum PacketType;

/// CONNECT of a 5.0 client with these properties.
Peer& greet(Peer& peer, std::string_view id, mqtt::PropertyWriter properties, bool clean = true) {
  mqtt::Connect packet;
  packet.clean_start = clean;
  packet.client_id = id;
  packet.properties = properties.view(mqtt::PropertyPlace::connect);
  return peer.send(packet);
}

mqtt::PropertyWriter with_number(PropertyId id, std::uint32_t value) {
  mqtt::PropertyWriter properties;
  properties.number(id, value);
  return properties;
}

struct Aliases : testing::Test {
  Aliases() { source.connect({"source"}).skip(); }
  /// `TOPIC/ALIAS` of every PUBLISH that came.
  static std::vector<std::string> aliases(Peer& peer) {
    std::vector<std::string> seen;
    for (const Sent& sent : peer.take()) {
      if (sent.type != publish) continue;
      const auto packet = sent.as<mqtt::Publish>();
      seen.push_back(std::string(packet.topic) + "/" +
                     std::to_string(packet.properties.number(PropertyId::topic_alias)));
    }
    return seen;
  }
  Peer& subscriber(std::uint32_t maximum) {
    peers.push_back(std::make_unique<Peer>(bed));
    greet(*peers.back(), "c",
          maximum == 0 ? mqtt::PropertyWriter() : with_number(PropertyId::topic_alias_maximum, maximum));
    peers.back()->subscribe("#", 2).skip();
    return *peers.back();
  }
  Bed bed;
  Peer source{bed};
  std::vector<std::unique_ptr<Peer>> peers;
};

TEST_F(Aliases, AreUsedFromTheFirstMessageOn) {
  covers_v5("MQTT-3.1.2-26 MQTT-3.3.2-11");
  Peer& peer = subscriber(1);
  source.publish("long/topic", "1").publish("long/topic", "2", {.qos = 1, .id = 1}).publish("long/topic", "3");
  EXPECT_THAT(aliases(peer), ElementsAre("long/topic/1", "/1", "/1"));
  source.publish("other", "4").publish("other", "5").publish("long/topic", "6");
  EXPECT_THAT(aliases(peer), ElementsAre("other/1", "/1", "long/topic/1"));
}

TEST_F(Aliases, NeverAboveTheMaximumOfTheClient) {
  covers_v5("MQTT-3.1.2-26 MQTT-3.3.2-11 MQTT-3.3.2-8");
  for (const std::uint32_t maximum : {1u, 2u, 5u, 65'535u}) {
    Peer& peer = subscriber(maximum);
    std::vector<std::string> known(std::size_t{maximum} + 1);
    for (int i = 0; i < 200; ++i) {
      const std::string topic = "t/" + std::to_string(i * 7 % 31);
      source.publish(topic, "x");
      const auto packets = peer.take();
      ASSERT_EQ(packets.size(), 1u);
      const auto packet = packets[0].as<mqtt::Publish>();
      const std::uint32_t alias = packet.properties.number(PropertyId::topic_alias);
      ASSERT_LE(alias, maximum);
      if (!packet.topic.empty()) {
        if (alias != 0) known[alias] = packet.topic;
        ASSERT_EQ(packet.topic, topic);
      } else {
        ASSERT_NE(alias, 0u);
        ASSERT_EQ(known[alias], topic);
      }
    }
    peer.disconnect();
  }
}

TEST_F(Aliases, NoneWhenTheClientAllowsNone) {
  covers_v5("MQTT-3.1.2-27");
  for (const bool zero : {true, false}) {
    Peer peer(bed);
    greet(peer, "none", zero ? with_number(PropertyId::topic_alias_maximum, 0) : mqtt::PropertyWriter());
    peer.subscribe("#", 0).skip();
    source.publish("t", "1").publish("t", "2");
    EXPECT_THAT(aliases(peer), ElementsAre("t/0", "t/0"));
    peer.disconnect();
  }
}

TEST_F(Aliases, EndWithTheirConnection) {  // also for what is sent again
  covers_v5("MQTT-3.3.2-7");
  mqtt::PropertyWriter properties = with_number(PropertyId::topic_alias_maximum, 5);
  properties.number(PropertyId::session_expiry_interval, 100);
  {
    Peer peer(bed);
    greet(peer, "kept", properties).subscribe("t", 1).skip();
    source.publish("t", "1", {.qos = 1, .id = 1}).publish("t", "2", {.qos = 1, .id = 1});
    EXPECT_EQ(aliases(peer).size(), 2u);
    peer.drop();
  }
  source.publish("t", "3", {.qos = 1, .id = 1});
  Peer peer(bed);
  greet(peer, "kept", properties, false);
  const auto seen = aliases(peer);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_THAT(seen[0], StartsWith("t/"));
  EXPECT_THAT(seen[1], StartsWith("/"));
  Peer plain(bed);
  greet(plain, "kept", with_number(PropertyId::session_expiry_interval, 100), false);
  EXPECT_THAT(aliases(plain), Each("t/0"));
}

TEST_F(Aliases, DoNotMakeAPacketTooLarge) {
  covers_v5("MQTT-3.1.2-24 MQTT-3.1.2-25");
  mqtt::PropertyWriter properties = with_number(PropertyId::topic_alias_maximum, 5);
  properties.number(PropertyId::maximum_packet_size, 100);
  Peer peer(bed);
  greet(peer, "small", properties).subscribe("#", 0).skip();
  // Every size around 100: in the packet that introduces the alias and in the one behind it.
  for (std::size_t size = 85; size <= 100; ++size) {
    const std::string payload(size, 'x');
    for (int i = 0; i < 3; ++i) source.publish("topic" + std::to_string(size), payload);
    for (const Sent& sent : peer.take()) EXPECT_LE(sent.bytes.size(), 100u);
  }
  EXPECT_FALSE(peer.closed());
}

struct Reasons : testing::Test {
  /// The reason string of the last packet that came.
  static std::string last_reason(Peer& peer) {
    const auto packets = peer.take();
    if (packets.empty()) return "nothing came";
    return std::visit(
        [](const auto& packet) {
          if constexpr (requires { packet.properties; })
            return std::string(packet.properties.text(PropertyId::reason_string));
          return std::string();
        },
        packets.back().packet());
  }
  static mqtt::PropertyWriter wants(bool reasons) {
    return with_number(PropertyId::request_problem_information, reasons);
  }
  Bed bed{with([](BrokerOptions& o) { o.limits.subscriptions = o.limits.retained_messages = 0; })};
};

TEST_F(Reasons, AreOnlyGivenToWhoWantsThem) {
  covers_v5("MQTT-3.1.2-29");
  for (const bool wanted : {true, false}) {
    Peer peer(bed);
    greet(peer, "c", wants(wanted)).skip();
    EXPECT_EQ(last_reason(peer.subscribe("t", 0)).empty(), !wanted);
    EXPECT_EQ(last_reason(peer.publish("t", "x", {.qos = 1, .id = 1, .retain = true})).empty(), !wanted);
    EXPECT_EQ(last_reason(peer.publish("t", "x", {.qos = 2, .id = 2, .retain = true})).empty(), !wanted);
    EXPECT_EQ(last_reason(peer.unsubscribe("t")), "");
    EXPECT_EQ(last_reason(peer.ack(pubrel, 9)), "");
  }
}

TEST_F(Reasons, NeverMakeAnAnswerTooLarge) {
  covers_v5(
      "MQTT-3.1.2-24 MQTT-3.2.2-19 MQTT-3.4.2-2 MQTT-3.5.2-2 MQTT-3.6.2-2 MQTT-3.7.2-2 MQTT-3.9.2-1 MQTT-3.11.2-1 "
      "MQTT-3.14.2-3");
  for (std::uint32_t size = 1; size < 80; ++size) {
    for (const bool refused : {true, false}) {
      bed.authority.decision = refused ? auth::Decision::refused : auth::Decision::accepted;
      Peer peer(bed);
      greet(peer, "c", with_number(PropertyId::maximum_packet_size, size));
      if (!peer.closed()) peer.subscribe("t", 0).unsubscribe("t");
      if (!peer.closed()) peer.publish("t", "x", {.qos = 1, .id = 1, .retain = true});
      if (!peer.closed()) peer.publish("t", "x", {.qos = 2, .id = 2, .retain = true});
      if (!peer.closed()) peer.ack(pubrec, 9).ack(pubrel, 9).raw({0xf0, 0});
      for (const Sent& sent : peer.take()) EXPECT_LE(sent.bytes.size(), size) << to_string(sent.type);
    }
  }
}

TEST(Response, InformationIsGivenToWhoAsksForIt) {
  covers_v5("MQTT-3.1.2-28");
  Bed bed(with([](BrokerOptions& o) { o.response_information = "answers/"; }));
  const auto told = [&](std::optional<std::uint32_t> asked) {
    Peer peer(bed);
    greet(peer, "c", asked ? with_number(PropertyId::request_response_information, *asked) : mqtt::PropertyWriter());
    const auto packets = peer.take();
    return std::string(packets.at(0).as<mqtt::Connack>().properties.text(PropertyId::response_information));
  };
  EXPECT_EQ(told(1), "answers/");
  EXPECT_EQ(told(0), "");
  EXPECT_EQ(told({}), "");
}

TEST(ClientIds, ThatAreTooLong) {
  covers_v5("MQTT-3.1.3-8");
  covers_v311("MQTT-3.1.3-9");
  Bed bed(with([](BrokerOptions& o) { o.limits.client_id_bytes = 30; }));
  for (const Version version : {Version::v3_1, Version::v3_1_1, Version::v5}) {
    Peer fits(bed, version);
    EXPECT_THAT(fits.connect({std::string(30, 'c')}).got(), ElementsAre("CONNACK 0"));
    Peer peer(bed, version);
    EXPECT_THAT(peer.connect({std::string(31, 'c')}).got(),
                ElementsAre(version == Version::v5 ? "CONNACK 0x85" : "CONNACK 2"));
    EXPECT_TRUE(peer.closed());
  }
}

TEST(SysTopics, IsForReadingOnly) {
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    const bool v5 = version == Version::v5;
    for (const char* topic : {"$SYS", "$SYS/broker/uptime", "$SYS/x"}) {
      Bed bed;
      Peer peer(bed, version);
      EXPECT_THAT(peer.connect({"c"}).skip().publish(topic, "x", {.retain = true}).got(), IsEmpty());
      EXPECT_FALSE(peer.closed());
      peer.publish(topic, "x", {.qos = 1, .id = 1, .retain = true});
      EXPECT_THAT(peer.got(), v5 ? std::vector<std::string>{"PUBACK #1 0x87"} : std::vector<std::string>{});
      EXPECT_EQ(peer.closed(), !v5);
      Peer dying(bed, version);
      EXPECT_THAT(dying.connect({"d"}, Last{topic, "x"}).got(), ElementsAre(v5 ? "CONNACK 0x87" : "CONNACK 5"));
      EXPECT_EQ(bed.stats().retained_now, 0u);
    }
    Bed bed;
    Peer peer(bed, version);
    peer.connect({"c"}).skip();
    EXPECT_FALSE(peer.publish("$SYSTEM", "x", {.qos = 1, .id = 1}).closed());
  }
}

TEST(SysTopics, AnswersTheFirstSubscriberAtOnceAndIsRefreshedWhileSomebodyListens) {
  covers_v5("MQTT-4.7.2-1");
  Bed bed;
  Peer everything(bed);
  everything.connect({"all"}).subscribe("#", 0).skip();
  Peer peer(bed, Version::v3_1_1);
  peer.connect({"c"}).skip();
  EXPECT_EQ(bed.timers.next(), base::kNever);
  const auto first = peer.subscribe("$SYS/broker/clients/connected", 1).got();
  EXPECT_THAT(first, ElementsAre("SUBACK #1 1", "PUBLISH $SYS/broker/clients/connected=2 q0 retain"));
  Peer third(bed);
  third.connect({"third"}).skip();
  bed.advance(seconds(30));
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH $SYS/broker/clients/connected=3 q0"));
  EXPECT_THAT(everything.got(), IsEmpty());
  peer.unsubscribe("$SYS/broker/clients/connected").skip();
  bed.advance(seconds(30));
  EXPECT_EQ(bed.timers.next(), base::kNever);
  EXPECT_EQ(bed.stats().retained_now, 0u);
  EXPECT_THAT(peer.subscribe("$SYS/#", 0).got(), Contains("PUBLISH $SYS/broker/clients/connected=3 q0 retain"));
}

struct SlowRetained : testing::Test {
  SlowRetained() {
    source.connect({"source"}).skip();
    for (int i = 0; i < kTopics; ++i)
      source.publish("t/" + std::to_string(i), "old", {.qos = 1, .id = 1, .retain = true});
    source.skip();
    peer.connect({.id = "peer", .expiry_s = 1000, .receive_maximum = 1}).skip();
  }
  /// Acknowledges until nothing comes any more; gives what came, as topics and payloads.
  std::vector<std::string> drain(Peer& from) {
    std::vector<std::string> seen;
    for (auto packets = from.take(); !packets.empty(); packets = from.take()) {
      for (const Sent& sent : packets) {
        if (sent.type != publish) continue;
        const auto packet = sent.as<mqtt::Publish>();
        seen.push_back(std::string(packet.topic) + "=" + std::string(base::as_text(packet.payload)) +
                       (packet.retain ? " retain" : ""));
        if (packet.qos == 1) from.ack(puback, packet.id);
      }
    }
    return seen;
  }
  static constexpr int kTopics = 20;
  Bed bed;
  Peer source{bed};
  Peer peer{bed};
};

TEST_F(SlowRetained, AllComeOnceAndTheLiveOnesBehindThem) {
  covers_v5("MQTT-3.3.1-9 MQTT-3.3.4-9");
  peer.subscribe("t/#", 1);
  source.publish("t/3", "new", {.qos = 1, .id = 1, .retain = true}).publish("t/4", "live");
  const auto seen = drain(peer);
  std::vector<std::string> sorted = seen;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
  EXPECT_EQ(seen.size(), kTopics + (std::count(seen.begin(), seen.end(), "t/3=old retain") == 1 ? 2u : 1u));
  EXPECT_THAT(seen, Contains("t/3=new"));
  EXPECT_THAT(seen, Contains("t/4=live"));
  const auto place = [&](const char* text) { return std::find(seen.begin(), seen.end(), text) - seen.begin(); };
  EXPECT_LT(place("t/4=old retain"), place("t/4=live"));
  EXPECT_GE(place("t/3=new"), kTopics - 1);
}

TEST_F(SlowRetained, UnsubscribingEndsIt) {
  covers_v5("MQTT-3.10.4-2");
  peer.subscribe("t/#", 1).unsubscribe("t/#");
  EXPECT_EQ(drain(peer).size(), 1u);
}

TEST_F(SlowRetained, GoesOnWithItsSession) {
  covers_v5("MQTT-3.1.2-23 MQTT-4.4.0-1");
  peer.subscribe("t/#", 1).drop();
  source.publish("t/live", "x", {.qos = 1, .id = 1});
  Peer again(bed);
  again.connect({.id = "peer", .clean = false, .expiry_s = 1000, .receive_maximum = 1});
  const auto seen = drain(again);
  EXPECT_EQ(seen.size(), kTopics + 1u);
  EXPECT_EQ(seen.back(), "t/live=x");
}

TEST_F(SlowRetained, EndsWithItsSession) {
  covers_v5("MQTT-3.1.2-4");
  peer.subscribe("t/#", 1).drop();
  Peer again(bed);
  again.connect({.id = "peer", .clean = true});
  EXPECT_THAT(drain(again), IsEmpty());
}

TEST_F(SlowRetained, WhatIsClearedMeanwhileDoesNotCome) {
  covers_v5("MQTT-3.3.1-6");
  peer.subscribe("t/#", 1);
  for (int i = 0; i < kTopics; ++i) source.publish("t/" + std::to_string(i), "", {.retain = true});
  const auto seen = drain(peer);
  EXPECT_EQ(std::count_if(seen.begin(), seen.end(), [](const std::string& text) { return text.ends_with(" retain"); }),
            1);
}

TEST_F(SlowRetained, EverySubscriptionBringsItsOwn) {
  covers_v5("MQTT-3.3.1-9");
  peer.subscribe("t/1", 1).subscribe("t/+", 1).subscribe("#", 1);
  EXPECT_EQ(drain(peer).size(), 1u + 2 * kTopics);
}

TEST_F(SlowRetained, NoLocalLeavesOutTheClientsOwn) {
  covers_v5("MQTT-3.8.3-3");
  source.subscribe("t/+", {.no_local = true});
  EXPECT_THAT(drain(source), IsEmpty());
  peer.publish("t/7", "of the peer", {.retain = true});
  source.skip();
  source.unsubscribe("t/+").subscribe("t/+", {.no_local = true});
  EXPECT_THAT(drain(source), ElementsAre("t/7=of the peer retain"));
}

}  // namespace
}  // namespace shoal::broker
