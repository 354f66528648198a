#include "mqtt/properties.hpp"

#include <array>
#include <cassert>

#include "mqtt/topic_name.hpp"
#include "mqtt/utf8.hpp"
#include "mqtt/varint.hpp"

namespace shoal::mqtt {
namespace {

constexpr std::size_t kPropertyIds = 0x2b;

enum class Type : std::uint8_t { none, byte, two, four, varint, text, binary, pair };

struct Rule {
  Type type = Type::none;
  std::uint16_t places = 0;
};

constexpr std::uint16_t operator|(PropertyPlace a, PropertyPlace b) {
  return static_cast<std::uint16_t>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr std::uint16_t operator|(std::uint16_t a, PropertyPlace b) {
  return static_cast<std::uint16_t>(a | static_cast<unsigned>(b));
}

// Table 2-4 of the standard.
constexpr std::array<Rule, kPropertyIds> make_rules() {
  using enum PropertyPlace;
  constexpr std::uint16_t kNone = 0;
  std::array<Rule, kPropertyIds> rules{};
  const auto set = [&](PropertyId id, Type type, std::uint16_t places) {
    rules[static_cast<std::size_t>(id)] = {type, places};
  };
  set(PropertyId::payload_format_indicator, Type::byte, publish | will);
  set(PropertyId::message_expiry_interval, Type::four, publish | will);
  set(PropertyId::content_type, Type::text, publish | will);
  set(PropertyId::response_topic, Type::text, publish | will);
  set(PropertyId::correlation_data, Type::binary, publish | will);
  set(PropertyId::subscription_identifier, Type::varint, publish | subscribe);
  set(PropertyId::session_expiry_interval, Type::four, connect | connack | disconnect);
  set(PropertyId::assigned_client_identifier, Type::text, kNone | connack);
  set(PropertyId::server_keep_alive, Type::two, kNone | connack);
  set(PropertyId::authentication_method, Type::text, connect | connack | auth);
  set(PropertyId::authentication_data, Type::binary, connect | connack | auth);
  set(PropertyId::request_problem_information, Type::byte, kNone | connect);
  set(PropertyId::will_delay_interval, Type::four, kNone | will);
  set(PropertyId::request_response_information, Type::byte, kNone | connect);
  set(PropertyId::response_information, Type::text, kNone | connack);
  set(PropertyId::server_reference, Type::text, connack | disconnect);
  set(PropertyId::reason_string, Type::text, connack | ack | suback | disconnect | auth);
  set(PropertyId::receive_maximum, Type::two, connect | connack);
  set(PropertyId::topic_alias_maximum, Type::two, connect | connack);
  set(PropertyId::topic_alias, Type::two, kNone | publish);
  set(PropertyId::maximum_qos, Type::byte, kNone | connack);
  set(PropertyId::retain_available, Type::byte, kNone | connack);
  set(PropertyId::user_property, Type::pair,
      connect | connack | publish | ack | subscribe | suback | unsubscribe | disconnect | auth | will);
  set(PropertyId::maximum_packet_size, Type::four, connect | connack);
  set(PropertyId::wildcard_subscription_available, Type::byte, kNone | connack);
  set(PropertyId::subscription_identifier_available, Type::byte, kNone | connack);
  set(PropertyId::shared_subscription_available, Type::byte, kNone | connack);
  return rules;
}

constexpr auto kRules = make_rules();

Type type_of(PropertyId id) { return kRules[static_cast<std::size_t>(id)].type; }

std::size_t prefixed_size(Bytes at) { return 2 + static_cast<std::size_t>(at[0] << 8 | at[1]); }

constexpr ProtocolError kTruncated = malformed("MQTT-2.2.2.1", "property goes past the end of the properties");

std::uint32_t big_endian(Bytes value) {
  std::uint32_t number = 0;
  for (const std::uint8_t byte : value) number = number << 8 | byte;
  return number;
}

// Rules on values; everything not named here allows its type's whole range.
ProtocolError check_number(PropertyId id, std::uint32_t value) {
  using enum PropertyId;
  switch (id) {
    case payload_format_indicator:
    case request_problem_information:
    case request_response_information:
    case maximum_qos:
    case retain_available:
    case wildcard_subscription_available:
    case subscription_identifier_available:
    case shared_subscription_available:
      if (value > 1) return violated("MQTT-2.2.2.2", "property value is neither 0 nor 1");
      break;
    case receive_maximum:
      if (value == 0) return violated("MQTT-3.1.2.11.3", "receive maximum is 0");
      break;
    case maximum_packet_size:
      if (value == 0) return violated("MQTT-3.1.2.11.4", "maximum packet size is 0");
      break;
    case topic_alias:
      if (value == 0) return {ReasonCode::topic_alias_invalid, "MQTT-3.3.2-8", "topic alias is 0"};
      break;
    case subscription_identifier:
      if (value == 0) return violated("MQTT-3.8.2.1.2", "subscription identifier is 0");
      break;
    default: break;
  }
  return {ReasonCode::success, "", ""};
}

}  // namespace

Decoded<Properties> Properties::parse(Bytes raw, PropertyPlace place) {
  Properties result;
  result.raw_ = raw;
  for (std::size_t at = 0; at < raw.size();) {
    const std::uint8_t number = raw[at];
    if (number >= kPropertyIds || (kRules[number].places & static_cast<unsigned>(place)) == 0) {
      return malformed("MQTT-2.2.2.2", "property does not belong to this packet");
    }
    const auto id = static_cast<PropertyId>(number);
    const Bytes rest = raw.subspan(at + 1);
    std::size_t size = 0;
    std::uint32_t value = 0;
    switch (kRules[number].type) {
      case Type::none: return malformed("MQTT-2.2.2.2", "property does not exist");
      case Type::byte: size = 1; break;
      case Type::two: size = 2; break;
      case Type::four: size = 4; break;
      case Type::varint:
        if (read_varint(rest, value, size) != VarintStatus::ok) {
          return malformed("MQTT-1.5.5-1", "variable byte integer is malformed");
        }
        break;
      case Type::text:
      case Type::binary:
        if (rest.size() < 2) return kTruncated;
        size = prefixed_size(rest);
        break;
      case Type::pair:
        if (rest.size() < 2) return kTruncated;
        size = prefixed_size(rest);
        if (rest.size() < size + 2) return kTruncated;
        size += prefixed_size(rest.subspan(size));
        break;
    }
    if (rest.size() < size) return kTruncated;
    const Bytes bytes = rest.first(size);
    switch (kRules[number].type) {
      case Type::byte:
      case Type::two:
      case Type::four: value = big_endian(bytes); [[fallthrough]];
      case Type::varint:
        if (const ProtocolError error = check_number(id, value); error.code != ReasonCode::success) return error;
        break;
      case Type::text:
        if (!is_utf8_string(base::as_text(bytes.subspan(2)))) {
          return malformed("MQTT-1.5.4-1", "property string is not well-formed UTF-8");
        }
        if (id == PropertyId::response_topic && !is_topic_name(base::as_text(bytes.subspan(2)))) {
          return violated("MQTT-3.3.2-14", "response topic is not a topic name");
        }
        break;
      case Type::pair: {
        const std::size_t first = prefixed_size(bytes);
        if (!is_utf8_string(base::as_text(bytes.subspan(2, first - 2))) ||
            !is_utf8_string(base::as_text(bytes.subspan(first + 2)))) {
          return malformed("MQTT-1.5.7-1", "user property is not well-formed UTF-8");
        }
        break;
      }
      default: break;
    }
    if (result.has(id)) {
      const bool repeatable = id == PropertyId::user_property ||
                              (id == PropertyId::subscription_identifier && place == PropertyPlace::publish);
      if (!repeatable) return violated("MQTT-2.2.2.2", "property occurs twice");
    } else {
      result.present_ |= std::uint64_t{1} << number;
    }
    at += 1 + size;
  }
  return result;
}

std::size_t Properties::value_size(PropertyId id, Bytes at) {
  switch (type_of(id)) {
    case Type::none: break;
    case Type::byte: return 1;
    case Type::two: return 2;
    case Type::four: return 4;
    case Type::varint: {
      std::size_t size = 1;
      while ((at[size - 1] & 0x80) != 0) ++size;
      return size;
    }
    case Type::text:
    case Type::binary: return prefixed_size(at);
    case Type::pair: {
      const std::size_t first = prefixed_size(at);
      return first + prefixed_size(at.subspan(first));
    }
  }
  assert(false && "only validated properties are walked");
  return at.size();
}

Bytes Properties::find(PropertyId id) const {
  Bytes found;
  each([&](PropertyId other, Bytes value) {
    if (other == id && found.empty()) found = value;
  });
  return found;
}

std::uint32_t Properties::number(PropertyId id, std::uint32_t otherwise) const {
  if (!has(id)) return otherwise;
  const Bytes at = find(id);
  if (type_of(id) != Type::varint) return big_endian(at);
  std::uint32_t value = 0;
  std::size_t size = 0;
  (void)read_varint(at, value, size);  // validated by parse
  return value;
}

std::string_view Properties::text(PropertyId id) const {
  return has(id) ? base::as_text(find(id).subspan(2)) : std::string_view();
}

PropertyWriter& PropertyWriter::number(PropertyId id, std::uint32_t value) {
  bytes_.push_back(static_cast<std::uint8_t>(id));
  unsigned width = 0;
  switch (type_of(id)) {
    case Type::byte: width = 1; break;
    case Type::two: width = 2; break;
    case Type::four: width = 4; break;
    case Type::varint: {
      std::uint8_t encoded[4];
      bytes_.insert(bytes_.end(), encoded, write_varint(encoded, value));
      return *this;
    }
    default: assert(false && "not a number"); return *this;
  }
  while (width-- > 0) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * width)));
  return *this;
}

