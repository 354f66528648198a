#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "mqtt/protocol_error.hpp"

namespace shoal::mqtt {

using base::Bytes;

/// Identifiers of MQTT 5.0 properties (2.2.2.2).
enum class PropertyId : std::uint8_t {
  payload_format_indicator = 0x01,
  message_expiry_interval = 0x02,
  content_type = 0x03,
  response_topic = 0x08,
  correlation_data = 0x09,
  subscription_identifier = 0x0b,
  session_expiry_interval = 0x11,
  assigned_client_identifier = 0x12,
  server_keep_alive = 0x13,
  authentication_method = 0x15,
  authentication_data = 0x16,
  request_problem_information = 0x17,
  will_delay_interval = 0x18,
  request_response_information = 0x19,
  response_information = 0x1a,
  server_reference = 0x1c,
  reason_string = 0x1f,
  receive_maximum = 0x21,
  topic_alias_maximum = 0x22,
  topic_alias = 0x23,
  maximum_qos = 0x24,
  retain_available = 0x25,
  user_property = 0x26,
  maximum_packet_size = 0x27,
  wildcard_subscription_available = 0x28,
  subscription_identifier_available = 0x29,
  shared_subscription_available = 0x2a,
};

/// Which packets a property may be in: bits for `Properties::parse`.
enum class PropertyPlace : std::uint16_t {
  connect = 1u << 0,
  connack = 1u << 1,
  publish = 1u << 2,
  ack = 1u << 3,  ///< PUBACK, PUBREC, PUBREL, PUBCOMP
  subscribe = 1u << 4,
  suback = 1u << 5,  ///< and UNSUBACK
  unsubscribe = 1u << 6,
  disconnect = 1u << 7,
  auth = 1u << 8,
  will = 1u << 9,
};

struct UserProperty {
  std::string_view name;
  std::string_view value;
};

/// The properties of one packet: a validated view of their bytes. A value that refers to the packet's
/// buffer. Reading costs nothing until a property is asked for; encoding copies `raw()`.
class Properties {
 public:
  Properties() = default;

  /// Takes the bytes behind the property length. Refuses identifiers that do not exist or do not
  /// belong to `place` (MQTT-2.2.2.2: malformed), values out of range, malformed strings, and second
  /// occurrences of all but user properties and PUBLISH's subscription identifiers.
  static Decoded<Properties> parse(Bytes raw, PropertyPlace place);

  bool empty() const { return raw_.empty(); }
  bool has(PropertyId id) const { return (present_ >> static_cast<unsigned>(id) & 1) != 0; }
  /// Value of an integer property of any width, or `otherwise` when it is absent. For a subscription
  /// identifier: the first.
  std::uint32_t number(PropertyId id, std::uint32_t otherwise = 0) const;
  /// Value of a string or binary property; empty when it is absent.
  std::string_view text(PropertyId id) const;

  /// Calls `visit(UserProperty)` for each, in the order of the packet (MQTT-3.1.3-10 ff.).
  template <class Visit>
  void each_user_property(Visit visit) const {
    if (!has(PropertyId::user_property)) return;
    each([&](PropertyId id, Bytes value) {
      if (id != PropertyId::user_property) return;
      const std::size_t size = static_cast<std::size_t>(value[0] << 8 | value[1]);
      visit(UserProperty{base::as_text(value.subspan(2, size)), base::as_text(value.subspan(4 + size))});
    });
  }

  /// Calls `visit(PropertyId, Bytes encoded_value)` for every property in order.
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t at = 0; at < raw_.size();) {
      const auto id = static_cast<PropertyId>(raw_[at]);
      const std::size_t size = value_size(id, raw_.subspan(at + 1));
      visit(id, raw_.subspan(at + 1, size));
      at += 1 + size;
    }
  }

  /// The bytes as they go on the wire, without the length in front.
  Bytes raw() const { return raw_; }

 private:
  static std::size_t value_size(PropertyId id, Bytes at);
  Bytes find(PropertyId id) const;

  Bytes raw_;
  std::uint64_t present_ = 0;  // bit per identifier; values are looked up by walking, packets have few
};

/// Builds property bytes, in the order of the calls.
class PropertyWriter {
 public:
  PropertyWriter& number(PropertyId id, std::uint32_t value);
  PropertyWriter& text(PropertyId id, std::string_view value);
  PropertyWriter& user(std::string_view name, std::string_view value);
  /// A property as `Properties::each` gives it.
  PropertyWriter& copy(PropertyId id, Bytes value);

  Bytes raw() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }
  void clear() { bytes_.clear(); }
  /// A view for a packet to encode; valid until the writer changes.
  Properties view(PropertyPlace place) const;

 private:
  void string(std::string_view value);

  std::vector<std::uint8_t> bytes_;
};

}  // namespace shoal::mqtt
