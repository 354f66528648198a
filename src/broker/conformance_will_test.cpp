#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"

// Wills statement by statement: 3.1.2.5 to 3.1.2.7, 3.1.3.2, 3.14.4. `will_test.cpp` has each cause by itself.

namespace shoal::broker {
namespace {

using base::milliseconds;
using base::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint32_t kNoDelay = 0;

Last will_of(std::uint32_t delay_s) {
  Last will{"will", "gone"};
  if (delay_s != kNoDelay) will.properties.number(PropertyId::will_delay_interval, delay_s);
  return will;
}

struct Wills : testing::Test {
  Wills() { watcher.connect({"watcher"}).subscribe("#", 2).skip(); }
  /// Seconds from now until the will is seen; nothing when it does not come within 1,000 s.
  std::optional<int> comes_after() {
    for (int second = 0; second <= 1000; ++second) {
      if (!watcher.got().empty()) return second;
      bed.advance(seconds(1));
    }
    return {};
  }
  Bed bed;
  Peer watcher{bed};
};

struct WillsOfVersion : Wills, testing::WithParamInterface<Version> {
  bool v5() const { return GetParam() == Version::v5; }
};

TEST_P(WillsOfVersion, IsThereUntilTheConnectionEnds) {
  covers_v5("MQTT-3.1.2-7 MQTT-3.1.2-8 MQTT-3.1.2-10");
  covers_v311("MQTT-3.1.2-8 MQTT-3.1.2-10");
  Peer peer(bed, GetParam());
  peer.connect({"c"}, will_of(kNoDelay)).ping().subscribe("x", 0);
  bed.advance(seconds(100'000));
  EXPECT_THAT(watcher.got(), IsEmpty());
  peer.drop();
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH will=gone q0"));
  Peer next(bed, GetParam());
  next.connect({"c"}).drop();  // the next connection has none
  EXPECT_THAT(watcher.got(), IsEmpty());
}

TEST_P(WillsOfVersion, WithoutOneNothingIsSent) {
  covers_v5("MQTT-3.1.2-8");
  covers_v311("MQTT-3.1.2-12");
  Peer(bed, GetParam()).connect({"c"}).drop();
  EXPECT_EQ(comes_after(), std::nullopt);
}

TEST_P(WillsOfVersion, IsDiscardedByDisconnectWhateverTheSession) {
  covers_v5("MQTT-3.14.4-3 MQTT-3.1.2-10");
  covers_v311("MQTT-3.14.4-3 MQTT-3.1.2-10");
  for (const bool clean : {true, false}) {
    Hello hello{.id = "c", .clean = clean};
    if (v5()) hello.expiry_s = 10;
    Peer peer(bed, GetParam());
    peer.connect(hello, will_of(v5() ? 3 : kNoDelay)).disconnect();
    EXPECT_EQ(comes_after(), std::nullopt);
  }
}

TEST_P(WillsOfVersion, AMalformedDisconnectDiscardsNothing) {
  covers_v5("MQTT-3.14.1-1 MQTT-3.1.2-8");
  covers_v311("MQTT-3.14.1-1 MQTT-3.1.2-8");
  Peer peer(bed, GetParam());
  peer.connect({"c"}, will_of(kNoDelay)).raw({0xe1, 0});
  EXPECT_TRUE(peer.closed());
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH will=gone q0"));
}

TEST_P(WillsOfVersion, IsRetainedWhenItSaysSo) {
  covers_v5("MQTT-3.1.2-14 MQTT-3.1.2-15");
  covers_v311("MQTT-3.1.2-16 MQTT-3.1.2-17 MQTT-3.1.2-7");
  Peer(bed, GetParam()).connect({"c"}, Last{"plain", "x", 1}).drop();
  Peer(bed, GetParam()).connect({"c"}, Last{"kept", "x", 1, true}).drop();
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH plain=x q1 #1", "PUBLISH kept=x q1 #2"));
  Peer late(bed, GetParam());
  late.connect({"late"}).skip();
  EXPECT_THAT(late.subscribe("plain", 2).subscribe("kept", 2).got(),
              ElementsAre("SUBACK #1 2", "SUBACK #1 2", "PUBLISH kept=x q1 #1 retain"));
}

TEST_P(WillsOfVersion, RetainedAndEmptyClears) {  // as any message: 3.3.1.3
  covers_v5("MQTT-3.1.2-15 MQTT-3.3.1-6 MQTT-3.3.1-7");
  covers_v311("MQTT-3.1.2-17 MQTT-3.3.1-10 MQTT-3.3.1-11");
  Peer source(bed);
  source.connect({"source"}).publish("state", "on", {.retain = true});
  Peer(bed, GetParam()).connect({"c"}, Last{"state", "", 0, true}).drop();
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH state=on q0", "PUBLISH state= q0"));
  EXPECT_EQ(bed.stats().retained_now, 0u);
}

TEST_P(WillsOfVersion, OfEveryQosReachesAnAbsentSubscriber) {
  covers_v5("MQTT-3.1.2-8 MQTT-4.5.0-1");
  covers_v311("MQTT-3.1.2-8 MQTT-4.5.0-1");
  const Hello hello{.id = "absent", .clean = false, .expiry_s = v5() ? std::optional(100u) : std::nullopt};
  Peer(bed, GetParam()).connect(hello).subscribe("w/#", 2).drop();
  for (const std::uint8_t qos : {0, 1, 2}) Peer(bed, GetParam()).connect({"c"}, Last{"w/x", "gone", qos}).drop();
  Peer absent(bed, GetParam());
  const char* const connack = GetParam() == Version::v3_1 ? "CONNACK 0" : "CONNACK 0 present";
  EXPECT_THAT(absent.connect(hello).got(), ElementsAre(connack, "PUBLISH w/x=gone q1 #1", "PUBLISH w/x=gone q2 #2"));
}

INSTANTIATE_TEST_SUITE_P(Versions, WillsOfVersion, testing::Values(Version::v3_1, Version::v3_1_1, Version::v5));

TEST_F(Wills, ComesAtTheEarlierOfDelayAndSessionEnd) {
  covers_v5("MQTT-3.1.2-8");
  struct Case {
    std::uint32_t delay_s;
    std::uint32_t expiry_s;
    int after_s;
  };
  for (const Case& it : {Case{0, 0, 0}, Case{0, 50, 0}, Case{10, 0, 0}, Case{10, 50, 10}, Case{50, 50, 50},
                         Case{70, 50, 50}, Case{UINT32_MAX, 20, 20}, Case{1, UINT32_MAX, 1}}) {
    Peer(bed).connect({.id = "c", .expiry_s = it.expiry_s}, will_of(it.delay_s)).drop();
    EXPECT_EQ(comes_after(), it.after_s) << it.delay_s << " " << it.expiry_s;
    EXPECT_EQ(comes_after(), std::nullopt) << "once";
    Peer(bed).connect({"c"}).drop();
  }
}

TEST_F(Wills, DisconnectWithAnExpiryMovesTheSessionsEnd) {  // 3.14.2.2.2 with 3.1.3.2.2
  covers_v5("MQTT-3.1.2-8");
  struct Case {
    std::uint32_t in_disconnect_s;
    int after_s;
  };
  for (const Case& it : {Case{0, 0}, Case{5, 5}, Case{30, 10}}) {
    Peer peer(bed);
    peer.connect({.id = "c", .expiry_s = 8}, will_of(10));
    peer.disconnect(ReasonCode::disconnect_with_will, it.in_disconnect_s);
    EXPECT_EQ(comes_after(), it.after_s);
    Peer(bed).connect({"c"}).drop();
  }
}

TEST_F(Wills, TakeOver) {  // 3.1.3.2.2: all but a resumed session with a delay
  covers_v5("MQTT-3.1.4-3 MQTT-3.1.3-9 MQTT-3.1.2-8");
  struct Case {
    std::uint32_t delay_s;
    std::uint32_t expiry_s;
    bool clean;
    bool sent;
  };
  for (const Case& it :
       {Case{0, 0, false, true}, Case{0, 0, true, true}, Case{0, 50, false, true}, Case{0, 50, true, true},
        Case{5, 50, false, false}, Case{5, 50, true, true}, Case{5, 0, false, true}, Case{5, 0, true, true}}) {
    Peer first(bed);
    first.connect({.id = "c", .expiry_s = it.expiry_s}, will_of(it.delay_s));
    Peer second(bed);
    second.connect({.id = "c", .clean = it.clean});
    EXPECT_EQ(comes_after(), it.sent ? std::optional(0) : std::nullopt)
        << it.delay_s << it.expiry_s << it.clean << it.sent;
    second.disconnect();
  }
}

TEST_F(Wills, ByAnyVersionThatComesAfter) {  // a 3.1.1 client takes up or ends the session of a 5.0 client
  covers_v5("MQTT-3.1.3-9 MQTT-3.1.2-4");
  for (const bool clean : {true, false}) {
    Peer(bed).connect({.id = "c", .expiry_s = 50}, will_of(5)).drop();
    Peer old(bed, Version::v3_1_1);
    old.connect({"c", clean});
    EXPECT_EQ(comes_after(), clean ? std::optional(0) : std::nullopt);
    old.disconnect();
    Peer(bed).connect({"c"}).drop();
  }
}

TEST_F(Wills, ReplacedByThatOfTheNextConnection) {
  covers_v5("MQTT-3.1.2-7 MQTT-3.1.3-9");
  Peer(bed).connect({.id = "c", .expiry_s = 50}, will_of(5)).drop();
  bed.advance(seconds(4));
  Last other = will_of(7);
  other.payload = "second";
  Peer(bed).connect({.id = "c", .clean = false, .expiry_s = 50}, other).drop();
  bed.advance(milliseconds(6'999));
  EXPECT_THAT(watcher.got(), IsEmpty());
  bed.advance(milliseconds(1));
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH will=second q0"));
  EXPECT_EQ(comes_after(), std::nullopt);
}

TEST_F(Wills, CodesOfDisconnect) {  // 3.14.4: only 0x00 discards it
  covers_v5("MQTT-3.14.4-3 MQTT-3.1.2-8");
  for (const ReasonCode code :
       {ReasonCode::disconnect_with_will, ReasonCode::unspecified_error, ReasonCode::malformed_packet,
        ReasonCode::protocol_error, ReasonCode::implementation_specific_error, ReasonCode::topic_name_invalid,
        ReasonCode::receive_maximum_exceeded, ReasonCode::topic_alias_invalid, ReasonCode::packet_too_large,
        ReasonCode::message_rate_too_high, ReasonCode::quota_exceeded, ReasonCode::administrative_action,
        ReasonCode::payload_format_invalid}) {
    Peer peer(bed);
    peer.connect({"c"}, will_of(kNoDelay)).skip().disconnect(code);
    EXPECT_TRUE(peer.closed());
    EXPECT_THAT(peer.got(), IsEmpty());
    EXPECT_EQ(comes_after(), 0) << to_string(code);
  }
}

TEST_F(Wills, PropertiesArriveAsTheyWereGiven) {
  covers_v5("MQTT-3.1.3-10 MQTT-3.3.2-4 MQTT-3.3.2-15 MQTT-3.3.2-16 MQTT-3.3.2-18 MQTT-3.3.2-20");
  Last will = will_of(2);
  mqtt::PropertyWriter expected;
  const auto both = [&](auto write) { write(will.properties), write(expected); };
  both([](mqtt::PropertyWriter& out) { out.user("z", "1").text(PropertyId::content_type, "t/p").user("a", "2"); });
  both([](mqtt::PropertyWriter& out) { out.text(PropertyId::response_topic, "r").user("z", "3"); });
  both([](mqtt::PropertyWriter& out) { out.text(PropertyId::correlation_data, std::string_view("\0\xff", 2)); });
  both([](mqtt::PropertyWriter& out) { out.number(PropertyId::payload_format_indicator, 1); });
  Peer(bed).connect({.id = "c", .expiry_s = 50}, will).drop();
  bed.advance(seconds(2));
  const auto packets = watcher.take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(base::as_text(packets[0].as<mqtt::Publish>().properties.raw()), base::as_text(expected.raw()));
}

TEST_F(Wills, ExpiryBeginsWithItsPublication) {  // 3.1.3.2.4
  covers_v5("MQTT-3.3.2-5 MQTT-3.3.2-6");
  Peer(bed).connect({.id = "absent", .expiry_s = 1000}).subscribe("will", 1).drop();
  Last will = will_of(20);
  will.qos = 1;
  will.retain = true;
  will.properties.number(PropertyId::message_expiry_interval, 10);
  Peer(bed).connect({.id = "c", .expiry_s = 1000}, will).drop();
  bed.advance(seconds(20));
  const auto live = watcher.take();
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].as<mqtt::Publish>().properties.number(PropertyId::message_expiry_interval), 10u);
  bed.advance(seconds(9));
  {
    Peer absent(bed);
    const auto packets = absent.connect({.id = "absent", .clean = false, .expiry_s = 1000}).take();
    ASSERT_EQ(packets.size(), 2u);
    EXPECT_EQ(packets[1].as<mqtt::Publish>().properties.number(PropertyId::message_expiry_interval), 1u);
    absent.drop();
  }
  bed.advance(seconds(1));
  Peer late(bed);
  EXPECT_THAT(late.connect({"late"}).skip().subscribe("will", 1).got(), ElementsAre("SUBACK #1 1"));
}

TEST_F(Wills, OfAClientThatHearsItself) {  // 3.8.3.1: its own will comes to its session, unless it says no local
  covers_v5("MQTT-3.8.3-3");
  for (const bool no_local : {true, false}) {
    Last will = will_of(kNoDelay);
    will.qos = 1;
    Peer peer(bed);
    peer.connect({.id = "c", .expiry_s = 50}, will).subscribe("will", {.qos = 1, .no_local = no_local}).drop();
    Peer again(bed);
    EXPECT_EQ(again.connect({.id = "c", .clean = false}).got().size(), no_local ? 1u : 2u);
    again.disconnect();
  }
}

TEST_F(Wills, OfAnEndedSessionFindsNoSubscriptionOfIt) {
  covers_v5("MQTT-3.1.2-4 MQTT-3.1.2-8");
  Last will = will_of(kNoDelay);
  will.qos = 1;
  Peer peer(bed);
  peer.connect({.id = "c", .expiry_s = 0}, will).subscribe("will", 1).drop();
  Peer again(bed);
  EXPECT_THAT(again.connect({.id = "c", .clean = false}).got(), ElementsAre("CONNACK 0"));
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
}

}  // namespace
}  // namespace shoal::broker
