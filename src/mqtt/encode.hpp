#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "mqtt/packet.hpp"

namespace shoal::mqtt {

/// What an outgoing PUBLISH is made of. Apart from `mqtt::Publish` it has the properties that change
/// from copy to copy by themselves, so that the others are shared by all copies.
struct PublishParts {
  std::string_view topic;  ///< may be empty with an alias
  Bytes payload;
  Bytes properties;  ///< encoded; none of those below; ignored before 5.0
  std::optional<std::uint32_t> expiry_s;
  std::span<const std::uint32_t> subscription_ids;
  std::uint16_t alias = 0;  ///< 0: none
  std::uint16_t id = 0;
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
};

/// Sizes of an encoded PUBLISH.
struct PublishSize {
  std::uint32_t properties = 0;  ///< property length
  std::uint32_t remaining = 0;   ///< remaining length
  std::uint32_t head = 0;        ///< everything in front of the payload
  std::uint32_t total = 0;
};

PublishSize publish_size(const PublishParts& parts, Version version);
/// Writes `size.head` bytes; the payload goes behind them. Returns where the packet id is, or
/// nullptr at QoS 0, so that a copy for somebody else can be patched.
std::uint8_t* encode_publish_head(std::uint8_t* out, const PublishParts& parts, const PublishSize& size,
                                  Version version);

/// Largest PUBACK, PUBREC, PUBREL or PUBCOMP without properties.
inline constexpr std::size_t kAckSizeMax = 5;
/// Writes an acknowledgement without properties and returns its size. The reason code is left out
/// where it is success, and before 5.0.
std::size_t encode_ack(std::uint8_t* out, PacketType type, std::uint16_t id, ReasonCode code, Version version);

/// Appends any packet. Lengths must be encodable: strings up to 65,535 bytes.
void encode(const Packet& packet, Version version, std::vector<std::uint8_t>& out);

/// Appends an entry as SUBSCRIBE carries it (`with_options`) or UNSUBSCRIBE.
void append_filter(std::vector<std::uint8_t>& out, const FilterEntry& entry, bool with_options);

}  // namespace shoal::mqtt
