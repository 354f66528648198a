#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// CONNECT and CONNACK statement by statement: 3.1 and 3.2 of both standards, and MQTT 3.1. `connect_test.cpp` has
// limits, passwords and take-over.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint8_t kClean = 0x02;
constexpr std::uint8_t kWill = 0x04;

std::string two(std::size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)}; }
std::string text(std::string_view value) { return two(value.size()) + std::string(value); }
std::string properties(std::string_view raw) { return static_cast<char>(raw.size()) + std::string(raw); }
std::string head(Version version, int flags) {
  std::string bytes = text(version == Version::v3_1 ? "MQIsdp" : "MQTT");
  bytes += static_cast<char>(version);
  bytes += static_cast<char>(flags);
  return bytes + two(0);
}
std::string packet(std::string_view body, int first = 0x10) {
  return static_cast<char>(first) + std::string(1, static_cast<char>(body.size())) + std::string(body);
}
/// A 5.0 CONNECT with these property bytes.
std::string connect5(std::string_view raw) { return packet(head(Version::v5, kClean) + properties(raw) + text("c")); }
/// A 5.0 CONNECT with these bytes as will properties.
std::string will5(std::string_view raw, std::string_view topic = "w", std::string_view payload = "x") {
  return packet(head(Version::v5, kClean | kWill) + properties("") + text("c") + properties(raw) + text(topic) +
                text(payload));
}
std::string bytes(std::initializer_list<int> values) { return {values.begin(), values.end()}; }

/// What a fresh connection is answered to `sent`; expects that it is open exactly when the answer is a success.
std::vector<std::string> answer(Bed& bed, Version version, std::string_view sent) {
  Peer peer(bed, version);
  const auto texts = peer.raw(base::as_bytes(sent)).got();
  const bool accepted = texts.size() == 1 && texts[0].starts_with("CONNACK 0") && !texts[0].starts_with("CONNACK 0x");
  EXPECT_EQ(peer.closed(), !accepted) << testing::PrintToString(texts);
  return texts;
}
std::vector<std::string> answer(Version version, std::string_view sent) {
  Bed bed;
  return answer(bed, version, sent);
}

struct Connecting : testing::TestWithParam<Version> {
  bool v5() const { return GetParam() == Version::v5; }
  std::string none() const { return v5() ? properties("") : ""; }
  /// What is wrong with a CONNECT is told in 5.0 only (MQTT-3.1.4-1).
  std::vector<std::string> refused(const char* v5_answer) const {
    return v5() ? std::vector<std::string>{v5_answer} : std::vector<std::string>{};
  }
};

TEST_P(Connecting, NoOtherPacketComesFirst) {
  covers_v5("MQTT-3.1.0-1 MQTT-3.14.0-1");
  covers_v311("MQTT-3.1.0-1");
  Bed bed;
  for (const auto& sent : {bytes({0x30, 4, 0, 1, 't', 0}), bytes({0x40, 2, 0, 1}), bytes({0x62, 2, 0, 1}),
                           bytes({0x82, 6, 0, 1, 0, 1, 't', 0}), bytes({0xc0, 0}), bytes({0xe0, 0}), bytes({0xf0, 0}),
                           bytes({0x20, 2, 0, 0})}) {
    EXPECT_THAT(answer(bed, GetParam(), sent), IsEmpty());
  }
  // Nor one whose body could be that of a CONNECT.
  const std::string body = head(GetParam(), kClean) + none() + text("c");
  for (const int first : {0x20, 0x30, 0xc0, 0xe0, 0xf0}) {
    EXPECT_THAT(answer(bed, GetParam(), packet(body, first)), IsEmpty()) << first;
  }
}

TEST_P(Connecting, SecondConnectEndsTheConnectionAndSendsTheWill) {
  covers_v5("MQTT-3.1.0-2 MQTT-3.1.2-8 MQTT-4.13.1-1");
  covers_v311("MQTT-3.1.0-2 MQTT-3.1.2-8 MQTT-4.8.0-1");
  Bed bed;
  Peer watcher(bed);
  watcher.connect({"watcher"}).subscribe("w", 0).skip();
  Peer peer(bed, GetParam());
  peer.connect({"c"}, Last{"w", "gone"}).connect({"c"});
  EXPECT_TRUE(peer.closed());
  EXPECT_THAT(peer.got().size(), v5() ? 2u : 1u);
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH w=gone q0"));
}

