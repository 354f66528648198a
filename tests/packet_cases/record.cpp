#include "packet_cases/record.hpp"

#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "base/bytes.hpp"
#include "conformance/covers.hpp"

namespace shoal::packet_cases {
namespace {

// The cases have the numbers of MQTT 5.0; these are what MQTT 3.1.1 calls the same.
const std::map<std::string_view, const char*> kIn311 = {
    {"MQTT-1.5.4-1", "MQTT-1.5.3-1"},   {"MQTT-1.5.4-2", "MQTT-1.5.3-2"},
    {"MQTT-1.5.4-3", "MQTT-1.5.3-3"},   {"MQTT-2.1.3-1", "MQTT-2.2.2-1 MQTT-2.2.2-2"},
    {"MQTT-2.2.1-3", "MQTT-2.3.1-1"},   {"MQTT-3.1.2-1", "MQTT-3.1.2-1"},
    {"MQTT-3.1.2-2", "MQTT-3.1.2-2"},   {"MQTT-3.1.2-3", "MQTT-3.1.2-3"},
    {"MQTT-3.1.2-9", "MQTT-3.1.2-9"},   {"MQTT-3.1.2-11", "MQTT-3.1.2-11 MQTT-3.1.2-13"},
    {"MQTT-3.1.2-12", "MQTT-3.1.2-14"}, {"MQTT-3.1.2-13", "MQTT-3.1.2-11 MQTT-3.1.2-15"},
    {"MQTT-3.1.2-16", "MQTT-3.1.2-18"}, {"MQTT-3.1.2-17", "MQTT-3.1.2-19"},
    {"MQTT-3.1.2-18", "MQTT-3.1.2-20"}, {"MQTT-3.1.2-19", "MQTT-3.1.2-21"},
    {"MQTT-3.1.2-22", "MQTT-3.1.2-22"},  // of 3.1.1 only
    {"MQTT-3.1.3-1", "MQTT-3.1.3-1"},   {"MQTT-3.1.3-3", "MQTT-3.1.3-3"},
    {"MQTT-3.1.3-4", "MQTT-3.1.3-4"},   {"MQTT-3.1.3-5", "MQTT-3.1.3-5"},
    {"MQTT-3.1.3-11", "MQTT-3.1.3-10"}, {"MQTT-3.1.3-12", "MQTT-3.1.3-11"},
    {"MQTT-3.1.4-1", "MQTT-3.1.4-1"},   {"MQTT-3.3.1-2", "MQTT-3.3.1-2"},
    {"MQTT-3.3.1-4", "MQTT-3.3.1-4"},   {"MQTT-3.3.2-1", "MQTT-3.3.2-1"},
    {"MQTT-3.3.2-2", "MQTT-3.3.2-2"},   {"MQTT-3.6.1-1", "MQTT-3.6.1-1"},
    {"MQTT-3.8.1-1", "MQTT-3.8.1-1"},   {"MQTT-3.8.3-1", "MQTT-3.8.3-1"},
    {"MQTT-3.8.3-2", "MQTT-3.8.3-3"},   {"MQTT-3-8.3-4", "MQTT-3-8.3-4"},  // of 3.1.1 only
    {"MQTT-3.10.1-1", "MQTT-3.10.1-1"}, {"MQTT-3.10.3-1", "MQTT-3.10.3-1"},
    {"MQTT-3.10.3-2", "MQTT-3.10.3-2"}, {"MQTT-3.14.1-1", "MQTT-3.14.1-1"},
    {"MQTT-4.7.0-1", "MQTT-4.7.1-1"},   {"MQTT-4.7.3-1", "MQTT-4.7.3-1"},
    {"MQTT-4.7.3-2", "MQTT-4.7.3-2"},
};

// Which version a CONNECT speaks is in its bytes; one that no server here speaks concerns all.
std::optional<mqtt::Version> spoken(const PacketCase& packet) {
  const auto bytes = to_bytes(packet.notation);
  const std::string_view text = base::as_text(bytes);
  if (bytes[0] >> 4 != 1 || !text.substr(2).starts_with(std::string_view("\0\4MQTT", 6)) || bytes.size() < 9) return {};
  if (bytes[8] == 5) return mqtt::Version::v5;
  if (bytes[8] == 4) return mqtt::Version::v3_1_1;
  return {};
}

// Others are sections, for rules that have no number.
bool is_numbered(std::string_view id) { return id.starts_with("MQTT-") && id.find('-', 5) != std::string_view::npos; }

}  // namespace

void record(const PacketCase& packet, mqtt::Version version) {
  if (packet.sender == Sender::server || version == mqtt::Version::v3_1) return;
  if (spoken(packet).value_or(version) != version) return;
  std::istringstream ids(std::string(packet.id) + " " + packet.shows);
  for (std::string id; ids >> id;) {
    if (!is_numbered(id)) continue;
    if (version == mqtt::Version::v5) covers_v5(id.c_str(), packet.name);
    else if (kIn311.contains(id)) covers_v311(kIn311.at(id), packet.name);
  }
}

}  // namespace shoal::packet_cases
