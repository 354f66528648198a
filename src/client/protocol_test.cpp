#include "client/protocol.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "mqtt/decode.hpp"
#include "mqtt/encode.hpp"
#include "mqtt/varint.hpp"

namespace shoal::client {
namespace {

using base::seconds;
using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ReasonCode;
using mqtt::Version;

mqtt::Publish message(std::string_view topic, std::string_view payload = "", std::uint8_t qos = 0,
                      std::uint16_t id = 0) {
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = base::as_bytes(payload);
  packet.qos = qos;
  packet.id = id;
  return packet;
}

/// A client with a scripted server at its bytes. What it hears is one line each in `heard`.
class ProtocolTest : public testing::Test, protected Events {
 protected:
  void begin(Options options = {}) {
    version_ = options.version;
    protocol_.emplace(std::move(options), chunks_, static_cast<Events&>(*this));
    protocol_->start(now_);
  }
  /// Connects and forgets what was said until then.
  void begin_connected(Options options = {}, const mqtt::PropertyWriter& properties = {}) {
    begin(std::move(options));
    mqtt::Connack connack;
    connack.properties = properties.view(mqtt::PropertyPlace::connack);
    say(connack);
    said();
    heard_.clear();
  }

  void say(const mqtt::Packet& packet) {
    std::vector<std::uint8_t> bytes;
    mqtt::encode(packet, version_, bytes);
    protocol_->receive(bytes, now_);
  }
  /// The types of the packets the client wrote, and the last one's frame.
  std::string said() {
    wire_.clear();
    while (!protocol_->out().empty()) {
      base::Bytes piece;
      protocol_->out().peek(&piece, 1);
      wire_.insert(wire_.end(), piece.begin(), piece.end());
      protocol_->out().consume(piece.size());
    }
    std::string types;
    for (std::size_t at = 0; at < wire_.size(); at += last_.size) {
      EXPECT_EQ(mqtt::cut_frame(base::Bytes(wire_).subspan(at), last_), mqtt::FrameStatus::complete);
      types.append(types.empty() ? "" : " ").append(mqtt::to_string(last_.type));
    }
    return types;
  }
  template <class T>
  T last() {
    auto packet = mqtt::decode(last_, version_);
    EXPECT_TRUE(packet);
    return std::get<T>(*packet);
  }

  void on_connected(const mqtt::Connack&) override { heard_ += "connected;"; }
  void on_message(const mqtt::Publish& p) override {
    heard_ += std::string(p.topic) + '=' + std::string(base::as_text(p.payload)) + '@' + std::to_string(p.qos) + ';';
    if (leave_on_message_) protocol_->disconnect(now_);
  }
  void on_published(std::uint16_t id, ReasonCode code) override {
    heard_ += "published " + std::to_string(id) + ' ' + std::string(mqtt::to_string(code)) + ';';
  }
  void on_subscribed(std::uint16_t id, base::Bytes codes) override {
    heard_ += "subscribed " + std::to_string(id);
    for (const auto code : codes) heard_ += ' ' + std::to_string(code);
    heard_ += ';';
  }
  void on_unsubscribed(std::uint16_t id) override { heard_ += "unsubscribed " + std::to_string(id) + ';'; }
  void on_room() override { heard_ += "room;"; }
  void on_end(const End& end) override {
    why_ = end.why;
    heard_ += "end " + end.message + ';';
  }

