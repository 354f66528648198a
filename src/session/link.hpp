#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/byte_queue.hpp"
#include "mqtt/packet.hpp"
#include "session/topic_aliases.hpp"

namespace shoal::session {

/// The way to a connected client: what CONNECT agreed on, and the bytes that wait for the next flush.
/// Belongs to the connection; a session has one while it is connected.
struct Link {
  explicit Link(base::ChunkPool& pool) : out(pool) {}

  /// False when the reader is too slow for more messages. Acknowledgements are written all the same.
  bool has_room() const { return out.size() < out_bytes_max; }

  /// True when a client does not even read the answers to what it sends: nothing more is read from it
  /// until it does. Above what messages may fill, so that a slow subscriber is still heard.
  bool congested() const { return out.size() >= 2 * out_bytes_max; }

  base::ByteQueue out;
  std::size_t out_bytes_max = 1024 * 1024;
  std::uint32_t packet_size_max = UINT32_MAX;  ///< the client's maximum packet size (MQTT-3.1.2-24)
  std::uint16_t receive_maximum = UINT16_MAX;  ///< the client's (MQTT-3.3.4-9)
  mqtt::Version version = mqtt::Version::v5;
  std::unique_ptr<SentAliases> aliases;  ///< null: the client allows none
};

}  // namespace shoal::session
