#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"

// CONNECT and CONNACK: MQTT 5.0 and 3.1.1, 3.1 and 3.2.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

mqtt::Connack only_connack(const std::vector<Sent>& packets) {
  EXPECT_EQ(packets.size(), 1u);
  return packets.empty() ? mqtt::Connack{} : packets[0].as<mqtt::Connack>();
}

// Level and name are bytes here: encode() cannot write wrong ones.
std::vector<int> connect_bytes(std::string_view name, int level, int flags = 2) {
  std::vector<int> bytes{0x10, static_cast<int>(2 + name.size() + 4 + (level == 5 ? 1 : 0) + 3), 0,
                         static_cast<int>(name.size())};
  bytes.insert(bytes.end(), name.begin(), name.end());
  bytes.insert(bytes.end(), {level, flags, 0, 0});
  if (level == 5) bytes.push_back(0);
  bytes.insert(bytes.end(), {0, 1, 'c'});
  return bytes;
}

Peer& send(Peer& peer, const std::vector<int>& bytes) {
  const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  return peer.raw(base::Bytes(copy));
}

TEST(Connect, AcceptsEveryVersion) {
  covers_v5("MQTT-3.1.4-5 MQTT-3.2.0-1");
  covers_v311("MQTT-3.1.4-4 MQTT-3.2.0-1");
  Bed bed;
  for (const Version version : {Version::v3_1, Version::v3_1_1, Version::v5}) {
    Peer peer(bed, version);
    EXPECT_THAT(peer.connect({"c"}).got(), ElementsAre("CONNACK 0"));
    EXPECT_FALSE(peer.closed());
  }
}

TEST(Connect, FirstPacketMustBeConnect) {
  covers_v5("MQTT-3.1.0-1 MQTT-3.14.0-1");
  covers_v311("MQTT-3.1.0-1");
  Bed bed;
  Peer peer(bed);
  EXPECT_THAT(peer.ping().got(), IsEmpty());
  EXPECT_TRUE(peer.closed());
}

TEST(Connect, SecondConnectIsAProtocolError) {
  covers_v5("MQTT-3.1.0-2 MQTT-3.2.0-2 MQTT-3.14.4-1 MQTT-3.14.4-2");
  covers_v311("MQTT-3.1.0-2 MQTT-4.8.0-1");
  Bed bed;
  Peer v5(bed);
  EXPECT_THAT(v5.connect({"a"}).connect({"a"}).got(), ElementsAre("CONNACK 0", "DISCONNECT 0x82"));
  EXPECT_TRUE(v5.closed());
  Peer v4(bed, Version::v3_1_1);
  EXPECT_THAT(v4.connect({"b"}).connect({"b"}).got(), ElementsAre("CONNACK 0"));
  EXPECT_TRUE(v4.closed());
}

TEST(Connect, UnknownProtocolNameIsClosedWithoutAnAnswer) {
  covers_v5("MQTT-3.1.2-1");
  covers_v311("MQTT-3.1.2-1 MQTT-3.2.2-6");
  Bed bed;
  Peer peer(bed, Version::v3_1_1);
  EXPECT_THAT(send(peer, connect_bytes("HTTP", 4)).got(), IsEmpty());
  EXPECT_TRUE(peer.closed());
}

TEST(Connect, ARefusedLoginDoesNotTellWhatWasWrong) {
  Bed bed;
  bed.authority.decision = auth::Decision::refused;
  Peer peer(bed);
  const auto sent = peer.connect({.id = "a", .user = "u", .password = "p"}).take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].text(), "CONNACK 0x86");
  EXPECT_FALSE(sent[0].as<mqtt::Connack>().properties.has(PropertyId::reason_string));
}

TEST(Connect, AWillTopicBeyondTheLimitHasNoReturnCodeBefore5) {
  covers_v311("MQTT-3.2.2-6");
  Bed bed(with([](BrokerOptions& o) { o.limits.topic_levels = 3; }));
  Peer v5(bed);
  EXPECT_THAT(v5.connect({"a"}, {.topic = "1/2/3/4", .payload = "x"}).got(), ElementsAre("CONNACK 0x90"));
  Peer v4(bed, Version::v3_1_1);
  EXPECT_THAT(v4.connect({"b"}, {.topic = "1/2/3/4", .payload = "x"}).got(), IsEmpty());
  EXPECT_TRUE(v4.closed());
  EXPECT_EQ(bed.stats().hits(Bound::topic), 2u);
}

