#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "mqtt/properties.hpp"
#include "mqtt/reason_code.hpp"

namespace shoal::mqtt {

/// Protocol level as CONNECT says it.
enum class Version : std::uint8_t { v3_1 = 3, v3_1_1 = 4, v5 = 5 };

/// As people say it: `3.1`, `3.1.1`, `5.0`.
std::string_view to_string(Version version);

enum class PacketType : std::uint8_t {
  connect = 1,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect,
  auth,
};

std::string_view to_string(PacketType type);

/// Packets are views: every string and byte range refers to the buffer that was decoded, or to what
/// the encoder's caller keeps alive during the call.

struct Will {
  std::string_view topic;
  Bytes payload;
  std::uint8_t qos = 0;
  bool retain = false;
  Properties properties;
};

struct Connect {
  Version version = Version::v5;
  bool clean_start = true;
  std::uint16_t keep_alive_s = 0;
  std::string_view client_id;
  std::optional<Will> will;
  std::optional<std::string_view> user_name;
  std::optional<std::string_view> password;
  Properties properties;
};

struct Connack {
  bool session_present = false;
  std::uint8_t code = 0;  ///< ReasonCode in 5.0, ConnectReturnCode before
  Properties properties;
};

struct Publish {
  std::string_view topic;
  Bytes payload;
  Properties properties;
  std::uint16_t id = 0;  ///< 0 at QoS 0
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
};

/// PUBACK, PUBREC, PUBREL and PUBCOMP.
struct Ack {
  PacketType type = PacketType::puback;
  std::uint16_t id = 0;
  ReasonCode code = ReasonCode::success;
  Properties properties;
};

/// A SUBSCRIBE entry's options (3.8.3.1); only `qos` exists before 5.0.
struct SubscriptionOptions {
  std::uint8_t qos = 0;
  bool no_local = false;
  bool retain_as_published = false;
  std::uint8_t retain_handling = 0;

  std::uint8_t byte() const {
    return static_cast<std::uint8_t>(qos | no_local << 2 | retain_as_published << 3 | retain_handling << 4);
  }
  static SubscriptionOptions from_byte(std::uint8_t b) {
    return {static_cast<std::uint8_t>(b & 3), (b & 4) != 0, (b & 8) != 0, static_cast<std::uint8_t>(b >> 4 & 3)};
  }
};

struct FilterEntry {
  std::string_view filter;
  SubscriptionOptions options;  ///< SUBSCRIBE only
};

/// The filters of SUBSCRIBE or UNSUBSCRIBE: a validated view of the payload, walked front to back.
/// Copy it to walk again.
class FilterList {
 public:
  FilterList() = default;
  FilterList(Bytes raw, bool with_options) : raw_(raw), with_options_(with_options) {}

  /// False when there are no more.
  bool next(FilterEntry& entry);
  Bytes raw() const { return raw_; }

 private:
  Bytes raw_;
  bool with_options_ = false;
};

struct Subscribe {
  std::uint16_t id = 0;
  Properties properties;
  FilterList filters;
};

struct Unsubscribe {
  std::uint16_t id = 0;
  Properties properties;
  FilterList filters;
};

/// SUBACK and UNSUBACK (which has no codes before 5.0).
struct SubscriptionAck {
  PacketType type = PacketType::suback;
  std::uint16_t id = 0;
  Bytes codes;
  Properties properties;
};

struct Pingreq {};
struct Pingresp {};

struct Disconnect {
  ReasonCode code = ReasonCode::success;
  Properties properties;
};

struct Auth {
  ReasonCode code = ReasonCode::success;
  Properties properties;
};

using Packet = std::variant<Connect, Connack, Publish, Ack, Subscribe, SubscriptionAck, Unsubscribe, Pingreq, Pingresp,
                            Disconnect, Auth>;

}  // namespace shoal::mqtt