PropertyWriter& PropertyWriter::text(PropertyId id, std::string_view value) {
  assert(type_of(id) == Type::text || type_of(id) == Type::binary);
  bytes_.push_back(static_cast<std::uint8_t>(id));
  string(value);
  return *this;
}

PropertyWriter& PropertyWriter::user(std::string_view name, std::string_view value) {
  bytes_.push_back(static_cast<std::uint8_t>(PropertyId::user_property));
  string(name);
  string(value);
  return *this;
}

PropertyWriter& PropertyWriter::copy(PropertyId id, Bytes value) {
  bytes_.push_back(static_cast<std::uint8_t>(id));
  bytes_.insert(bytes_.end(), value.begin(), value.end());
  return *this;
}

Properties PropertyWriter::view(PropertyPlace place) const {
  const auto parsed = Properties::parse(bytes_, place);
  assert(parsed && "properties built here are valid");
  return *parsed;
}

void PropertyWriter::string(std::string_view value) {
  assert(value.size() <= 0xffff);
  bytes_.push_back(static_cast<std::uint8_t>(value.size() >> 8));
  bytes_.push_back(static_cast<std::uint8_t>(value.size()));
  bytes_.insert(bytes_.end(), value.begin(), value.end());
}

}  // namespace shoal::mqtt