TEST(Connect, UnknownLevelIsAnsweredInAFormItsSenderReads) {
  covers_v5("MQTT-3.1.2-2 MQTT-3.2.2-7");
  covers_v311("MQTT-3.1.2-2 MQTT-3.2.2-5");
  struct Case {
    const char* name;
    int level;
    Version answer;
    const char* text;
  };
  for (const Case& c :
       {Case{"MQTT", 0, Version::v3_1_1, "CONNACK 1"}, Case{"MQTT", 3, Version::v3_1_1, "CONNACK 1"},
        Case{"MQTT", 6, Version::v5, "CONNACK 0x84"}, Case{"MQIsdp", 4, Version::v3_1_1, "CONNACK 1"},
        // mosquitto's bridges set the top bit, and leave it out when they read this answer.
        Case{"MQTT", 0x84, Version::v3_1_1, "CONNACK 1"}, Case{"MQIsdp", 0x83, Version::v3_1_1, "CONNACK 1"}}) {
    SCOPED_TRACE(std::string(c.name) + " " + std::to_string(c.level));
    Bed bed;
    Peer peer(bed, c.answer);
    EXPECT_THAT(send(peer, connect_bytes(c.name, c.level)).got(), ElementsAre(c.text));
    EXPECT_TRUE(peer.closed());
  }
}

TEST(Connect, ReservedFlagIsRefused) {
  covers_v5("MQTT-3.1.2-3");
  covers_v311("MQTT-3.1.2-3 MQTT-3.1.4-1");
  Bed bed;
  Peer v4(bed, Version::v3_1_1);
  EXPECT_THAT(send(v4, connect_bytes("MQTT", 4, 3)).got(), IsEmpty());
  EXPECT_TRUE(v4.closed());
  Peer v5(bed);
  EXPECT_THAT(send(v5, connect_bytes("MQTT", 5, 3)).got(), ElementsAre("CONNACK 0x81"));
  EXPECT_TRUE(v5.closed());
}

TEST(Connect, EmptyClientId) {
  covers_v311("MQTT-3.1.3-6 MQTT-3.1.3-7 MQTT-3.1.3-8 MQTT-3.1.3-9 MQTT-3.2.2-4 MQTT-3.2.2-5");
  Bed bed;
  Peer v3(bed, Version::v3_1);  // MQTT 3.1: 1 to 23 characters
  EXPECT_THAT(v3.connect({""}).got(), ElementsAre("CONNACK 2"));
  Peer kept(bed, Version::v3_1_1);  // MQTT-3.1.3-8 (3.1.1)
  EXPECT_THAT(kept.connect({"", false}).got(), ElementsAre("CONNACK 2"));
  EXPECT_TRUE(kept.closed());
  Peer clean(bed, Version::v3_1_1);  // MQTT-3.1.3-6 (3.1.1)
  EXPECT_THAT(clean.connect({""}).got(), ElementsAre("CONNACK 0"));
}

TEST(Connect, AssignedClientIdIsToldAndKeepsTheSession) {
  covers_v5("MQTT-3.1.3-6 MQTT-3.1.3-7 MQTT-3.2.2-16");
  Bed bed;
  Peer first(bed);
  first.connect({.id = "", .expiry_s = 100});
  const std::string id(only_connack(first.take()).properties.text(PropertyId::assigned_client_identifier));
  EXPECT_FALSE(id.empty());
  Peer second(bed);
  const auto answer = second.connect({.id = ""}).take();
  EXPECT_NE(only_connack(answer).properties.text(PropertyId::assigned_client_identifier), id);
  first.disconnect();
  Peer again(bed);
  const auto resumed = again.connect({.id = id, .clean = false}).take();
  EXPECT_TRUE(only_connack(resumed).session_present);
  EXPECT_FALSE(only_connack(resumed).properties.has(PropertyId::assigned_client_identifier));
}

TEST(Connect, SessionPresent) {
  covers_v5("MQTT-3.1.2-4 MQTT-3.1.2-5 MQTT-3.1.2-6 MQTT-3.1.4-4 MQTT-3.2.2-2 MQTT-3.2.2-3");
  Bed bed;
  const auto once = [&](Hello hello) {
    Peer peer(bed);
    auto texts = peer.connect(hello).got();
    peer.disconnect();
    return texts;
  };
  EXPECT_THAT(once({.id = "c", .clean = false, .expiry_s = 10}), ElementsAre("CONNACK 0"));
  EXPECT_THAT(once({.id = "c", .clean = false, .expiry_s = 10}), ElementsAre("CONNACK 0 present"));
  EXPECT_THAT(once({.id = "c", .clean = true, .expiry_s = 10}), ElementsAre("CONNACK 0"));
  EXPECT_THAT(once({.id = "c", .clean = false}), ElementsAre("CONNACK 0 present"));  // expiry 0 from here on
  EXPECT_THAT(once({.id = "c", .clean = false}), ElementsAre("CONNACK 0"));
}