TEST_P(Connecting, ReservedBitsOfTheFixedHeader) {
  covers_v5("MQTT-2.1.3-1");
  covers_v311("MQTT-2.2.2-1 MQTT-2.2.2-2");
  const std::string body = head(GetParam(), kClean) + none() + text("c");
  for (const int first : {0x11, 0x12, 0x14, 0x18, 0x1f}) {
    EXPECT_EQ(answer(GetParam(), packet(body, first)), refused("CONNACK 0x81")) << first;
  }
}

TEST_P(Connecting, FlagsThatContradictEachOther) {
  covers_v5("MQTT-3.1.2-3 MQTT-3.1.2-11 MQTT-3.1.2-12 MQTT-3.1.2-13");
  covers_v311("MQTT-3.1.2-3 MQTT-3.1.2-11 MQTT-3.1.2-13 MQTT-3.1.2-14 MQTT-3.1.2-15");
  for (const int flags : {0x01, 0x08, 0x10, 0x18, 0x20, 0x1c}) {
    const std::string body = head(GetParam(), kClean | flags) + none() + text("c") +
                             ((flags & kWill) != 0 ? none() + text("w") + text("x") : "");
    EXPECT_EQ(answer(GetParam(), packet(body)), refused("CONNACK 0x81")) << flags;
  }
}

TEST_P(Connecting, FlagsSayWhichFieldsFollow) {
  covers_v5("MQTT-3.1.2-9 MQTT-3.1.2-16 MQTT-3.1.2-17 MQTT-3.1.2-18 MQTT-3.1.2-19 MQTT-3.1.3-1 MQTT-3.1.3-3");
  covers_v311(
      "MQTT-3.1.2-9 MQTT-3.1.2-18 MQTT-3.1.2-19 MQTT-3.1.2-20 MQTT-3.1.2-21 MQTT-3.1.3-1 MQTT-3.1.3-3 MQTT-3.1.4-1");
  const std::string id = text("c");
  // A field without its flag is too much, a flag without its field too little.
  EXPECT_EQ(answer(GetParam(), packet(head(GetParam(), kClean) + none() + id + text("u"))), refused("CONNACK 0x81"));
  EXPECT_EQ(answer(GetParam(), packet(head(GetParam(), kClean | kWill) + none() + id)), refused("CONNACK 0x81"));
  EXPECT_EQ(answer(GetParam(), packet(head(GetParam(), kClean | kWill) + none() + id + none() + text("w"))),
            refused("CONNACK 0x81"));
  const std::string everything = packet(head(GetParam(), kClean | kWill | 0x28 | 0xc0) + none() + id + none() +
                                        text("w") + text("gone") + text("user") + text("secret"));
  EXPECT_THAT(answer(GetParam(), everything), ElementsAre("CONNACK 0"));
}

TEST_P(Connecting, PasswordWithoutUserName) {  // allowed from 5.0 on (3.1.2.9)
  covers_v311("MQTT-3.1.2-22");
  const auto texts = answer(GetParam(), packet(head(GetParam(), kClean | 0x40) + none() + text("c") + text("token")));
  if (v5()) EXPECT_THAT(texts, ElementsAre("CONNACK 0"));
  else EXPECT_THAT(texts, IsEmpty());
}

TEST_P(Connecting, ClientIdsEveryServerTakes) {  // 1 to 23 digits and letters
  covers_v5("MQTT-3.1.3-5");
  covers_v311("MQTT-3.1.3-5");
  Bed bed;
  for (const char* id : {"0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ", "0"}) {
    Peer peer(bed, GetParam());
    EXPECT_THAT(peer.connect({id}).got(), ElementsAre("CONNACK 0")) << id;
  }
}

