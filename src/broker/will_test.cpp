#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"

// Wills: MQTT 5.0 and 3.1.1, 3.1.2.5; will delay: 3.1.3.2.2.

namespace shoal::broker {
namespace {

using base::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

struct Will : testing::Test {
  Will() { watcher.connect({"watcher"}).subscribe("#", 2).skip(); }
  static Last delayed(std::uint32_t seconds_) {
    Last will{"will", "gone"};
    will.properties.number(PropertyId::will_delay_interval, seconds_);
    return will;
  }
  std::vector<std::string> seen() { return watcher.got(); }

  Bed bed;
  Peer watcher{bed};
  const Last plain{"will", "gone"};
  const std::string sent = "PUBLISH will=gone q0";
};

TEST_F(Will, IsSentWhenTheConnectionBreaks) {
  covers_v5("MQTT-3.1.2-7 MQTT-3.1.2-8");
  covers_v311("MQTT-3.1.2-8");
  for (const Version version : {Version::v3_1, Version::v3_1_1, Version::v5}) {
    Peer peer(bed, version);
    peer.connect({"c"}, plain);
    EXPECT_THAT(seen(), IsEmpty());
    peer.drop();
    EXPECT_THAT(seen(), ElementsAre(sent));
  }
}

TEST_F(Will, IsSentWhenTheClientIsTooQuiet) {  // MQTT-3.1.2-22 (3.1.1: -24)
  covers_v5("MQTT-3.1.2-8 MQTT-3.1.2-22");
  Peer peer(bed);
  peer.connect({.id = "c", .keep_alive_s = 10}, plain);
  bed.advance(seconds(15));
  EXPECT_THAT(seen(), ElementsAre(sent));
}

TEST_F(Will, IsSentForAProtocolError) {
  Peer peer(bed);
  peer.connect({"c"}, plain).raw({0x00, 0x00});
  EXPECT_TRUE(peer.closed());
  EXPECT_THAT(seen(), ElementsAre(sent));
}

TEST_F(Will, IsSentAtATakeOver) {  // MQTT-3.1.4-3
  for (const bool clean : {true, false}) {
    Peer peer(bed);
    peer.connect({.id = "c", .expiry_s = 100}, plain);
    Peer next(bed);
    next.connect({"c", clean});
    EXPECT_THAT(seen(), ElementsAre(sent));
  }
}

TEST_F(Will, IsSentWhenTheInstanceShutsDown) {
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 100}, plain);
  Peer absent(bed);
  absent.connect({.id = "absent", .expiry_s = 100}).subscribe("will", 1).disconnect();
  bed.shut_down();
  bed.turn();
  EXPECT_EQ(bed.stats().messages_received, 1u);
}

TEST_F(Will, IsDiscardedByANormalDisconnect) {
  covers_v5("MQTT-3.1.2-8 MQTT-3.1.2-10 MQTT-3.14.4-3");
  covers_v311("MQTT-3.1.2-8 MQTT-3.1.2-10 MQTT-3.14.4-3");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    Peer peer(bed, version);
    peer.connect({"c", version == Version::v5}, plain).disconnect();
    EXPECT_TRUE(peer.closed());
    bed.advance(seconds(1'000'000));
    EXPECT_THAT(seen(), IsEmpty());
  }
}

TEST_F(Will, IsSentByADisconnectWithAnyOtherCode) {  // 3.14.2.1: 0x04; MQTT-3.1.2-8: only 0x00 deletes it
  covers_v5("MQTT-3.1.2-8");
  for (const ReasonCode code : {ReasonCode::disconnect_with_will, ReasonCode::unspecified_error,
                                ReasonCode::implementation_specific_error, ReasonCode::administrative_action}) {
    Peer peer(bed);
    peer.connect({"c"}, plain).disconnect(code);
    EXPECT_THAT(seen(), ElementsAre(sent)) << to_string(code);
  }
}

