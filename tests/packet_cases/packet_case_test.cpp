#include "packet_cases/packet_case.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "mqtt/decode.hpp"
#include "packet_cases/record.hpp"
#include "packet_cases/render.hpp"

namespace shoal::packet_cases {
namespace {

using mqtt::Frame;
using mqtt::FrameStatus;
using mqtt::PacketType;
using mqtt::Version;

// Bytes in a block of exactly their size, so that the sanitizer sees a read behind them.
class Block {
 public:
  explicit Block(mqtt::Bytes bytes) : bytes_(std::make_unique<std::uint8_t[]>(bytes.size())), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
  }
  mqtt::Bytes bytes() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_;
};

const char* name_of(Version version) {
  return version == Version::v5 ? "5" : version == Version::v3_1_1 ? "3.1.1" : "3.1";
}

template <class Check>
void for_each_case(Check check) {
  for (const PacketCase& packet : all()) {
    for (const Version version : versions_of(packet)) {
      SCOPED_TRACE(std::string(packet.name) + " in " + name_of(version) + ": " + packet.notation);
      const Block block(to_bytes(packet.notation));
      check(packet, version, block.bytes());
    }
  }
}

TEST(PacketCases, Notation) {
  EXPECT_EQ(to_bytes("10 0aff | 'a(' s'bc' () (01)"),
            (std::vector<std::uint8_t>{0x10, 0x0a, 0xff, 'a', '(', 0, 2, 'b', 'c', 0, 1, 1}));
}

TEST(PacketCases, CoverEveryPacketAndVersion) {
  std::set<std::pair<Version, int>> good_types;
  std::set<std::pair<Version, int>> bad_types;
  for_each_case([&](const PacketCase& packet, Version version, mqtt::Bytes bytes) {
    (packet.meaning != nullptr ? good_types : bad_types).insert({version, bytes[0] >> 4});
  });
  EXPECT_EQ(good_types.size(), 14u + 14u + 15u);
  EXPECT_EQ(bad_types.size(), 15u * 3u);
}

TEST(PacketCases, Decode) {
  for_each_case([](const PacketCase& packet, Version version, mqtt::Bytes bytes) {
    Frame frame;
    ASSERT_EQ(mqtt::cut_frame(bytes, frame), FrameStatus::complete);
    ASSERT_EQ(frame.size, bytes.size());
    const auto decoded = mqtt::decode(frame, version);
    if (packet.meaning != nullptr) {
      ASSERT_TRUE(decoded.ok()) << decoded.error().id << ": " << decoded.error().what;
      EXPECT_EQ(render(*decoded), packet.meaning);
      record(packet, version);
    } else {
      ASSERT_FALSE(decoded.ok()) << render(*decoded);
      EXPECT_EQ(decoded.error().code, packet.failure) << mqtt::to_string(decoded.error().code);
      EXPECT_STREQ(decoded.error().id, packet.id) << decoded.error().what;
      EXPECT_STRNE(decoded.error().what, "");
    }
  });
}

TEST(PacketCases, EncodeGivesTheSamePacket) {
  for_each_case([](const PacketCase& packet, Version version, mqtt::Bytes bytes) {
    if (packet.meaning == nullptr) return;
    Frame frame;
    ASSERT_EQ(mqtt::cut_frame(bytes, frame), FrameStatus::complete);
    const RoundTrip result = round_trip(frame, version);
    EXPECT_EQ(result.meaning_again, packet.meaning);
    EXPECT_EQ(result.encoded == std::vector(bytes.begin(), bytes.end()), packet.canonical);
  });
}

TEST(PacketCases, SplitAtEveryByte) {
  for_each_case([](const PacketCase&, Version, mqtt::Bytes bytes) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const Block part(bytes.first(size));
      Frame frame;
      ASSERT_EQ(mqtt::cut_frame(part.bytes(), frame), FrameStatus::incomplete) << size;
      EXPECT_TRUE(frame.size == 0 || frame.size == bytes.size()) << size;
    }
  });
}