  base::ChunkPool chunks_;
  base::Time now_{seconds(1000)};
  Version version_ = Version::v5;
  std::optional<Protocol> protocol_;
  std::vector<std::uint8_t> wire_;
  mqtt::Frame last_;
  std::string heard_;
  End::Why why_{};
  bool leave_on_message_ = false;
};

TEST_F(ProtocolTest, ConnectSaysWhatTheOptionsSay) {
  begin({.client_id = "me",
         .clean_start = false,
         .session_expiry_s = 30,
         .keep_alive_s = 7,
         .user = "ann",
         .password = "secret",
         .will = Will{"gone", "bye", 1, true}});
  EXPECT_EQ(said(), "CONNECT");
  const auto connect = last<mqtt::Connect>();
  EXPECT_EQ(connect.version, Version::v5);
  EXPECT_EQ(connect.client_id, "me");
  EXPECT_FALSE(connect.clean_start);
  EXPECT_EQ(connect.keep_alive_s, 7);
  EXPECT_EQ(connect.user_name, "ann");
  EXPECT_EQ(connect.password, "secret");
  ASSERT_TRUE(connect.will);
  EXPECT_EQ(connect.will->topic, "gone");
  EXPECT_EQ(connect.will->qos, 1);
  EXPECT_TRUE(connect.will->retain);
  EXPECT_EQ(connect.properties.number(PropertyId::session_expiry_interval), 30u);
  EXPECT_EQ(connect.properties.number(PropertyId::receive_maximum), 100u);
  EXPECT_FALSE(protocol_->connected());
  say(mqtt::Connack{});
  EXPECT_TRUE(protocol_->connected());
  EXPECT_EQ(heard_, "connected;");
}

TEST_F(ProtocolTest, ARefusedLoginIsToldAsText) {
  begin();
  mqtt::PropertyWriter properties;
  properties.text(PropertyId::reason_string, "no\nway");
  mqtt::Connack connack;
  connack.code = 0x86;
  connack.properties = properties.view(mqtt::PropertyPlace::connack);
  say(connack);
  EXPECT_EQ(heard_, "end the server refused the connection: bad user name or password (0x86): \"no\\nway\";");
  EXPECT_EQ(why_, End::Why::refused);
  EXPECT_TRUE(protocol_->ended());
}

TEST_F(ProtocolTest, ARefusalBefore5HasItsReturnCode) {
  begin({.version = Version::v3_1_1});
  mqtt::Connack connack;
  connack.code = 5;
  say(connack);
  EXPECT_EQ(heard_, "end the server refused the connection: not authorized (5);");
}

TEST_F(ProtocolTest, NothingButConnackComesFirst) {
  begin();
  say(mqtt::Pingresp{});
  EXPECT_EQ(why_, End::Why::protocol_error);
  EXPECT_EQ(heard_, "end the server broke the protocol: what it sent first is not CONNACK;");
}

TEST_F(ProtocolTest, BytesMayBeCutAnywhere) {
  begin_connected();
  std::vector<std::uint8_t> bytes;
  mqtt::encode(message("a/b", "one"), version_, bytes);
  mqtt::encode(message("c", "two", 1, 9), version_, bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    heard_.clear();
    const base::Bytes all(bytes);
    protocol_->receive(all.first(cut), now_);
    protocol_->receive(all.subspan(cut), now_);
    EXPECT_EQ(heard_, "a/b=one@0;c=two@1;") << cut;
    EXPECT_EQ(said(), "PUBACK");
  }
  heard_.clear();
  for (const std::uint8_t& byte : bytes) protocol_->receive({&byte, 1}, now_);
  EXPECT_EQ(heard_, "a/b=one@0;c=two@1;");
}

TEST_F(ProtocolTest, PublishAtEachQos) {
  begin_connected();
  auto id = protocol_->publish({.topic = "t", .payload = base::as_bytes("x"), .retain = true}, now_);
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, 0);
  EXPECT_EQ(said(), "PUBLISH");
  auto seen = last<mqtt::Publish>();
  EXPECT_EQ(seen.topic, "t");
  EXPECT_EQ(base::as_text(seen.payload), "x");
  EXPECT_TRUE(seen.retain);

  id = protocol_->publish({.topic = "t", .qos = 1}, now_);
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, 1);
  EXPECT_EQ(said(), "PUBLISH");
  EXPECT_EQ(last<mqtt::Publish>().id, 1);
  say(mqtt::Ack{PacketType::puback, 1, ReasonCode::quota_exceeded, {}});
  EXPECT_EQ(heard_, "published 1 quota exceeded;");

  heard_.clear();
  id = protocol_->publish({.topic = "t", .qos = 2}, now_);
  ASSERT_TRUE(id);
  said();
  say(mqtt::Ack{PacketType::pubrec, *id, ReasonCode::success, {}});
  EXPECT_EQ(said(), "PUBREL");
  EXPECT_EQ(heard_, "");
  say(mqtt::Ack{PacketType::pubcomp, *id, ReasonCode::success, {}});
  EXPECT_EQ(heard_, "published 2 success;");
}

