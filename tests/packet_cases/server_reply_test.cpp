#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"
#include "packet_cases/record.hpp"

// What a server says to the packets of the table that are wrong.

namespace shoal::packet_cases {
namespace {

using mqtt::Version;

std::string hex(mqtt::ReasonCode code) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", static_cast<unsigned>(code));
  return text;
}

bool is_connect(const std::vector<std::uint8_t>& bytes) { return bytes[0] >> 4 == 1; }

// The version of the answer to a CONNECT, and the answer: nothing but where the version is known to have one.
std::pair<Version, std::vector<std::string>> answer_to_connect(const PacketCase& packet,
                                                               const std::vector<std::uint8_t>& bytes) {
  const bool foreign = packet.failure == mqtt::ReasonCode::unsupported_protocol_version;
  const bool named =
      bytes.size() > 8 && base::as_text(base::Bytes(bytes).subspan(2, 6)) == std::string_view("\0\4MQTT", 6);
  const unsigned level = named ? bytes[8] : 0u;
  if (level == 5 || (foreign && level > 5 && level < 0x80)) return {Version::v5, {"CONNACK " + hex(packet.failure)}};
  if (foreign) return {Version::v3_1_1, {"CONNACK 1"}};
  return {Version::v3_1_1, {}};
}

TEST(PacketCases, ServerEndsTheConnection) {
  for (const PacketCase& packet : all()) {
    if (packet.meaning != nullptr || packet.sender == Sender::server) continue;
    const auto bytes = to_bytes(packet.notation);
    for (const Version version : versions_of(packet)) {
      SCOPED_TRACE(std::string(packet.name) + " in " + std::string(to_string(version)) + ": " + packet.notation);
      broker::Bed bed(broker::with([](auto&) {}));
      if (is_connect(bytes)) {
        const auto [speaks, answer] = answer_to_connect(packet, bytes);
        broker::Peer peer(bed, speaks);
        EXPECT_EQ(peer.raw(base::Bytes(bytes)).got(), answer);
        EXPECT_TRUE(peer.closed());
      } else {
        broker::Peer peer(bed, version);
        peer.connect({"c"}).skip().raw(base::Bytes(bytes));
        // No exchange has begun, so AUTH is out of place whatever it says.
        const bool out_of_place = bytes[0] >> 4 == 15;
        const auto code = out_of_place ? mqtt::ReasonCode::protocol_error : packet.failure;
        const std::vector<std::string> told{"DISCONNECT " + hex(code)};
        EXPECT_EQ(peer.got(), version == Version::v5 ? told : std::vector<std::string>{});
        EXPECT_TRUE(peer.closed());
      }
      record(packet, version);
    }
  }
}

}  // namespace
}  // namespace shoal::packet_cases