TEST_P(Connecting, ClientIdsAreComparedByteByByte) {  // case, and a BOM that is not skipped
  covers_v5("MQTT-3.1.3-2 MQTT-1.5.4-3");
  covers_v311("MQTT-3.1.3-2 MQTT-1.5.3-3");
  Bed bed;
  std::vector<std::unique_ptr<Peer>> peers;
  for (const char* id : {"client", "Client", "client ",
                         "\xef\xbb\xbf"
                         "client",
                         "cl\xc3\xad"
                         "ent"}) {
    peers.push_back(std::make_unique<Peer>(bed, GetParam()));
    EXPECT_THAT(peers.back()->connect({id}).got(), ElementsAre("CONNACK 0"));
  }
  for (const auto& peer : peers) EXPECT_FALSE(peer->closed());
  EXPECT_EQ(bed.stats().sessions_now, 5u);
}

TEST_P(Connecting, StringsAreWellFormed) {
  covers_v5("MQTT-1.5.4-1 MQTT-1.5.4-2 MQTT-3.1.3-4 MQTT-3.1.3-11 MQTT-3.1.3-12");
  covers_v311("MQTT-1.5.3-1 MQTT-1.5.3-2 MQTT-3.1.3-4 MQTT-3.1.3-10 MQTT-3.1.3-11");
  for (const std::string bad : {"\xc0\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xff", "\xe2\x82"}) {
    EXPECT_EQ(answer(GetParam(), packet(head(GetParam(), kClean) + none() + text(bad))), refused("CONNACK 0x81"));
    EXPECT_EQ(answer(GetParam(),
                     packet(head(GetParam(), kClean | kWill) + none() + text("c") + none() + text(bad) + text("x"))),
              refused("CONNACK 0x81"));
    EXPECT_EQ(answer(GetParam(), packet(head(GetParam(), kClean | 0x80) + none() + text("c") + text(bad))),
              refused("CONNACK 0x81"));
  }
  const std::string nul("a\0b", 3);
  EXPECT_EQ(answer(GetParam(), packet(head(GetParam(), kClean) + none() + text(nul))), refused("CONNACK 0x81"));
}

TEST_P(Connecting, StringsMayHoldAnyOtherCharacter) {  // 1.5.4: what SHOULD NOT be there is not refused here
  Bed bed;
  for (const char* id : {"\x01", "\x7f", "\xc2\x80", "\xef\xbf\xbe", "\xf4\x8f\xbf\xbf", "\xf0\x9f\x92\xa1"}) {
    Peer peer(bed, GetParam());
    EXPECT_THAT(peer.connect({id}).got(), ElementsAre("CONNACK 0"));
  }
}

TEST_P(Connecting, PasswordsAreBytes) {  // 3.1.3.6 (3.1.1: 3.1.3.5)
  const std::string body = head(GetParam(), kClean | 0xc0) + none() + text("c") + text("u");
  EXPECT_THAT(answer(GetParam(), packet(body + text(std::string_view("\0\xff\xc0", 3)))), ElementsAre("CONNACK 0"));
}

TEST_P(Connecting, ConnackComesFirstAndOnce) {
  covers_v5("MQTT-3.2.0-1 MQTT-3.2.0-2");
  covers_v311("MQTT-3.2.0-1");
  Bed bed;
  Peer source(bed);
  source.connect({"source"}).skip();
  Hello hello{.id = "c", .clean = false};
  if (v5()) hello.expiry_s = 100;
  {
    Peer before(bed, GetParam());
    before.connect(hello).subscribe("t", 1).skip().drop();
  }
  source.publish("t", "x", {.qos = 1, .id = 1});
  Peer peer(bed, GetParam());
  const std::string present = GetParam() == Version::v3_1 ? "CONNACK 0" : "CONNACK 0 present";
  EXPECT_THAT(peer.connect(hello).got(), ElementsAre(present, "PUBLISH t=x q1 #1"));
}

TEST_P(Connecting, RefusalNeverClaimsASession) {
  covers_v5("MQTT-3.2.2-6 MQTT-3.2.2-7 MQTT-3.2.2-8");
  covers_v311("MQTT-3.2.2-4 MQTT-3.2.2-5");
  Bed bed;
  Hello hello{.id = "c", .clean = false};
  if (v5()) hello.expiry_s = 100;
  Peer(bed, GetParam()).connect(hello).drop();
  bed.authority.decision = auth::Decision::refused;
  Peer peer(bed, GetParam());
  const auto packets = peer.connect(hello).take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].bytes[2], 0);
  EXPECT_EQ(packets[0].bytes[3], v5() ? 0x86 : 4);
  EXPECT_TRUE(peer.closed());
}

