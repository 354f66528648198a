#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// SUBSCRIBE, UNSUBSCRIBE and matching statement by statement: 3.3.1.3, 3.8 to 3.11, 4.7. `subscribe_test.cpp` has
// limits and the host.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using enum PacketType;

struct Entry {
  std::string_view filter;
  mqtt::SubscriptionOptions options{};
};

Peer& subscribe_all(Peer& peer, std::initializer_list<Entry> entries, std::uint16_t id = 1) {
  std::vector<std::uint8_t> filters;
  for (const Entry& entry : entries) mqtt::append_filter(filters, {entry.filter, entry.options}, true);
  return peer.send(mqtt::Subscribe{id, {}, mqtt::FilterList(filters, true)});
}

struct Subscribing : testing::TestWithParam<Version> {
  Subscribing() {
    source.connect({"source"}).skip();
    peer.connect({"peer"}).skip();
  }
  bool v5() const { return GetParam() == Version::v5; }
  void expect_end(Peer& ended, const char* disconnect) {
    EXPECT_TRUE(ended.closed());
    EXPECT_THAT(ended.got(), v5() ? std::vector<std::string>{disconnect} : std::vector<std::string>{});
  }
  /// The topics, of those given, of which `filter` brings the messages.
  std::vector<std::string> matching(std::string_view filter, std::initializer_list<const char*> topics) {
    peer.subscribe(filter, 0).skip();
    std::vector<std::string> found;
    for (const char* topic : topics) {
      source.publish(topic, "x");
      for (const Sent& sent : peer.take()) found.emplace_back(sent.as<mqtt::Publish>().topic);
    }
    peer.unsubscribe(filter).skip();
    return found;
  }

  Bed bed;
  Peer source{bed};
  Peer peer{bed, GetParam()};
};

TEST_P(Subscribing, IsAnsweredWithItsIdentifierAndOneCodePerFilter) {
  covers_v5("MQTT-2.2.1-6 MQTT-3.8.4-1 MQTT-3.8.4-2 MQTT-3.8.4-5 MQTT-3.8.4-6 MQTT-3.8.4-7 MQTT-3.9.3-1");
  covers_v311("MQTT-2.3.1-7 MQTT-3.8.4-1 MQTT-3.8.4-2 MQTT-3.8.4-4 MQTT-3.8.4-5 MQTT-3.9.3-1");
  for (const std::uint16_t id : {1, 256, 65535}) {
    subscribe_all(peer, {{"a", {.qos = 2}}, {"b", {.qos = 0}}, {"c/#", {.qos = 1}}}, id);
    EXPECT_THAT(peer.got(), ElementsAre("SUBACK #" + std::to_string(id) + " 2 0 1"));
  }
}

TEST_P(Subscribing, TheSameFilterTwiceInOnePacketIsOneSubscription) {
  covers_v5("MQTT-3.8.4-3 MQTT-3.8.4-5");
  covers_v311("MQTT-3.8.4-3 MQTT-3.8.4-4");
  subscribe_all(peer, {{"t", {.qos = 2}}, {"t", {.qos = 0}}});
  EXPECT_THAT(peer.got(), ElementsAre("SUBACK #1 2 0"));
  source.publish("t", "x", {.qos = 1, .id = 1});
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=x q0"));
  EXPECT_EQ(bed.stats().subscriptions_now, 1u);
}

TEST_P(Subscribing, UnsubscribeIsAnsweredWithItsIdentifierInAnyCase) {
  covers_v5("MQTT-2.2.1-6 MQTT-3.10.4-4 MQTT-3.10.4-5 MQTT-3.10.4-6 MQTT-3.11.3-1 MQTT-3.11.3-2");
  covers_v311("MQTT-2.3.1-7 MQTT-3.10.4-4 MQTT-3.10.4-5 MQTT-3.10.4-6");
  peer.subscribe("a", 0).subscribe("b", 0).skip();
  std::vector<std::uint8_t> filters;
  for (const char* filter : {"never", "a", "A", "a", "b"}) mqtt::append_filter(filters, {filter, {}}, false);
  peer.send(mqtt::Unsubscribe{4000, {}, mqtt::FilterList(filters, false)});
  EXPECT_THAT(peer.got(), ElementsAre(v5() ? "UNSUBACK #4000 17 0 17 17 0" : "UNSUBACK #4000"));
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
}

