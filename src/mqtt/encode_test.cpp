#include "mqtt/encode.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "conformance/covers.hpp"
#include "mqtt/decode.hpp"
#include "mqtt/varint.hpp"

namespace shoal::mqtt {
namespace {

constexpr Version kVersions[] = {Version::v3_1, Version::v3_1_1, Version::v5};

// A whole packet, in a block of exactly the size that was announced.
struct Encoded {
  PublishSize size;
  std::unique_ptr<std::uint8_t[]> bytes;
  std::ptrdiff_t id_at = -1;
  Frame frame;
  Decoded<Publish> packet = Publish{};

  Encoded(const PublishParts& parts, Version version)
      : size(publish_size(parts, version)), bytes(std::make_unique<std::uint8_t[]>(size.total)) {
    const std::uint8_t* id = encode_publish_head(bytes.get(), parts, size, version);
    if (id != nullptr) id_at = id - bytes.get();
    if (!parts.payload.empty()) std::copy(parts.payload.begin(), parts.payload.end(), bytes.get() + size.head);
    EXPECT_EQ(cut_frame({bytes.get(), size.total}, frame), FrameStatus::complete);
    EXPECT_EQ(frame.size, size.total);
    EXPECT_EQ(frame.body.size(), size.remaining);
    packet = decode_publish(frame, version);
  }
};

// Every size around those where the remaining length grows by a byte.
TEST(EncodePublish, RemainingLengths) {
  covers_v5("MQTT-1.5.5-1");
  const std::vector<std::uint8_t> payload(2'200'000, 0x5a);
  for (const Version version : kVersions) {
    for (const std::uint8_t qos : {0, 1, 2}) {
      for (const std::uint32_t boundary : {128u, 16'384u, 2'097'152u}) {
        for (std::uint32_t remaining = boundary - 3; remaining <= boundary + 3; ++remaining) {
          PublishParts parts{.topic = "a/b", .payload = {}, .properties = {}, .expiry_s = {}, .subscription_ids = {}};
          parts.qos = qos;
          parts.id = qos == 0 ? 0 : 0x1234;
          parts.payload = Bytes(payload).first(remaining - publish_size(parts, version).remaining);
          const Encoded encoded(parts, version);
          ASSERT_TRUE(encoded.packet.ok()) << encoded.packet.error().what;
          EXPECT_EQ(encoded.size.remaining, remaining);
          EXPECT_EQ(encoded.size.total, 1 + varint_size(remaining) + remaining);
          EXPECT_EQ(encoded.size.head, encoded.size.total - parts.payload.size());
          EXPECT_EQ(encoded.packet->topic, "a/b");
          EXPECT_EQ(encoded.packet->payload.size(), parts.payload.size());
          EXPECT_EQ(encoded.packet->qos, qos);
          EXPECT_EQ(encoded.packet->id, parts.id);
        }
      }
    }
  }
}

// The same for the property length.
TEST(EncodePublish, PropertyLengths) {
  covers_v5("MQTT-1.5.5-1 MQTT-2.2.2-1");
  for (std::size_t size = 1; size < 40'000;
       size = size < 200 || (size > 16'370 && size < 16'400) ? size + 1 : size + 991) {
    PropertyWriter writer;
    writer.text(PropertyId::correlation_data, std::string(size, 'c'));
    PublishParts parts{.topic = "t", .payload = {}, .properties = writer.raw(), .expiry_s = {}, .subscription_ids = {}};
    const Encoded encoded(parts, Version::v5);
    ASSERT_TRUE(encoded.packet.ok()) << encoded.packet.error().what;
    ASSERT_EQ(encoded.size.properties, size + 3);
    ASSERT_EQ(encoded.packet->properties.text(PropertyId::correlation_data).size(), size);
    ASSERT_EQ(publish_size(parts, Version::v3_1_1).properties, 0u);
    ASSERT_EQ(publish_size(parts, Version::v3_1_1).total, 2u + 3u);
  }
}

TEST(EncodePublish, EveryCombinationOfParts) {
  covers_v5("MQTT-2.2.1-2");
  covers_v311("MQTT-2.3.1-5");
  PropertyWriter shared;
  shared.text(PropertyId::content_type, "text/plain").user("k", "v");
  const std::uint32_t ids[] = {1, 127, 128, 16'384, kVarintMax};
  const std::uint8_t payload[] = {1, 2, 3};
  for (unsigned bits = 0; bits < 512; ++bits) {
    const auto bit = [&](unsigned n) { return (bits >> n & 1) != 0; };
    for (const Version version : kVersions) {
      PublishParts parts{.topic = "plant/7", .payload = {}, .properties = {}, .expiry_s = {}, .subscription_ids = {}};
      parts.qos = static_cast<std::uint8_t>(bits & 3);
      if (parts.qos == 3) continue;
      parts.id = parts.qos == 0 ? 0 : 0xfedc;
      parts.dup = parts.qos != 0 && bit(2);
      parts.retain = bit(3);
      if (bit(4)) parts.payload = payload;
      if (bit(5)) parts.properties = shared.raw();
      if (bit(6)) parts.expiry_s = 0x01020304;
      if (bit(7)) parts.subscription_ids = ids;
      const std::uint16_t alias = bit(4) ? 1 : 0xabcd;
      if (bit(8)) parts.alias = alias;
      const bool v5 = version == Version::v5;
      if (v5 && bit(8)) parts.topic = "";
      const Encoded encoded(parts, version);
      ASSERT_TRUE(encoded.packet.ok()) << encoded.packet.error().what << " " << bits;
      const Publish& packet = *encoded.packet;
      EXPECT_EQ(packet.topic, parts.topic);
      EXPECT_EQ(packet.qos, parts.qos);
      EXPECT_EQ(packet.id, parts.id);
      EXPECT_EQ(packet.dup, parts.dup);
      EXPECT_EQ(packet.retain, parts.retain);
      EXPECT_TRUE(std::equal(packet.payload.begin(), packet.payload.end(), parts.payload.begin(), parts.payload.end()));
      EXPECT_EQ(packet.properties.text(PropertyId::content_type), v5 && bit(5) ? "text/plain" : "");
      EXPECT_EQ(packet.properties.number(PropertyId::message_expiry_interval, 9), v5 && bit(6) ? 0x01020304u : 9u);
      EXPECT_EQ(packet.properties.number(PropertyId::topic_alias, 0), v5 && bit(8) ? alias : 0u);
      std::vector<std::uint32_t> seen;
      packet.properties.each([&](PropertyId id, Bytes value) {
        if (id != PropertyId::subscription_identifier) return;
        std::uint32_t number = 0;
        std::size_t size = 0;
        EXPECT_EQ(read_varint(value, number, size), VarintStatus::ok);
        seen.push_back(number);
      });
      EXPECT_EQ(seen, v5 && bit(7) ? std::vector<std::uint32_t>(std::begin(ids), std::end(ids))
                                   : std::vector<std::uint32_t>());
      if (parts.qos == 0) {
        EXPECT_EQ(encoded.id_at, -1);
      } else {
        EXPECT_EQ(encoded.bytes[static_cast<std::size_t>(encoded.id_at)], 0xfe);
        EXPECT_EQ(encoded.bytes[static_cast<std::size_t>(encoded.id_at) + 1], 0xdc);
      }
    }
  }
}

TEST(EncodePublish, LongestTopic) {
  covers_v5("MQTT-4.7.3-3");
  covers_v311("MQTT-4.7.3-3");
  const std::string topic(65'535, 't');
  PublishParts parts{.topic = topic, .payload = {}, .properties = {}, .expiry_s = {}, .subscription_ids = {}};
  for (const Version version : kVersions) EXPECT_EQ(Encoded(parts, version).packet->topic, topic);
}

TEST(EncodeAck, EveryTypeVersionAndCode) {
  for (const auto type : {PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp}) {
    const bool first_half = type == PacketType::puback || type == PacketType::pubrec;
    for (const Version version : kVersions) {
      for (const std::uint16_t id : {1, 0x0100, 0x1234, 0xffff}) {
        for (const ReasonCode code :
             {ReasonCode::success, ReasonCode::packet_identifier_not_found, ReasonCode::quota_exceeded}) {
          if (code == ReasonCode::packet_identifier_not_found && first_half) continue;
          if (code == ReasonCode::quota_exceeded && !first_half) continue;
          std::uint8_t bytes[kAckSizeMax];
          const std::size_t size = encode_ack(bytes, type, id, code, version);
          const bool with_code = version == Version::v5 && code != ReasonCode::success;
          ASSERT_EQ(size, with_code ? 5u : 4u);
          Frame frame;
          ASSERT_EQ(cut_frame({bytes, size}, frame), FrameStatus::complete);
          const auto packet = decode_ack(frame, version);
          ASSERT_TRUE(packet.ok()) << packet.error().what;
          EXPECT_EQ(packet->type, type);
          EXPECT_EQ(packet->id, id);
          EXPECT_EQ(packet->code, with_code ? code : ReasonCode::success);
        }
      }
    }
  }
}

TEST(Encode, ConnackHasOneFlag) {
  covers_v5("MQTT-3.2.2-1");
  for (const Version version : kVersions) {
    for (const bool present : {false, true}) {
      for (const std::uint8_t code : {0x00, 0x02, 0x87}) {
        Connack packet;
        packet.session_present = present;
        packet.code = code;
        std::vector<std::uint8_t> out;
        encode(packet, version, out);
        ASSERT_GE(out.size(), 4u);
        EXPECT_EQ(out[2], present ? 1 : 0);
        EXPECT_EQ(out[3], code);
      }
    }
  }
}

TEST(Encode, AppendsBehindWhatIsThere) {
  std::vector<std::uint8_t> out{0xaa};
  encode(Pingreq{}, Version::v5, out);
  encode(Pingresp{}, Version::v3_1_1, out);
  EXPECT_EQ(out, (std::vector<std::uint8_t>{0xaa, 0xc0, 0, 0xd0, 0}));
}

TEST(Encode, Filters) {
  for (const bool with_options : {true, false}) {
    std::vector<std::uint8_t> raw;
    std::vector<FilterEntry> entries;
    const std::string longest(65'535, 'f');
    for (const std::string_view filter : {std::string_view("a/b"), std::string_view("#"), std::string_view(longest)}) {
      FilterEntry entry{filter, {}};
      if (with_options) entry.options = {2, true, true, static_cast<std::uint8_t>(entries.size())};
      entries.push_back(entry);
      append_filter(raw, entry, with_options);
    }
    FilterList list(raw, with_options);
    FilterEntry entry;
    for (const FilterEntry& expected : entries) {
      ASSERT_TRUE(list.next(entry));
      EXPECT_EQ(entry.filter, expected.filter);
      EXPECT_EQ(entry.options.byte(), expected.options.byte());
    }
    EXPECT_FALSE(list.next(entry));
  }
}

TEST(SubscriptionOptions, EveryByte) {
  for (unsigned byte = 0; byte < 64; ++byte) {
    EXPECT_EQ(SubscriptionOptions::from_byte(static_cast<std::uint8_t>(byte)).byte(), byte);
  }
}

}  // namespace
}  // namespace shoal::mqtt