TEST_P(Connecting, ProcessingOfARefusedConnectLeavesNothing) {  // no session, no will, no take-over
  covers_v5("MQTT-3.1.4-1");
  covers_v311("MQTT-3.1.2-12");
  Bed bed;
  Peer watcher(bed);
  watcher.connect({"watcher"}).subscribe("#", 0).skip();
  Peer holder(bed);
  holder.connect({"held"}).skip();
  bed.authority.decision = auth::Decision::refused;
  Peer peer(bed, GetParam());
  peer.connect({"held"}, Last{"w", "gone"});
  Peer other(bed, GetParam());
  other.connect({"other"}, Last{"w", "gone"});
  EXPECT_FALSE(holder.closed());
  EXPECT_THAT(watcher.got(), IsEmpty());
  EXPECT_EQ(bed.stats().sessions_now, 2u);
}

INSTANTIATE_TEST_SUITE_P(Versions, Connecting, testing::Values(Version::v3_1, Version::v3_1_1, Version::v5));

TEST(ConnectProperties, ThatDoNotBelongThere) {  // 2.2.2.2: malformed
  covers_v5("MQTT-4.13.1-1");
  for (const auto& raw : {bytes({0x18, 0, 0, 0, 1}), bytes({0x23, 0, 1}), bytes({0x0b, 1}), bytes({0x24, 1}),
                          bytes({0x1f, 0, 1, 'x'}), bytes({0x00, 0}), bytes({0x7f, 0}), bytes({0x99, 1, 0})}) {
    EXPECT_THAT(answer(Version::v5, connect5(raw)), ElementsAre("CONNACK 0x81")) << testing::PrintToString(raw);
  }
}

TEST(ConnectProperties, OutOfRange) {  // 3.1.2.11.3, .4, .6, .7
  covers_v5("MQTT-4.13.1-1");
  for (const auto& raw : {bytes({0x21, 0, 0}), bytes({0x27, 0, 0, 0, 0}), bytes({0x19, 2}), bytes({0x17, 2})}) {
    EXPECT_THAT(answer(Version::v5, connect5(raw)), ElementsAre("CONNACK 0x82")) << testing::PrintToString(raw);
  }
}

TEST(ConnectProperties, Twice) {  // 3.1.2.11.2 ff.
  covers_v5("MQTT-4.13.1-1");
  for (const auto& raw : {bytes({0x11, 0, 0, 0, 1}), bytes({0x21, 0, 1}), bytes({0x27, 0, 1, 0, 0}),
                          bytes({0x22, 0, 1}), bytes({0x19, 1}), bytes({0x17, 1})}) {
    EXPECT_THAT(answer(Version::v5, connect5(raw)), ElementsAre("CONNACK 0"));
    EXPECT_THAT(answer(Version::v5, connect5(raw + raw)), ElementsAre("CONNACK 0x82")) << testing::PrintToString(raw);
  }
  const auto user = bytes({0x26, 0, 1, 'k', 0, 1, 'v'});
  EXPECT_THAT(answer(Version::v5, connect5(user + user)), ElementsAre("CONNACK 0"));  // 3.1.2.11.8
}

TEST(ConnectProperties, LengthBeyondThePacketAndCutProperties) {  // 2.2.2.1
  covers_v5("MQTT-1.5.5-1 MQTT-4.13.1-1");
  const std::string body = head(Version::v5, kClean);
  EXPECT_THAT(answer(Version::v5, packet(body + bytes({9, 0x21, 0, 1}) + text("c"))), ElementsAre("CONNACK 0x81"));
  EXPECT_THAT(answer(Version::v5, connect5(bytes({0x21, 0}))), ElementsAre("CONNACK 0x81"));
  EXPECT_THAT(answer(Version::v5, connect5(bytes({0x26, 0, 1, 'k', 0, 2, 'v'}))), ElementsAre("CONNACK 0x81"));
  EXPECT_THAT(answer(Version::v5, packet(body + bytes({0x80, 0}) + text("c"))), ElementsAre("CONNACK 0x81"));
}