TEST_F(ProtocolTest, ARefusedQos2MessageEndsWithItsPubrec) {
  begin_connected();
  ASSERT_TRUE(protocol_->publish({.topic = "t", .qos = 2}, now_));
  said();
  say(mqtt::Ack{PacketType::pubrec, 1, ReasonCode::not_authorized, {}});
  EXPECT_EQ(said(), "");
  EXPECT_EQ(heard_, "published 1 not authorized;");
}

TEST_F(ProtocolTest, InFlightIsBoundedByTheSmallerOfBothSides) {
  mqtt::PropertyWriter properties;
  properties.number(PropertyId::receive_maximum, 2);
  begin_connected({}, properties);
  EXPECT_TRUE(protocol_->publish({.topic = "t", .qos = 1}, now_));
  EXPECT_TRUE(protocol_->publish({.topic = "t", .qos = 2}, now_));
  const auto third = protocol_->publish({.topic = "t", .qos = 1}, now_);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::resource_exhausted);
  EXPECT_TRUE(protocol_->publish({.topic = "t", .qos = 0}, now_));
  say(mqtt::Ack{PacketType::puback, 1, ReasonCode::success, {}});
  EXPECT_EQ(heard_, "published 1 success;room;");
  EXPECT_TRUE(protocol_->publish({.topic = "t", .qos = 1}, now_));
}

TEST_F(ProtocolTest, UnsentOutputIsBounded) {
  begin_connected({.output_bytes_max = 1000});
  const std::string payload(600, 'x');
  const Outgoing large{.topic = "t", .payload = base::as_bytes(payload)};
  EXPECT_TRUE(protocol_->publish(large, now_));
  EXPECT_TRUE(protocol_->publish(large, now_));
  EXPECT_FALSE(protocol_->publish(large, now_));
  protocol_->on_sent();
  EXPECT_EQ(heard_, "");
  said();
  protocol_->on_sent();
  EXPECT_EQ(heard_, "room;");
  protocol_->on_sent();
  EXPECT_EQ(heard_, "room;");
}

TEST_F(ProtocolTest, WhatTheServerDoesNotOfferIsRefusedHere) {
  mqtt::PropertyWriter properties;
  properties.number(PropertyId::maximum_packet_size, 20);
  properties.number(PropertyId::maximum_qos, 1);
  properties.number(PropertyId::retain_available, 0);
  begin_connected({}, properties);
  EXPECT_FALSE(protocol_->publish({.topic = "t", .qos = 2}, now_));
  EXPECT_FALSE(protocol_->publish({.topic = "t", .retain = true}, now_));
  EXPECT_FALSE(protocol_->publish({.topic = "t", .payload = base::as_bytes("seventeen letters")}, now_));
  for (const char* topic : {"", "a/#", "+", "a\xff"}) EXPECT_FALSE(protocol_->publish({.topic = topic}, now_)) << topic;
  EXPECT_EQ(said(), "");
  EXPECT_TRUE(protocol_->publish({.topic = "t", .qos = 1}, now_));
}

TEST_F(ProtocolTest, SubscribeAndUnsubscribe) {
  begin_connected();
  const mqtt::FilterEntry filters[] = {{"a/+", {.qos = 1, .retain_handling = 2}}, {"$share/g/b/#", {.qos = 2}}};
  const auto id = protocol_->subscribe(filters, now_);
  ASSERT_TRUE(id);
  EXPECT_EQ(said(), "SUBSCRIBE");
  auto packet = last<mqtt::Subscribe>();
  mqtt::FilterEntry entry;
  ASSERT_TRUE(packet.filters.next(entry));
  EXPECT_EQ(entry.filter, "a/+");
  EXPECT_EQ(entry.options.qos, 1);
  EXPECT_EQ(entry.options.retain_handling, 2);
  ASSERT_TRUE(packet.filters.next(entry));
  EXPECT_EQ(entry.filter, "$share/g/b/#");
  const std::uint8_t codes[] = {1, 0x87};
  const std::uint8_t success[] = {0};
  say(mqtt::SubscriptionAck{PacketType::suback, *id, codes, {}});
  EXPECT_EQ(heard_, "subscribed 1 1 135;");

  heard_.clear();
  ASSERT_TRUE(protocol_->unsubscribe({filters, 1}, now_));
  EXPECT_EQ(said(), "UNSUBSCRIBE");
  say(mqtt::SubscriptionAck{PacketType::unsuback, 2, success, {}});
  EXPECT_EQ(heard_, "unsubscribed 2;");

  const mqtt::FilterEntry bad[] = {{"a/#/b", {}}};
  EXPECT_FALSE(protocol_->subscribe(bad, now_));
  EXPECT_FALSE(protocol_->subscribe({}, now_));
}