TEST_P(Subscribing, UnsubscribeDoesNotMatchItCompares) {
  covers_v5("MQTT-3.10.4-1");
  covers_v311("MQTT-3.10.4-1");
  peer.subscribe("a/b", 0).subscribe("a/+", 0).skip();
  peer.unsubscribe("#").unsubscribe("a/#").unsubscribe("+/+").unsubscribe("a/b/").skip();
  EXPECT_EQ(bed.stats().subscriptions_now, 2u);
  peer.unsubscribe("a/+").skip();
  EXPECT_EQ(bed.stats().subscriptions_now, 1u);
}

TEST_P(Subscribing, UnsubscribeLetsWhatHasBegunFinish) {
  covers_v5("MQTT-3.10.4-2 MQTT-3.10.4-3");
  covers_v311("MQTT-3.10.4-2 MQTT-3.10.4-3");
  peer.subscribe("t", 2).skip();
  source.publish("t", "1", {.qos = 2, .id = 1}).ack(pubrel, 1);
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=1 q2 #1"));
  peer.unsubscribe("t").skip();
  source.publish("t", "2", {.qos = 1, .id = 2});
  EXPECT_THAT(peer.ack(pubrec, 1).got(), ElementsAre("PUBREL #1"));
  EXPECT_THAT(peer.ack(pubcomp, 1).got(), IsEmpty());
}

TEST_P(Subscribing, IdentifierZeroIsNone) {
  covers_v5("MQTT-2.2.1-3");
  covers_v311("MQTT-2.3.1-1");
  for (const int first : {0x82, 0xa2}) {
    Peer zero(bed, GetParam());
    zero.connect({"zero"}).skip();
    const int options = first == 0x82 ? 1 : 0;
    if (v5() && options == 1) zero.raw({first, 7, 0, 0, 0, 0, 1, 't', 0});
    else if (v5()) zero.raw({first, 6, 0, 0, 0, 0, 1, 't'});
    else if (options == 1) zero.raw({first, 6, 0, 0, 0, 1, 't', 0});
    else zero.raw({first, 5, 0, 0, 0, 1, 't'});
    expect_end(zero, "DISCONNECT 0x82");
  }
}

TEST_P(Subscribing, FiltersAreWellFormedStrings) {
  covers_v5("MQTT-3.8.3-1 MQTT-3.10.3-1 MQTT-1.5.4-1 MQTT-1.5.4-2 MQTT-4.7.3-2");
  covers_v311("MQTT-3.8.3-1 MQTT-3.10.3-1 MQTT-1.5.3-1 MQTT-1.5.3-2 MQTT-4.7.3-2");
  for (const std::string& bad : {std::string("\xed\xb0\x80"), std::string("\xc0\xaf"), std::string("a\0", 2)}) {
    for (const int first : {0x82, 0xa2}) {
      Peer wrong(bed, GetParam());
      wrong.connect({"wrong"}).skip();
      std::string body("\0\1", 2);
      if (v5()) body += '\0';
      body += '\0';
      body += static_cast<char>(bad.size());
      body += bad;
      if (first == 0x82) body += '\0';
      const std::string sent = static_cast<char>(first) + std::string(1, static_cast<char>(body.size())) + body;
      wrong.raw(base::as_bytes(sent));
      expect_end(wrong, "DISCONNECT 0x81");
    }
  }
}

TEST_P(Subscribing, ReservedBitsOfTheOptions) {
  covers_v5("MQTT-3.8.3-5");
  covers_v311("MQTT-3-8.3-4");
  struct Case {
    int options;
    const char* answer;  // 5.0; nullptr: fine there
  };
  for (const Case& it :
       {Case{0x40, "DISCONNECT 0x81"}, Case{0x80, "DISCONNECT 0x81"}, Case{0x03, "DISCONNECT 0x82"},
        Case{0x30, "DISCONNECT 0x82"}, Case{0x04, nullptr}, Case{0x08, nullptr}, Case{0x10, nullptr}}) {
    Peer other(bed, GetParam());
    other.connect({"other"}).skip();
    if (v5()) other.raw({0x82, 7, 0, 1, 0, 0, 1, 't', it.options});
    else other.raw({0x82, 6, 0, 1, 0, 1, 't', it.options});
    if (v5() && !it.answer) EXPECT_THAT(other.got(), ElementsAre("SUBACK #1 0")) << it.options;
    else expect_end(other, it.answer);
    EXPECT_EQ(bed.stats().subscriptions_now, v5() && !it.answer ? 1u : 0u);
  }
}