TEST_F(Will, BelongsToItsConnection) {  // a new CONNECT replaces it, also by none
  Peer first(bed);
  first.connect({.id = "c", .expiry_s = 100}, delayed(50)).disconnect(ReasonCode::disconnect_with_will);
  Peer second(bed);
  second.connect({.id = "c", .clean = false, .expiry_s = 100}, Last{"will", "second"});
  second.drop();
  EXPECT_THAT(seen(), ElementsAre("PUBLISH will=second q0"));
  Peer third(bed);
  third.connect({.id = "c", .clean = false, .expiry_s = 100}).drop();
  bed.advance(seconds(1000));
  EXPECT_THAT(seen(), IsEmpty());
}

TEST_F(Will, WaitsForItsDelay) {
  covers_v5("MQTT-3.1.2-8 MQTT-3.1.2-10");
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 100}, delayed(10)).drop();
  bed.advance(base::milliseconds(9'999));
  EXPECT_THAT(seen(), IsEmpty());
  bed.advance(base::milliseconds(1));
  EXPECT_THAT(seen(), ElementsAre(sent));
  bed.advance(seconds(1000));
  EXPECT_THAT(seen(), IsEmpty());
}

TEST_F(Will, IsNotSentWhenTheSessionIsResumedInTime) {
  covers_v5("MQTT-3.1.3-9");
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 100}, delayed(10)).drop();
  bed.advance(seconds(9));
  Peer next(bed);
  next.connect({.id = "c", .clean = false, .expiry_s = 100});
  bed.advance(seconds(1000));
  next.drop();
  bed.advance(seconds(1000));
  EXPECT_THAT(seen(), IsEmpty());
}

TEST_F(Will, IsSentWhenItIsDueAndWaits) {
  Peer first(bed);
  first.connect({.id = "c", .clean = false, .expiry_s = 60}, delayed(2)).drop();
  bed.now += seconds(2);  // no deadline has been looked at yet
  Peer second(bed);
  EXPECT_THAT(second.connect({.id = "c", .clean = false, .expiry_s = 60}).got(), ElementsAre("CONNACK 0 present"));
  EXPECT_THAT(seen(), ElementsAre(sent));
}

TEST_F(Will, IsNotSentWhenATakeOverResumesTheSession) {
  covers_v5("MQTT-3.1.3-9");
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 100}, delayed(10));
  Peer next(bed);
  next.connect({.id = "c", .clean = false, .expiry_s = 100});
  bed.advance(seconds(1000));
  EXPECT_THAT(seen(), IsEmpty());
}

TEST_F(Will, IsSentAtOnceByACleanStart) {  // 3.1.3.2.2: the session ends
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 100}, delayed(10)).drop();
  Peer next(bed);
  next.connect({"c", true});
  EXPECT_THAT(seen(), ElementsAre(sent));
  Peer third(bed);
  next.disconnect();
  third.connect({.id = "c", .expiry_s = 100}, delayed(10));
  Peer fourth(bed);
  fourth.connect({"c", true});
  EXPECT_THAT(seen(), ElementsAre(sent));
}

TEST_F(Will, IsSentWhenTheSessionEndsBeforeItsDelay) {  // 3.1.3.2.2
  covers_v5("MQTT-3.1.2-8");
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 5}, delayed(10)).drop();
  bed.advance(base::milliseconds(4'999));
  EXPECT_THAT(seen(), IsEmpty());
  bed.advance(base::milliseconds(1));
  EXPECT_THAT(seen(), ElementsAre(sent));
  Peer without(bed);
  without.connect({"d"}, delayed(10)).drop();
  EXPECT_THAT(seen(), ElementsAre(sent));
  Peer shortened(bed);
  shortened.connect({.id = "e", .expiry_s = 100}, delayed(10)).disconnect(ReasonCode::disconnect_with_will, 0);
  EXPECT_THAT(seen(), ElementsAre(sent));
}

TEST_F(Will, HasItsQosAndIsRetained) {
  covers_v5("MQTT-3.1.2-14 MQTT-3.1.2-15");
  covers_v311("MQTT-3.1.2-16 MQTT-3.1.2-17");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    Bed own;
    Peer plain_one(own, version);
    plain_one.connect({"a"}, Last{"plain", "gone", 1, false}).drop();
    Peer kept_one(own, version);
    kept_one.connect({"b"}, Last{"kept", "gone", 1, true}).drop();
    Peer late(own, version);
    late.connect({"late"}).skip();
    EXPECT_THAT(late.subscribe("#", 2).got(), ElementsAre("SUBACK #1 2", "PUBLISH kept=gone q1 #1 retain"));
    Peer again(own, version);
    again.connect({"c"}, Last{"kept", "again", 2, true}).drop();
    EXPECT_THAT(late.got(), ElementsAre("PUBLISH kept=again q2 #2"));
  }
}