// A stream of all packets that decode, a few bytes at a time, as a connection sees it.
TEST(PacketCases, Stream) {
  std::vector<std::uint8_t> stream;
  std::vector<std::string> meanings;
  for (const PacketCase& packet : all()) {
    if ((packet.versions & k5) == 0 || packet.meaning == nullptr) continue;
    const auto bytes = to_bytes(packet.notation);
    stream.insert(stream.end(), bytes.begin(), bytes.end());
    meanings.emplace_back(packet.meaning);
  }
  for (const std::size_t step : {1u, 2u, 3u, 7u, 64u, 1000u}) {
    std::vector<std::string> seen;
    std::size_t start = 0;
    for (std::size_t end = 0; end <= stream.size();
         end = end == stream.size() ? end + 1 : std::min(end + step, stream.size())) {
      Frame frame;
      while (mqtt::cut_frame(mqtt::Bytes(stream).subspan(start, end - start), frame) == FrameStatus::complete) {
        const auto decoded = mqtt::decode(frame, Version::v5);
        ASSERT_TRUE(decoded.ok()) << decoded.error().what;
        seen.push_back(render(*decoded));
        start += frame.size;
      }
    }
    EXPECT_EQ(seen, meanings) << step;
  }
}

// The body cut at every byte: an error where the packet has a fixed form, and never a read behind it.
TEST(PacketCases, Truncated) {
  for_each_case([](const PacketCase& packet, Version version, mqtt::Bytes bytes) {
    if (packet.meaning == nullptr) return;
    Frame frame;
    ASSERT_EQ(mqtt::cut_frame(bytes, frame), FrameStatus::complete);
    for (std::size_t size = 0; size < frame.body.size(); ++size) {
      const Block part(frame.body.first(size));
      Frame cut = frame;
      cut.body = part.bytes();
      const RoundTrip result = round_trip(cut, version);
      if (result.error) continue;
      EXPECT_EQ(result.meaning_again, result.meaning) << size;
      // In 3.1 the remaining length goes before the flags for user name and password.
      if (version == Version::v3_1 && frame.type == PacketType::connect) continue;
      EXPECT_NE(result.meaning, packet.canonical ? packet.meaning : "") << size;
      switch (frame.type) {
        case PacketType::publish:  // a shorter payload
        case PacketType::subscribe:
        case PacketType::unsubscribe:
        case PacketType::suback:
        case PacketType::unsuback: break;                  // fewer entries
        default: EXPECT_EQ(version, Version::v5) << size;  // code and properties left out
      }
      EXPECT_NE(frame.type, PacketType::connect);
      EXPECT_NE(frame.type, PacketType::connack);
    }
  });
}

// Every byte of every case replaced by every value: whatever decodes must encode to the same meaning.
TEST(PacketCases, EveryByteReplaced) {
  for_each_case([](const PacketCase&, Version version, mqtt::Bytes bytes) {
    std::vector<std::uint8_t> changed(bytes.begin(), bytes.end());
    for (std::size_t at = 0; at < changed.size(); ++at) {
      const std::uint8_t was = changed[at];
      for (unsigned value = 0; value < 256; value += at < 8 ? 1 : 5) {
        changed[at] = static_cast<std::uint8_t>(value);
        Frame frame;
        if (mqtt::cut_frame(changed, frame) != FrameStatus::complete) continue;
        const RoundTrip result = round_trip(frame, version);
        ASSERT_TRUE(result.error || result.meaning_again == result.meaning) << result.meaning;
      }
      changed[at] = was;
    }
  });
}

TEST(CutFrame, Sizes) {
  const auto size = [](std::string_view notation) {
    Frame frame;
    EXPECT_EQ(mqtt::cut_frame(to_bytes(notation), frame), FrameStatus::incomplete);
    return frame.size;
  };
  EXPECT_EQ(size(""), 0u);
  EXPECT_EQ(size("30"), 0u);
  EXPECT_EQ(size("30 80"), 0u);
  EXPECT_EQ(size("30 808080"), 0u);
  EXPECT_EQ(size("30 01"), 3u);
  EXPECT_EQ(size("30 7f 00"), 129u);
  EXPECT_EQ(size("30 8001"), 131u);
  EXPECT_EQ(size("30 ffffff7f"), 268'435'460u);
}

TEST(CutFrame, NoWayOn) {
  for (const char* notation : {"00", "0f 00", "30 ffffffff", "30 80808080", "30 ffffffff7f", "f0 8080808001", "c0 8000",
                               "30 8500", "e0 808000"}) {
    Frame frame;
    EXPECT_EQ(mqtt::cut_frame(to_bytes(notation), frame), FrameStatus::malformed) << notation;
  }
}

}  // namespace
}  // namespace shoal::packet_cases
