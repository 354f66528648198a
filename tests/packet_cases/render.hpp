#pragma once

#include <optional>
#include <string>

#include "mqtt/decode.hpp"

namespace shoal::packet_cases {

/// A packet as text: its name, the flags that are set, the fields that are not empty, the properties in
/// braces. Two packets mean the same exactly when their texts are equal.
std::string render(const mqtt::Packet& packet);

/// The name of the standard in snake case.
std::string_view to_string(mqtt::PropertyId id);

/// Properties in order: `name=value`, numbers decimal, strings and bytes quoted with \xNN where a byte
/// is not printable.
std::string render(const mqtt::Properties& properties);

/// Decodes a frame and, when that succeeds, encodes the packet and decodes it again.
struct RoundTrip {
  std::optional<mqtt::ProtocolError> error;  ///< of the first decoding
  std::string meaning;                       ///< of the packet as it came
  std::vector<std::uint8_t> encoded;
  std::string meaning_again;  ///< of the encoded packet; an error's text where it does not decode
};
RoundTrip round_trip(const mqtt::Frame& frame, mqtt::Version version);

}  // namespace shoal::packet_cases