TEST_F(ProtocolTest, AQos2MessageIsReportedOnce) {
  begin_connected();
  const mqtt::Publish sent = message("t", "x", 2, 5);
  say(sent);
  say(sent);
  EXPECT_EQ(heard_, "t=x@2;");
  EXPECT_EQ(said(), "PUBREC PUBREC");
  say(mqtt::Ack{PacketType::pubrel, 5, ReasonCode::success, {}});
  EXPECT_EQ(said(), "PUBCOMP");
  EXPECT_EQ(last<mqtt::Ack>().code, ReasonCode::success);
  say(mqtt::Ack{PacketType::pubrel, 5, ReasonCode::success, {}});
  EXPECT_EQ(said(), "PUBCOMP");
  EXPECT_EQ(last<mqtt::Ack>().code, ReasonCode::packet_identifier_not_found);
  say(sent);
  EXPECT_EQ(heard_, "t=x@2;t=x@2;");
}

TEST_F(ProtocolTest, AServerThatExceedsTheReceiveMaximumIsLeft) {
  begin_connected({.receive_maximum = 1});
  say(message("t", "", 2, 1));
  say(message("t", "", 2, 2));
  EXPECT_EQ(said(), "PUBREC DISCONNECT");
  EXPECT_EQ(last<mqtt::Disconnect>().code, ReasonCode::receive_maximum_exceeded);
  EXPECT_EQ(why_, End::Why::protocol_error);
}

TEST_F(ProtocolTest, APacketLargerThanAskedForEndsItBeforeItIsRead) {
  begin_connected({.packet_size_max = 1000});
  const std::uint8_t head[] = {0x30, 0xe8, 0x07};
  protocol_->receive(head, now_);
  EXPECT_EQ(why_, End::Why::protocol_error);
  EXPECT_EQ(said(), "DISCONNECT");
  EXPECT_EQ(last<mqtt::Disconnect>().code, ReasonCode::packet_too_large);
}

TEST_F(ProtocolTest, WhatAServerMustNotSendEndsIt) {
  for (const mqtt::Packet& packet : {mqtt::Packet(mqtt::Ack{PacketType::puback, 7, ReasonCode::success, {}}),
                                     mqtt::Packet(mqtt::Ack{PacketType::pubcomp, 7, ReasonCode::success, {}}),
                                     mqtt::Packet(mqtt::SubscriptionAck{PacketType::unsuback, 7, {}, {}}),
                                     mqtt::Packet(mqtt::Pingreq{}), mqtt::Packet(mqtt::Connack{})}) {
    begin_connected();
    say(packet);
    EXPECT_TRUE(protocol_->ended());
    EXPECT_EQ(why_, End::Why::protocol_error);
  }
}

TEST_F(ProtocolTest, TheServersDisconnectIsTold) {
  begin_connected();
  say(mqtt::Disconnect{ReasonCode::session_taken_over, {}});
  EXPECT_EQ(heard_, "end the server ended the connection: session taken over (0x8e);");
  EXPECT_EQ(why_, End::Why::disconnected);
  protocol_->lost("");
  EXPECT_EQ(heard_, "end the server ended the connection: session taken over (0x8e);");
}

TEST_F(ProtocolTest, AfterDisconnectNothingIsSaidOrHeard) {
  begin_connected();
  leave_on_message_ = true;
  std::vector<std::uint8_t> bytes;
  mqtt::encode(message("t", "1", 1, 1), version_, bytes);
  mqtt::encode(message("t", "2", 1, 2), version_, bytes);
  protocol_->receive(bytes, now_);
  EXPECT_EQ(heard_, "t=1@1;");
  EXPECT_EQ(said(), "PUBACK DISCONNECT");
  EXPECT_TRUE(protocol_->closing());
  EXPECT_FALSE(protocol_->publish({.topic = "t"}, now_));
  protocol_->lost("");
  EXPECT_EQ(heard_, "t=1@1;end ;");
  EXPECT_EQ(why_, End::Why::done);
}

