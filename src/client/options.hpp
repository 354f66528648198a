#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "mqtt/packet.hpp"
#include "shoal/result.hpp"

namespace shoal::client {

/// What the server publishes when this client is gone without a DISCONNECT.
struct Will {
  std::string topic{};
  std::string payload{};
  std::uint8_t qos = 0;
  bool retain = false;
};

/// How a client presents itself, and its bounds. A value.
struct Options {
  mqtt::Version version = mqtt::Version::v5;
  std::string client_id{};  ///< empty: the server chooses one
  bool clean_start = true;
  std::uint32_t session_expiry_s = 0;  ///< 5.0 only; 0: the session ends with the connection
  std::uint16_t keep_alive_s = 60;     ///< 0: off; the server may say otherwise (5.0)
  std::optional<std::string> user{};
  std::optional<std::string> password{};
  std::optional<Will> will{};
  base::Duration connect_limit = base::seconds(10);  ///< from `start` to CONNACK
  base::Duration close_limit = base::seconds(2);     ///< for the server to close after our DISCONNECT

  std::uint16_t receive_maximum = 100;                 ///< unreleased QoS 2 messages taken from the server
  std::uint32_t packet_size_max = 16u * 1024u * 1024;  ///< larger packets from the server end the connection
  static constexpr std::uint16_t kInflightMax = 16'383;
  /// Own QoS 1 and 2 messages, 1 to kInflightMax; or the server's maximum, if smaller.
  std::uint16_t inflight_max = 100;
  std::size_t output_bytes_max = 4u * 1024u * 1024;  ///< unsent bytes; then `publish` answers resource_exhausted
};

/// What of `options` cannot be said in MQTT, as one line. Error: invalid_argument.
Result<void> check(const Options& options);

}  // namespace shoal::client