TEST_P(Subscribing, AMalformedEntryLeavesNothingOfItsPacket) {
  covers_v5("MQTT-3.8.3-5 MQTT-4.13.1-1");
  covers_v311("MQTT-3-8.3-4 MQTT-4.8.0-1");
  Hello hello{.id = "kept", .clean = false};
  if (v5()) hello.expiry_s = 100;
  Peer kept(bed, GetParam());
  kept.connect(hello).skip();
  if (v5()) kept.raw({0x82, 11, 0, 1, 0, 0, 1, 'a', 0, 0, 1, 'b', 0x43});
  else kept.raw({0x82, 10, 0, 1, 0, 1, 'a', 0, 0, 1, 'b', 0x43});
  expect_end(kept, "DISCONNECT 0x81");
  EXPECT_EQ(bed.stats().subscriptions_now, 0u);
}

TEST_P(Subscribing, MultiLevelWildcard) {
  covers_v5("MQTT-4.7.1-1");
  covers_v311("MQTT-4.7.1-2");
  const auto topics = {"sport", "sport/", "sport/tennis", "sport/tennis/a", "sports", "/sport", "Sport", "/"};
  EXPECT_THAT(matching("sport/#", topics), ElementsAre("sport", "sport/", "sport/tennis", "sport/tennis/a"));
  EXPECT_THAT(matching("#", {"a", "/", "a/b", "/a"}), ElementsAre("a", "/", "a/b", "/a"));
  EXPECT_THAT(matching("/#", {"/", "/a", "a"}), ElementsAre("/", "/a"));
}

TEST_P(Subscribing, SingleLevelWildcard) {
  covers_v5("MQTT-4.7.1-2");
  covers_v311("MQTT-4.7.1-3");
  EXPECT_THAT(matching("sport/+", {"sport", "sport/", "sport/a", "sport/a/b"}), ElementsAre("sport/", "sport/a"));
  EXPECT_THAT(matching("+/+", {"/finance", "a/b", "finance", "a/b/c", "/"}), ElementsAre("/finance", "a/b", "/"));
  EXPECT_THAT(matching("/+", {"/finance", "finance", "//"}), ElementsAre("/finance"));
  EXPECT_THAT(matching("+", {"/finance", "finance", "/"}), ElementsAre("finance"));
  EXPECT_THAT(matching("a/+/c/#", {"a/b/c", "a//c/d/e", "a/c", "a/b/d"}), ElementsAre("a/b/c", "a//c/d/e"));
}

TEST_P(Subscribing, TopicsThatBeginWithADollar) {
  covers_v5("MQTT-4.7.2-1");
  covers_v311("MQTT-4.7.2-1");
  const auto topics = {"$x/a", "$x", "a/$x", "b/a"};
  EXPECT_THAT(matching("#", topics), ElementsAre("a/$x", "b/a"));
  EXPECT_THAT(matching("+/a", topics), ElementsAre("b/a"));
  EXPECT_THAT(matching("+", topics), IsEmpty());
  EXPECT_THAT(matching("$x/#", topics), ElementsAre("$x/a", "$x"));
  EXPECT_THAT(matching("$x/+", topics), ElementsAre("$x/a"));
  EXPECT_THAT(matching("a/+", topics), ElementsAre("a/$x"));
}

TEST_P(Subscribing, MatchingComparesBytes) {
  covers_v5("MQTT-4.7.3-4 MQTT-1.5.4-3");
  covers_v311("MQTT-4.7.3-4 MQTT-1.5.3-3");
  // Composed and decomposed e with acute, upper case, a BOM, spaces: all different.
  EXPECT_THAT(matching("\xc3\xa9", {"e\xcc\x81", "\xc3\xa9", "\xc3\x89"}), ElementsAre("\xc3\xa9"));
  EXPECT_THAT(matching("a b", {"a b", "ab", "a  b", "A b"}), ElementsAre("a b"));
  EXPECT_THAT(matching("\xef\xbb\xbfx", {"x", "\xef\xbb\xbfx"}), ElementsAre("\xef\xbb\xbfx"));
}