TEST_F(ProtocolTest, AServerThatDoesNotCloseIsLeftAfterTheLimit) {
  begin_connected({.close_limit = seconds(2)});
  protocol_->disconnect(now_);
  EXPECT_EQ(protocol_->deadline(), now_ + seconds(2));
  protocol_->on_time(now_ + seconds(2));
  EXPECT_TRUE(protocol_->ended());
  EXPECT_EQ(why_, End::Why::done);
}

TEST_F(ProtocolTest, AServerThatIsSilentAtTheStartIsATimeout) {
  begin({.connect_limit = seconds(3)});
  EXPECT_EQ(protocol_->deadline(), now_ + seconds(3));
  protocol_->on_time(now_ + seconds(2));
  EXPECT_FALSE(protocol_->ended());
  protocol_->on_time(now_ + seconds(3));
  EXPECT_EQ(why_, End::Why::timeout);
  EXPECT_EQ(protocol_->deadline(), base::kNever);
}

TEST_F(ProtocolTest, LostBeforeAndAfterConnack) {
  begin();
  protocol_->lost("");
  EXPECT_EQ(heard_, "end the server closed the connection without an answer to CONNECT;");
  begin_connected();
  protocol_->lost("");
  EXPECT_EQ(heard_, "end the server closed the connection;");
  begin_connected();
  protocol_->lost("the connection broke");
  EXPECT_EQ(heard_, "end the connection broke;");
  EXPECT_EQ(why_, End::Why::lost);
}

TEST_F(ProtocolTest, PingsWhenItHasNothingToSayAndLeavesWhenUnanswered) {
  begin_connected({.keep_alive_s = 20});
  EXPECT_EQ(protocol_->deadline(), now_ + seconds(20));
  now_ += seconds(15);
  ASSERT_TRUE(protocol_->publish({.topic = "t"}, now_));
  EXPECT_EQ(protocol_->deadline(), now_ + seconds(20));
  said();
  now_ += seconds(20);
  protocol_->on_time(now_);
  EXPECT_EQ(said(), "PINGREQ");
  say(mqtt::Pingresp{});
  now_ += seconds(20);
  protocol_->on_time(now_);
  EXPECT_EQ(said(), "PINGREQ");
  now_ += seconds(20);
  protocol_->on_time(now_);
  EXPECT_EQ(heard_, "end the server did not answer a ping in time;");
  EXPECT_EQ(why_, End::Why::timeout);
}

TEST_F(ProtocolTest, TheServersKeepAliveCounts) {
  mqtt::PropertyWriter properties;
  properties.number(PropertyId::server_keep_alive, 5);
  begin_connected({.keep_alive_s = 0}, properties);
  EXPECT_EQ(protocol_->deadline(), now_ + seconds(5));
  begin_connected({.keep_alive_s = 0});
  EXPECT_EQ(protocol_->deadline(), base::kNever);
}

TEST_F(ProtocolTest, WhatIsNotMqttEndsIt) {
  begin();
  protocol_->receive(base::as_bytes("HTTP/1.1 400 Bad Request\r\n"), now_);
  EXPECT_TRUE(protocol_->ended());
  EXPECT_EQ(why_, End::Why::protocol_error);
}

TEST(ClientOptions, WhatMqttCannotSayIsRefused) {
  EXPECT_TRUE(check({}));
  EXPECT_FALSE(check({.client_id = std::string(65'536, 'x')}));
  EXPECT_FALSE(check({.client_id = "a\xff"}));
  EXPECT_FALSE(check({.user = "a\xff"}));
  EXPECT_FALSE(check({.version = Version::v3_1_1, .clean_start = false}));
  EXPECT_FALSE(check({.version = Version::v3_1_1, .password = "x"}));
  EXPECT_TRUE(check({.version = Version::v5, .password = "x"}));
  EXPECT_FALSE(check({.user = "u", .password = std::string(65'536, 'x')}));
  EXPECT_FALSE(check({.will = Will{.topic = "a/#"}}));
  EXPECT_FALSE(check({.will = Will{.topic = "a", .qos = 3}}));
  EXPECT_TRUE(check({.will = Will{.topic = "a"}}));
}

}  // namespace
}  // namespace shoal::client
