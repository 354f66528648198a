#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/packet.hpp"

namespace shoal::packet_cases {

/// Versions a case holds for, as bits.
enum Versions : unsigned { k31 = 1, k311 = 2, k5 = 4, kOld = k31 | k311, kAll = kOld | k5 };

/// Who may send the packet.
enum class Sender { client, server, both };

/// One packet, what it means, and what is wrong with it. The table of them drives the tests of decoder
/// and encoder and seeds the fuzz targets.
struct PacketCase {
  const char* name;
  unsigned versions;
  Sender sender;
  /// The packet's bytes, see `to_bytes`.
  const char* notation;
  /// What `render` says of the decoded packet; nullptr when it does not decode.
  const char* meaning;
  /// The error's reason, success when it decodes.
  mqtt::ReasonCode failure;
  /// The statement of MQTT 5.0 that the case is about; that of the error when it does not decode.
  const char* id;
  /// Encoding what was decoded gives the same bytes.
  bool canonical;
  /// Further numbered statements of MQTT 5.0 that it shows, with blanks between them.
  const char* shows = "";
};

constexpr PacketCase good(const char* name, unsigned versions, Sender sender, const char* notation, const char* meaning,
                          const char* id, bool canonical = true) {
  return {name, versions, sender, notation, meaning, mqtt::ReasonCode::success, id, canonical};
}

constexpr PacketCase bad(const char* name, unsigned versions, Sender sender, const char* notation,
                         mqtt::ReasonCode failure, const char* id, const char* shows = "") {
  return {name, versions, sender, notation, nullptr, failure, id, false, shows};
}

/// Every case there is.
std::vector<PacketCase> all();

/// The versions a case holds for, one by one.
std::vector<mqtt::Version> versions_of(const PacketCase& packet);

/// Bytes of a notation: hexadecimal digits in pairs; 'text' as it is; s'text' with its two-byte length
/// in front; ( … ) with its length in front as a variable byte integer; blanks and | mean nothing.
std::vector<std::uint8_t> to_bytes(std::string_view notation);

/// The parts of the table, one per file.
std::vector<PacketCase> connect_cases();
std::vector<PacketCase> publish_cases();
std::vector<PacketCase> subscribe_cases();
std::vector<PacketCase> property_cases();
std::vector<PacketCase> header_cases();

}  // namespace shoal::packet_cases