TEST(Connect, CleanSessionOf311) {
  covers_v311("MQTT-3.1.2-4 MQTT-3.1.2-6 MQTT-3.1.4-3 MQTT-3.2.2-1 MQTT-3.2.2-2 MQTT-3.2.2-3");
  Bed bed;
  const auto once = [&](bool clean) {
    Peer peer(bed, Version::v3_1_1);
    auto texts = peer.connect({"c", clean}).got();
    peer.disconnect();
    return texts;
  };
  EXPECT_THAT(once(false), ElementsAre("CONNACK 0"));
  EXPECT_THAT(once(false), ElementsAre("CONNACK 0 present"));
  EXPECT_THAT(once(true), ElementsAre("CONNACK 0"));
  EXPECT_THAT(once(false), ElementsAre("CONNACK 0"));
}

TEST(Connect, Version31HasNoSessionPresentFlag) {
  Bed bed;
  Peer first(bed, Version::v3_1);
  first.connect({"c", false}).disconnect();
  Peer second(bed, Version::v3_1);
  EXPECT_THAT(second.connect({"c", false}).got(), ElementsAre("CONNACK 0"));
}

TEST(Connect, ConnackTellsLimits) {  // 3.2.2.3
  Bed bed(with([](BrokerOptions& o) {
    o.limits.receive_maximum = 7;
    o.limits.packet_size_bytes = 5000;
    o.limits.topic_aliases = 3;
    o.limits.session_expiry_s = 60;
    o.limits.keep_alive_max_s = 30;
  }));
  Peer peer(bed);
  const auto packets = peer.connect({.id = "c", .expiry_s = 100, .keep_alive_s = 40}).take();
  const mqtt::Properties properties = only_connack(packets).properties;
  EXPECT_EQ(properties.number(PropertyId::receive_maximum), 7u);
  EXPECT_EQ(properties.number(PropertyId::maximum_packet_size), 5000u);
  EXPECT_EQ(properties.number(PropertyId::topic_alias_maximum), 3u);
  EXPECT_EQ(properties.number(PropertyId::session_expiry_interval), 60u);  // 3.2.2.3.2
  EXPECT_EQ(properties.number(PropertyId::server_keep_alive), 30u);        // MQTT-3.1.2-21
  EXPECT_FALSE(properties.has(PropertyId::shared_subscription_available)) << "as it is without saying";
}

TEST(Connect, ConnackLeavesOutWhatWasGranted) {
  Bed bed;
  Peer peer(bed);
  const auto packets = peer.connect({.id = "c", .expiry_s = 100, .keep_alive_s = 40}).take();
  EXPECT_FALSE(only_connack(packets).properties.has(PropertyId::session_expiry_interval));
  EXPECT_FALSE(only_connack(packets).properties.has(PropertyId::server_keep_alive));
  EXPECT_FALSE(only_connack(packets).properties.has(PropertyId::assigned_client_identifier));
}

TEST(Connect, RefusedCredentials) {  // 3.1.4-2; 3.1.1: return code 4
  covers_v5("MQTT-3.1.4-2 MQTT-3.2.2-6 MQTT-3.2.2-7 MQTT-3.2.2-8 MQTT-4.13.2-1");
  covers_v311("MQTT-3.2.2-4 MQTT-3.2.2-5");
  Bed bed;
  bed.authority.decision = auth::Decision::refused;
  Peer v5(bed);
  EXPECT_THAT(v5.connect({.id = "a", .user = "u", .password = "p"}).got(), ElementsAre("CONNACK 0x86"));
  EXPECT_TRUE(v5.closed());
  Peer v4(bed, Version::v3_1_1);
  EXPECT_THAT(v4.connect({.id = "b", .user = "u", .password = "p"}).got(), ElementsAre("CONNACK 4"));
  EXPECT_TRUE(v4.closed());
  EXPECT_EQ(bed.stats().auth_failures, 2u);
  EXPECT_EQ(bed.stats().sessions_now, 0u);
}

// About the first whose password is verified, wherever that is.
void decide(Bed& bed, const auth::Verdict& verdict) {
  for (unsigned i = 0; i <= bed.others.size(); ++i)
    bed.shard_at(i).authenticated(bed.authority.verifying.at(0), verdict);
}