TEST_P(Subscribing, AgainSendsRetainedMessagesAgainAndLosesNothing) {
  covers_v5("MQTT-3.8.4-3 MQTT-3.8.4-4 MQTT-3.3.1-9");
  covers_v311("MQTT-3.8.4-3 MQTT-3.3.1-6 MQTT-3.3.1-8");
  source.publish("t", "kept", {.qos = 1, .id = 1, .retain = true});
  EXPECT_THAT(peer.subscribe("t", 2).got(), ElementsAre("SUBACK #1 2", "PUBLISH t=kept q1 #1 retain"));
  source.publish("t", "live", {.qos = 1, .id = 2});
  EXPECT_THAT(peer.subscribe("t", 0).got(),
              ElementsAre("PUBLISH t=live q1 #2", "SUBACK #1 0", "PUBLISH t=kept q0 retain"));
  EXPECT_THAT(peer.ack(puback, 1).ack(puback, 2).got(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Versions, Subscribing, testing::Values(Version::v3_1, Version::v3_1_1, Version::v5));

struct Options : testing::Test {
  Options() {
    source.connect({"source"}).skip();
    peer.connect({.id = "peer", .expiry_s = 1000}).skip();
  }
  static std::vector<std::uint32_t> ids(const Sent& sent) {
    std::vector<std::uint32_t> found;
    const auto packet = sent.as<mqtt::Publish>();
    packet.properties.each([&](PropertyId id, base::Bytes value) {
      if (id != PropertyId::subscription_identifier) return;
      std::uint32_t number = 0;
      for (std::size_t i = 0; i < value.size(); ++i) number |= static_cast<std::uint32_t>(value[i] & 0x7f) << (7 * i);
      found.push_back(number);
    });
    return found;
  }
  /// The identifiers with which the next message on `topic` comes.
  std::vector<std::uint32_t> ids_of(std::string_view topic) {
    peer.skip();
    source.publish(topic, "x");
    const auto packets = peer.take();
    EXPECT_EQ(packets.size(), 1u);
    return packets.empty() ? std::vector<std::uint32_t>() : ids(packets[0]);
  }

  Bed bed;
  Peer source{bed};
  Peer peer{bed};
};

TEST_F(Options, IdentifiersOfAnySizeComeBack) {
  covers_v5("MQTT-3.3.4-3");
  for (const std::uint32_t id : {1u, 127u, 128u, 16'384u, 268'435'455u}) {
    peer.subscribe("t", 0, id);
    EXPECT_THAT(ids_of("t"), ElementsAre(id));
  }
}

TEST_F(Options, IdentifiersOfAllThatMatch) {  // 3.3.4: also the same one twice
  covers_v5("MQTT-3.3.4-3 MQTT-3.3.4-4");
  peer.subscribe("t/#", 0, 7).subscribe("t/+", 0, 7).subscribe("t/a", 0, 9).subscribe("+/a", 0).subscribe("u", 0, 10);
  EXPECT_THAT(ids_of("t/a"), UnorderedElementsAre(7u, 7u, 9u));
  EXPECT_THAT(ids_of("x/a"), IsEmpty());
}

TEST_F(Options, AgainWithoutAnIdentifierHasNone) {
  covers_v5("MQTT-3.8.4-3");
  peer.subscribe("t", 0, 7).subscribe("t", 0);
  EXPECT_THAT(ids_of("t"), IsEmpty());
}

TEST_F(Options, IdentifiersAreKeptWithSessionAndQueue) {
  covers_v5("MQTT-3.3.4-3 MQTT-3.1.2-23");
  peer.subscribe("t", 1, 7).subscribe("#", 0, 8).drop();
  source.publish("t", "x", {.qos = 1, .id = 1});
  Peer again(bed);
  const auto packets = again.connect({.id = "peer", .clean = false}).take();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_THAT(ids(packets[1]), UnorderedElementsAre(7u, 8u));
}

TEST_F(Options, IdentifierZeroOrTwice) {  // 3.8.2.1.2
  Peer zero(bed);
  EXPECT_THAT(zero.connect({"zero"}).skip().raw({0x82, 9, 0, 1, 2, 0x0b, 0, 0, 1, 't', 0}).got(),
              ElementsAre("DISCONNECT 0x82"));
  Peer twice(bed);
  EXPECT_THAT(twice.connect({"twice"}).skip().raw({0x82, 11, 0, 1, 4, 0x0b, 1, 0x0b, 2, 0, 1, 't', 0}).got(),
              ElementsAre("DISCONNECT 0x82"));
}

TEST_F(Options, NoLocalOnASharedSubscription) {
  covers_v5("MQTT-3.8.3-4");
  EXPECT_THAT(peer.subscribe("$share/g/t", {.no_local = true}).got(), ElementsAre("DISCONNECT 0x82"));
}

TEST_F(Options, NoLocalGoesByClientIdNotByConnection) {
  covers_v5("MQTT-3.8.3-3");
  peer.subscribe("t", {.qos = 1, .no_local = true}).publish("t", "mine").drop();
  Peer again(bed);
  again.connect({.id = "peer", .clean = false, .expiry_s = 1000}).skip();
  EXPECT_THAT(again.publish("t", "mine").got(), IsEmpty());
  source.publish("t", "other");
  EXPECT_THAT(again.got(), ElementsAre("PUBLISH t=other q0"));
}

TEST_F(Options, RetainAsPublishedIsPerSubscriber) {
  covers_v5("MQTT-3.3.1-12 MQTT-3.3.1-13");
  Peer plain(bed);
  plain.connect({"plain"}).subscribe("t", 0).skip();
  peer.subscribe("t", {.retain_as_published = true}).skip();
  source.publish("t", "1", {.retain = true}).publish("t", "2").publish("t", "", {.retain = true});
  EXPECT_THAT(peer.got(), ElementsAre("PUBLISH t=1 q0 retain", "PUBLISH t=2 q0", "PUBLISH t= q0 retain"));
  EXPECT_THAT(plain.got(), ElementsAre("PUBLISH t=1 q0", "PUBLISH t=2 q0", "PUBLISH t= q0"));
}

TEST_F(Options, RetainAsPublishedIsKeptInTheQueue) {
  covers_v5("MQTT-3.3.1-13");
  peer.subscribe("t", {.qos = 1, .retain_as_published = true}).drop();
  source.publish("t", "1", {.qos = 1, .id = 1, .retain = true}).publish("t", "2", {.qos = 1, .id = 2});
  Peer again(bed);
  again.connect({.id = "peer", .clean = false});
  EXPECT_THAT(again.got(), ElementsAre("CONNACK 0 present", "PUBLISH t=1 q1 #1 retain", "PUBLISH t=2 q1 #2"));
}

TEST_F(Options, RetainHandlingIsPerFilter) {
  covers_v5("MQTT-3.3.1-9 MQTT-3.3.1-10 MQTT-3.3.1-11");
  for (const char* topic : {"a", "b", "c"}) source.publish(topic, "x", {.retain = true});
  const auto all = {Entry{"a", {.retain_handling = 0}}, Entry{"b", {.retain_handling = 1}},
                    Entry{"c", {.retain_handling = 2}}};
  EXPECT_THAT(subscribe_all(peer, all).got(),
              ElementsAre("SUBACK #1 0 0 0", "PUBLISH a=x q0 retain", "PUBLISH b=x q0 retain"));
  EXPECT_THAT(subscribe_all(peer, all).got(), ElementsAre("SUBACK #1 0 0 0", "PUBLISH a=x q0 retain"));
}

TEST_F(Options, RetainHandlingOneKnowsTheSubscriptionsOfAResumedSession) {
  covers_v5("MQTT-3.3.1-10");
  source.publish("t", "x", {.retain = true});
  peer.subscribe("t", {.retain_handling = 1}).drop();
  Peer again(bed);
  EXPECT_THAT(again.connect({.id = "peer", .clean = false}).got(), ElementsAre("CONNACK 0 present"));
  EXPECT_THAT(again.subscribe("t", {.retain_handling = 1}).got(), ElementsAre("SUBACK #1 0"));
}

}  // namespace
}  // namespace shoal::broker