TEST(ConnectProperties, Authentication) {  // 3.1.2.11.9, .10
  covers_v5("MQTT-4.12.0-1");
  const auto method = bytes({0x15, 0, 1, 'm'});
  const auto data = bytes({0x16, 0, 1, 'd'});
  EXPECT_THAT(answer(Version::v5, connect5(method)), ElementsAre("CONNACK 0x8c"));
  EXPECT_THAT(answer(Version::v5, connect5(method + data)), ElementsAre("CONNACK 0x8c"));
  EXPECT_THAT(answer(Version::v5, connect5(data)), ElementsAre("CONNACK 0x82"));
  EXPECT_THAT(answer(Version::v5, connect5(method + method)), ElementsAre("CONNACK 0x82"));
}

TEST(WillProperties, OfTheWillOnly) {  // 3.1.3.2
  covers_v5("MQTT-4.13.1-1");
  for (const auto& raw : {bytes({0x11, 0, 0, 0, 1}), bytes({0x23, 0, 1}), bytes({0x0b, 1}), bytes({0x21, 0, 1})}) {
    EXPECT_THAT(answer(Version::v5, will5(raw)), ElementsAre("CONNACK 0x81")) << testing::PrintToString(raw);
  }
}

TEST(WillProperties, TwiceOrOutOfRange) {  // 3.1.3.2.2 to .8
  covers_v5("MQTT-4.13.1-1");
  for (const auto& raw : {bytes({0x18, 0, 0, 0, 1}), bytes({0x01, 1}), bytes({0x02, 0, 0, 0, 1}),
                          bytes({0x03, 0, 1, 'x'}), bytes({0x08, 0, 1, 'r'}), bytes({0x09, 0, 1, 'x'})}) {
    EXPECT_THAT(answer(Version::v5, will5(raw)), ElementsAre("CONNACK 0"));
    EXPECT_THAT(answer(Version::v5, will5(raw + raw)), ElementsAre("CONNACK 0x82")) << testing::PrintToString(raw);
  }
  EXPECT_THAT(answer(Version::v5, will5(bytes({0x01, 2}))), ElementsAre("CONNACK 0x82"));
  EXPECT_THAT(answer(Version::v5, will5(bytes({0x08, 0, 1, '#'}))), ElementsAre("CONNACK 0x82"));
}

TEST(Connack, HasNoPropertiesBefore50) {  // 3.1.1: 3.2
  covers_v311("MQTT-3.2.0-1");
  for (const Version version : {Version::v3_1, Version::v3_1_1}) {
    Bed bed;
    Peer peer(bed, version);
    const auto packets = peer.connect({"c"}).take();
    ASSERT_EQ(packets.size(), 1u);
    EXPECT_THAT(packets[0].bytes, ElementsAre(0x20, 2, 0, 0));
  }
}

TEST(Connack, PropertiesThatOnlyAnswerAQuestion) {  // 3.2.2.3: nothing was asked for, nothing is limited
  covers_v5("MQTT-3.1.2-28 MQTT-4.12.0-6 MQTT-3.2.2-22");
  Bed bed;
  Peer peer(bed);
  const auto packets = peer.connect({"c"}).take();
  const mqtt::Properties told = packets.at(0).as<mqtt::Connack>().properties;
  for (const PropertyId id :
       {PropertyId::session_expiry_interval, PropertyId::assigned_client_identifier, PropertyId::server_keep_alive,
        PropertyId::response_information, PropertyId::server_reference, PropertyId::authentication_method,
        PropertyId::authentication_data, PropertyId::reason_string, PropertyId::maximum_qos,
        PropertyId::retain_available, PropertyId::wildcard_subscription_available,
        PropertyId::subscription_identifier_available}) {
    EXPECT_FALSE(told.has(id)) << static_cast<unsigned>(id);
  }
}

TEST(RemainingLength, LongerThanNeededIsMalformed) {
  covers_v5("MQTT-1.5.5-1");
  std::string sent = connect5("");
  sent[1] = static_cast<char>(sent[1] | 0x80);
  sent.insert(2, 1, '\0');
  EXPECT_THAT(answer(Version::v5, sent), ElementsAre("CONNACK 0x81"));
}

}  // namespace
}  // namespace shoal::broker