TEST(Connect, PacketsBehindConnectWaitForThePassword) {  // 3.1.4: the client need not wait for CONNACK
  covers_v5("MQTT-3.2.0-1");
  Bed bed;
  Peer watcher(bed);
  watcher.connect({"w"}).subscribe("t", 0).skip();
  bed.authority.decision = auth::Decision::needs_hash;
  Peer peer(bed);
  peer.connect({.id = "c", .user = "u", .password = "p"}).publish("t", "early").ping();
  EXPECT_THAT(peer.got(), IsEmpty());
  EXPECT_THAT(watcher.got(), IsEmpty());
  ASSERT_EQ(bed.authority.verifying.size(), 1u);
  decide(bed, {auth::Decision::accepted, ""});
  bed.turn();
  EXPECT_THAT(peer.got(), ElementsAre("CONNACK 0", "PINGRESP"));
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH t=early q0"));
}

TEST(Connect, PacketsBehindARefusedConnectAreNotProcessed) {
  covers_v5("MQTT-3.1.4-6");
  covers_v311("MQTT-3.1.4-5");
  for (const Version version : {Version::v3_1_1, Version::v5}) {
    Bed bed;
    Peer watcher(bed);
    watcher.connect({"w"}).subscribe("t", 0).skip();
    bed.authority.decision = auth::Decision::needs_hash;
    Peer peer(bed, version);
    peer.connect({.id = "c", .user = "u", .password = "p"}).publish("t", "early");
    decide(bed, {auth::Decision::refused, "wrong password"});
    bed.turn();
    EXPECT_THAT(peer.got(), ElementsAre(version == Version::v5 ? "CONNACK 0x86" : "CONNACK 4"));
    EXPECT_TRUE(peer.closed());
    EXPECT_THAT(watcher.got(), IsEmpty());
  }
}

TEST(Connect, GoneWhileThePasswordIsVerified) {
  Bed bed;
  bed.authority.decision = auth::Decision::needs_hash;
  {
    Peer peer(bed);
    peer.connect({.id = "c", .user = "u", .password = "p"}).drop();
  }
  decide(bed, {auth::Decision::accepted, ""});
  EXPECT_EQ(bed.stats().sessions_now, 0u);
  EXPECT_EQ(bed.stats().connections_now, 0u);
}

TEST(Connect, TooManyPasswordsToVerify) {
  Bed bed;
  bed.authority.decision = auth::Decision::needs_hash;
  bed.authority.takes_more = false;
  Peer v5(bed);
  EXPECT_THAT(v5.connect({.id = "c", .user = "u", .password = "p"}).got(), ElementsAre("CONNACK 0x89"));
  Peer v4(bed, Version::v3_1_1);
  EXPECT_THAT(v4.connect({.id = "c", .user = "u", .password = "p"}).got(), ElementsAre("CONNACK 3"));
}

TEST(Connect, EnhancedAuthenticationIsNotThere) {  // 4.12
  covers_v5("MQTT-4.12.0-1");
  Bed bed;
  Peer peer(bed);
  mqtt::PropertyWriter properties;
  properties.text(PropertyId::authentication_method, "SCRAM-SHA-1");
  mqtt::Connect packet;
  packet.client_id = "c";
  packet.properties = properties.view(mqtt::PropertyPlace::connect);
  EXPECT_THAT(peer.send(packet).got(), ElementsAre("CONNACK 0x8c"));
  EXPECT_TRUE(peer.closed());
}

TEST(Connect, TimeoutIsNotForWhoWaitsForTheServer) {
  Bed bed(with([](BrokerOptions& o) { o.limits.connect_timeout_s = 3; }));
  Peer first(bed);
  Peer second(bed);
  bed.shard.pause(first.client(), {});  // it is in line, and whoever says something comes behind it
  mqtt::Connect connect;
  connect.client_id = "c";
  std::vector<std::uint8_t> bytes;
  mqtt::encode(connect, Version::v5, bytes);
  second.give(bytes);
  ASSERT_TRUE(second.client().paused());
  bed.now += base::seconds(4);
  bed.timers.run(bed.now);
  bed.turn();
  EXPECT_THAT(second.got(), ElementsAre("CONNACK 0"));
  bed.advance(base::seconds(1));
  EXPECT_TRUE(first.closed());
}

