#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_queue.hpp"
#include "base/time.hpp"
#include "client/events.hpp"
#include "client/options.hpp"
#include "client/pending_ids.hpp"
#include "mqtt/decode.hpp"
#include "mqtt/packet.hpp"
#include "session/inbound.hpp"
#include "shoal/result.hpp"

namespace shoal::client {

/// What a client publishes. Views are read during the call.
struct Outgoing {
  std::string_view topic{};
  base::Bytes payload{};
  std::uint8_t qos = 0;
  bool retain = false;
  base::Bytes properties{};  ///< encoded (mqtt::PropertyWriter); 5.0 only
};

/// The client's side of one MQTT connection: calls, bytes and time in; bytes (`out`) and `Events` out.
/// Pure. One thread. Lives for one connection; does not resend.
class Protocol {
 public:
  Protocol(Options options, base::ChunkPool& chunks, Events& events);
  Protocol(const Protocol&) = delete;
  Protocol& operator=(const Protocol&) = delete;

  /// Writes CONNECT. Once.
  void start(base::Time now);
  /// Between CONNACK and the end.
  bool connected() const { return state_ == State::connected; }
  bool ended() const { return state_ == State::ended; }

  /// Writes a PUBLISH. Returns its packet identifier, 0 at QoS 0.
  /// Errors: resource_exhausted (in flight or output is full: wait for `on_room`), invalid_argument
  /// (topic, QoS, size, or more than the server offers), closed (not connected).
  Result<std::uint16_t> publish(const Outgoing& message, base::Time now);
  /// Writes one SUBSCRIBE or UNSUBSCRIBE and returns its packet identifier. Errors: as `publish`.
  Result<std::uint16_t> subscribe(std::span<const mqtt::FilterEntry> filters, base::Time now);
  Result<std::uint16_t> unsubscribe(std::span<const mqtt::FilterEntry> filters, base::Time now);
  /// Says goodbye; no message is reported any more, and `on_end` follows when the server closes.
  void disconnect(base::Time now);

  /// Bytes from the server, cut anywhere.
  void receive(base::Bytes bytes, base::Time now);
  /// The transport is gone. `what` is a phrase for a person; when it was closed in order: empty.
  void lost(const std::string& what);
  /// Does what is due. Call it at `deadline()`.
  void on_time(base::Time now);
  base::Time deadline() const;

  /// What is to be sent; call `on_sent` after taking bytes off its front.
  base::ByteQueue& out() { return out_; }
  void on_sent();
  /// All was said: when `out` is empty the sending side may be closed.
  bool closing() const { return state_ == State::closing; }

 private:
  enum class State { idle, connecting, connected, closing, ended };
  using Answer = PendingIds::Answer;

  std::size_t receive_frames(base::Bytes bytes, base::Time now);
  base::Bytes complete_partial(base::Bytes bytes, base::Time now);
  void handle(const mqtt::Frame& frame, base::Time now);
  void on_connack(const mqtt::Connack& packet);
  void on_publish(const mqtt::Publish& packet, base::Time now);
  void on_ack(const mqtt::Ack& packet, base::Time now);
  void on_subscription_ack(const mqtt::SubscriptionAck& packet);

  Result<std::uint16_t> request(std::span<const mqtt::FilterEntry> filters, bool subscribe, base::Time now);
  Result<void> check(const Outgoing& message) const;
  bool has_room() const { return out_.size() < options_.output_bytes_max; }
  Error no_room();
  void offer_room();
  void write(const mqtt::Packet& packet, base::Time now);
  void write_ack(mqtt::PacketType type, std::uint16_t id, mqtt::ReasonCode code, base::Time now);
  void fail(mqtt::ReasonCode code, std::string_view what, base::Time now);
  void end(End::Why why, std::string message);

  const Options options_;
  Events& events_;
  base::ByteQueue out_;
  State state_ = State::idle;

  std::vector<std::uint8_t> partial_;  ///< the beginning of a packet
  PendingIds pending_;
  std::size_t inflight_ = 0;  ///< those of `pending_` that are messages
  std::uint16_t last_id_ = 0;
  session::Inbound inbound_;
  bool room_wanted_ = false;

  std::uint16_t inflight_max_;
  std::uint32_t server_packet_size_max_ = UINT32_MAX;
  std::uint8_t server_qos_max_ = 2;
  bool server_retains_ = true;
  base::Duration keep_alive_;

  base::Time last_sent_{};
  base::Time limit_ = base::kNever;  ///< of connecting, of a ping's answer, of closing
};

}  // namespace shoal::client