TEST_F(Will, CarriesItsOwnPropertiesOnly) {  // 3.1.3.2: the delay is the server's, the rest the message's
  covers_v5("MQTT-3.1.3-10");
  Last will{"will", "gone"};
  will.properties.user("b", "1")
      .number(PropertyId::will_delay_interval, 1)
      .number(PropertyId::payload_format_indicator, 1)
      .text(PropertyId::content_type, "text/plain")
      .number(PropertyId::message_expiry_interval, 60)
      .text(PropertyId::response_topic, "answer")
      .text(PropertyId::correlation_data, "id")
      .user("a", "2")
      .user("b", "3");
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 100}, will).drop();
  bed.advance(seconds(10));
  const auto packets = watcher.take();
  ASSERT_EQ(packets.size(), 1u);
  const mqtt::Properties properties = packets[0].as<mqtt::Publish>().properties;
  EXPECT_FALSE(properties.has(PropertyId::will_delay_interval));
  EXPECT_EQ(properties.number(PropertyId::payload_format_indicator), 1u);
  EXPECT_EQ(properties.text(PropertyId::content_type), "text/plain");
  EXPECT_EQ(properties.text(PropertyId::response_topic), "answer");
  EXPECT_EQ(properties.text(PropertyId::correlation_data), "id");
  EXPECT_EQ(properties.number(PropertyId::message_expiry_interval), 60u);  // from its publication on (3.1.3.2.4)
  std::vector<std::string> users;
  properties.each_user_property(
      [&](mqtt::UserProperty user) { users.push_back(std::string(user.name) + "=" + std::string(user.value)); });
  EXPECT_THAT(users, ElementsAre("b=1", "a=2", "b=3"));  // MQTT-3.1.3-10
}

TEST_F(Will, ExpiresAfterItsPublication) {
  Peer absent(bed);
  absent.connect({.id = "absent", .expiry_s = 1000}).subscribe("will", 1).disconnect();
  Last will{"will", "gone", 1};
  will.properties.number(PropertyId::will_delay_interval, 50).number(PropertyId::message_expiry_interval, 20);
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 100}, will).drop();
  bed.advance(seconds(69));
  Peer in_time(bed);
  in_time.connect({.id = "absent", .clean = false, .expiry_s = 1000});
  EXPECT_THAT(in_time.got(), ElementsAre("CONNACK 0 present", "PUBLISH will=gone q1 #1"));
}

TEST_F(Will, IsNotForTheClientItselfWhenItSaysNoLocal) {  // MQTT-3.8.3-3: by client id
  covers_v5("MQTT-3.8.3-3");
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 100}, Last{"will", "gone", 1});
  peer.subscribe("will", {.qos = 1, .no_local = true}).drop();
  EXPECT_EQ(seen().size(), 1u);
  Peer back(bed);
  EXPECT_THAT(back.connect({.id = "c", .clean = false}).got(), ElementsAre("CONNACK 0 present"));
}

TEST_F(Will, WithAnInvalidTopicIsRefused) {
  covers_v5("MQTT-4.7.0-1");
  covers_v311("MQTT-4.7.1-1");
  Peer v5(bed);
  EXPECT_THAT(v5.connect({"c"}, Last{"a/#", "gone"}).got(), ElementsAre("CONNACK 0x90"));
  EXPECT_TRUE(v5.closed());
  Peer v4(bed, Version::v3_1_1);
  EXPECT_TRUE(v4.connect({"c"}, Last{"a/#", "gone"}).closed());
  const std::string deep(200, '/');
  Peer too_deep(bed);
  EXPECT_THAT(too_deep.connect({"c"}, Last{deep, "gone"}).got(), ElementsAre("CONNACK 0x90"));
}

}  // namespace
}  // namespace shoal::broker