TEST(Connect, NoConnectInTime) {
  Bed bed(with([](BrokerOptions& o) { o.limits.connect_timeout_s = 3; }));
  Peer peer(bed);
  bed.advance(base::milliseconds(2999));
  EXPECT_FALSE(peer.closed());
  bed.advance(base::milliseconds(1));
  EXPECT_TRUE(peer.closed());
}

TEST(Connect, ConnectionLimit) {
  Bed bed(with([](BrokerOptions& o) { o.limits.connections = 1; }));
  Peer first(bed);
  first.connect({.id = "a", .expiry_s = 100}).skip();
  Peer v5(bed);
  EXPECT_THAT(v5.connect({"b"}).got(), ElementsAre("CONNACK 0x97"));
  Peer v4(bed, Version::v3_1_1);
  EXPECT_THAT(v4.connect({"b"}).got(), ElementsAre("CONNACK 3"));
  EXPECT_FALSE(first.closed());
  // A client in the limit can always replace itself.
  Peer again(bed);
  EXPECT_THAT(again.connect({.id = "a", .clean = false, .expiry_s = 100}).got(), ElementsAre("CONNACK 0 present"));
}

TEST(Connect, ARefusedConnectLeavesTheSessionAlone) {
  Bed bed(with([](BrokerOptions& o) { o.limits.connections = 1; }));
  Peer first(bed);
  first.connect({.id = "a", .expiry_s = 100}).disconnect();
  Peer other(bed);
  other.connect({"b"});
  Peer refused(bed);
  EXPECT_THAT(refused.connect({.id = "a", .clean = true}).got(), ElementsAre("CONNACK 0x97"));
  other.disconnect();
  Peer again(bed);
  EXPECT_THAT(again.connect({.id = "a", .clean = false}).got(), ElementsAre("CONNACK 0 present"));
}

TEST(Connect, SessionLimit) {
  Bed bed(with([](BrokerOptions& o) { o.limits.sessions = 1; }));
  Peer first(bed);
  first.connect({.id = "a", .expiry_s = 100}).disconnect();
  Peer second(bed);
  EXPECT_THAT(second.connect({"b"}).got(), ElementsAre("CONNACK 0x97"));
  Peer fresh(bed);
  EXPECT_THAT(fresh.connect({"a"}).got(), ElementsAre("CONNACK 0"));
}

TEST(Connect, TakeOver) {
  covers_v5("MQTT-3.1.3-2 MQTT-3.1.4-3");
  covers_v311("MQTT-3.1.3-2 MQTT-3.1.4-2");
  Bed bed;
  Peer v5(bed);
  v5.connect({.id = "c", .expiry_s = 100}).skip();
  Peer v4(bed, Version::v3_1_1);
  EXPECT_THAT(v4.connect({"c", false}).got(), ElementsAre("CONNACK 0 present"));
  EXPECT_THAT(v5.got(), ElementsAre("DISCONNECT 0x8e"));
  EXPECT_TRUE(v5.closed());
  Peer next(bed);
  EXPECT_THAT(next.connect({"c", true}).got(), ElementsAre("CONNACK 0"));
  EXPECT_THAT(v4.got(), IsEmpty());  // MQTT-3.1.4-2 (3.1.1)
  EXPECT_TRUE(v4.closed());
  EXPECT_EQ(bed.stats().connections_now, 1u);
  EXPECT_EQ(bed.stats().sessions_now, 1u);
}

TEST(Connect, TakeOverOfASessionThatEndsWithItsConnection) {
  Bed bed;
  Peer first(bed);
  first.connect({"c"}).subscribe("t", 0).skip();
  Peer second(bed);
  EXPECT_THAT(second.connect({"c", false}).got(), ElementsAre("CONNACK 0"));
  EXPECT_THAT(second.publish("t", "x").got(), IsEmpty());
}

TEST(Connect, AfterShutDown) {
  covers_v5("MQTT-3.14.4-2 MQTT-4.13.2-1");
  Bed bed;
  Peer v5(bed);
  v5.connect({"a"}).skip();
  Peer v4(bed, Version::v3_1_1);
  v4.connect({"b"}).skip();
  bed.shut_down();
  bed.turn();
  EXPECT_THAT(v5.got(), ElementsAre("DISCONNECT 0x8b"));
  EXPECT_THAT(v4.got(), IsEmpty());
  EXPECT_TRUE(v5.closed() && v4.closed());
  Peer late(bed);
  EXPECT_THAT(late.connect({"c"}).got(), ElementsAre("CONNACK 0x88"));
}

}  // namespace
}  // namespace shoal::broker
