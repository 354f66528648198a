#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "mqtt/packet.hpp"
#include "mqtt/protocol_error.hpp"

namespace shoal::mqtt {

/// A packet's bytes, cut from the stream: fixed header taken apart, body not looked at yet.
struct Frame {
  PacketType type{};
  std::uint8_t flags = 0;  ///< lower half of the first byte
  Bytes body;
  std::size_t size = 0;  ///< fixed header and body
};

enum class FrameStatus {
  complete,
  incomplete,  ///< more bytes are needed; `Frame::size` is the packet's size, or 0 while unknown
  /// Type 0, or a remaining length of more than four bytes or of more than its value needs: there is no
  /// way on in this stream. 5.0 forbids the latter (MQTT-1.5.5-1); nobody sends it before.
  malformed,
};

/// Finds the packet at the start of `bytes`.
FrameStatus cut_frame(Bytes bytes, Frame& frame);

/// Decode one body each. Strings refer to the frame's bytes. What is checked here is what the
/// standard says of the packet alone: layout, reserved bits, UTF-8, properties, names and filters.
/// What depends on the connection (limits, aliases, packet ids in use) is the session's.
Decoded<Connect> decode_connect(const Frame& frame);
Decoded<Connack> decode_connack(const Frame& frame, Version version);
Decoded<Publish> decode_publish(const Frame& frame, Version version);
Decoded<Ack> decode_ack(const Frame& frame, Version version);
Decoded<Subscribe> decode_subscribe(const Frame& frame, Version version);
Decoded<SubscriptionAck> decode_subscription_ack(const Frame& frame, Version version);
Decoded<Unsubscribe> decode_unsubscribe(const Frame& frame, Version version);
Decoded<Disconnect> decode_disconnect(const Frame& frame, Version version);
Decoded<Auth> decode_auth(const Frame& frame, Version version);

/// Any packet, by its type. `version` is that of the connection and does not matter for CONNECT.
Decoded<Packet> decode(const Frame& frame, Version version);

}  // namespace shoal::mqtt
