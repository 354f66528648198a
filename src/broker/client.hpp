#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/intrusive_list.hpp"
#include "broker/rate_limit.hpp"
#include "broker/receiver.hpp"
#include "io/timer_queue.hpp"
#include "mqtt/decode.hpp"
#include "session/link.hpp"
#include "session/topic_aliases.hpp"

namespace shoal::broker {

class Shard;
struct Incoming;

/// What carries a client's bytes. The shard flushes and closes through it.
class Transport {
 public:
  /// There is something in `Client::link().out`, or the client has ended.
  virtual void flush() = 0;
  /// Reading may go on after `Client::paused()`.
  virtual void resume() = 0;
  /// For the log: `HOST:PORT`.
  virtual std::string peer() const = 0;

 protected:
  ~Transport() = default;
};

/// One connection's protocol, from the first byte to the last: bytes and time in, bytes to the link
/// out. Belongs to its transport; the shard's thread.
class Client final : public base::ListLink<Client>, private io::Timer {
 public:
  Client(Shard& shard, Transport& transport);
  ~Client() override;

  /// Handles the complete packets at the start of `bytes` and returns how many bytes they took. Stops
  /// early when it ended or paused; the rest has to be given again with what follows it.
  std::size_t receive(base::Bytes bytes);
  /// Size of the packet that `receive` left incomplete; 0 when it cannot be told yet.
  std::size_t expected_bytes() const { return expected_bytes_; }
  /// Waits for a password to be verified, for slower subscribers, for other clients' turn, or for its own
  /// peer to read: no `receive` until `Transport::resume`, or, in the last case, until a flush made room.
  bool paused() const { return state_ == State::authenticating || throttled || link_.congested(); }
  /// To be asked before the transport reads: false when others are first. Then it waits in line, paused, and
  /// `Transport::resume` comes.
  bool its_turn();
  /// Waits in line for a turn.
  void wait_in_line();
  /// The shard that its session belongs to, when that is another one: the connection has to go there with what
  /// `receive` left, and this ends.
  std::optional<unsigned> moves_to() const {
    return moves_to_ == kNowhere ? std::nullopt : std::optional<unsigned>(moves_to_);
  }
  /// Everything is said that will be: flush, then close.
  bool ended() const { return state_ == State::ended; }
  /// True when the peer has to be given time to read the last packet before the close.
  bool lingers() const { return lingers_; }
  /// The transport is gone (`what` for the log, a constant phrase). Idempotent.
  void lost(std::string_view what);
  /// The link has room again after a flush.
  void drained();
  /// Before and after a flush: what was not sent counts, and bounds what may be written next. `sent`: the
  /// peer took something.
  void account_output(bool sent);

  /// Ends the connection from this side: DISCONNECT with `code` for 5.0, then close. A will is sent.
  void end(mqtt::ReasonCode code, std::string_view why);
  /// The answer to `Authority::verify`.
  void authenticated(bool accepted, std::string_view reason);

  session::Link& link() { return link_; }
  Shard& shard() { return shard_; }
  Transport& transport() { return transport_; }
  bool connected() const { return state_ == State::connected; }
  /// Empty before CONNECT.
  std::string_view client_id() const;
  /// Of one that is connected.
  ClientInfo info() const;
  /// Takes a PUBLISH of that size from the client's own rates; how long not to read it.
  base::Duration spend(std::size_t bytes);
  /// Others are in force from now on. What this client was promised in CONNACK it keeps.
  void limits_changed();

 private:
  enum class State : std::uint8_t { awaiting_connect, authenticating, connected, ended };
  /// What handling a packet came to: nothing, or the peer's error.
  using Outcome = mqtt::ProtocolError;
  static constexpr Outcome kFine{mqtt::ReasonCode::success, "", ""};

  Outcome handle(const mqtt::Frame& frame);
  Outcome on_publish(const mqtt::Frame& frame);
  Outcome on_ack(const mqtt::Frame& frame);
  Outcome on_pingreq(const mqtt::Frame& frame);
  Outcome on_disconnect(const mqtt::Frame& frame);
  Outcome take_properties(const mqtt::Publish& packet, Incoming& incoming);
  Outcome set_alias(std::uint16_t alias, std::string_view topic);
  Outcome refuse_publish(const mqtt::Publish& packet, mqtt::ReasonCode code);
  /// `batch`: what of the store it has to wait for, or 0.
  void write_ack(mqtt::PacketType type, std::uint16_t id, mqtt::ReasonCode code, std::uint64_t batch);

  // SUBSCRIBE and UNSUBSCRIBE: client_subscribe.cpp
  Outcome on_subscribe(const mqtt::Frame& frame);
  Outcome on_unsubscribe(const mqtt::Frame& frame);
  mqtt::ReasonCode subscribe_one(const mqtt::FilterEntry& entry, std::uint32_t id);

  // CONNECT: client_connect.cpp
  void on_connect(const mqtt::Frame& frame);
  bool belongs_elsewhere(const mqtt::Frame& frame);
  void admit(const mqtt::Connect& packet);
  void refuse(mqtt::ReasonCode code, std::string_view why, std::string_view client_id = {});
  bool acceptable(const mqtt::Connect& packet);
  void log_connected(const mqtt::Connect& packet, bool present);
  std::uint32_t granted_expiry(const mqtt::Connect& packet) const;
  void store_will(const mqtt::Connect& packet);
  mqtt::PropertyWriter& connack_properties(const mqtt::Connect& packet, std::string_view assigned_id);
  void arm_keep_alive();

  /// `batch`: what of the store an answer has to wait for, or 0.
  void write(const mqtt::Packet& packet, std::uint64_t batch = 0);
  /// A reason string for the next packet, when the client wants any; in the shard's scratch.
  mqtt::Properties reason(std::string_view why, mqtt::PropertyPlace place);
  void keep_input(std::ptrdiff_t bytes);
  void fail(const mqtt::ProtocolError& error);
  void fail_frame(base::Bytes packet, const mqtt::ProtocolError& error);
  void finish(std::string_view why);
  void on_deadline(base::Time now) override;
  bool v5() const { return link_.version == mqtt::Version::v5; }

  Shard& shard_;
  Transport& transport_;
  session::Link link_;
  ClientSession* session_ = nullptr;
  base::Time last_packet_;
  base::Time connected_since_{};
  std::uint32_t expected_bytes_ = 0;
  std::uint32_t output_bytes_ = 0;  // of the shard's total
  // What the client may send; it was told.
  std::uint32_t packet_size_max_;
  std::uint16_t receive_maximum_;
  const std::uint16_t topic_alias_maximum_;
  std::uint16_t keep_alive_s_ = 0;
  State state_ = State::awaiting_connect;

 public:                       // in the middle, where there is room for them: there are many clients
  bool holding : 1 = false;    ///< in the shard's list of clients with something that waits for the store
  bool dirty : 1 = false;      ///< in the shard's list of clients to flush
  bool throttled : 1 = false;  ///< in one of the shard's lists of clients that are not read for a moment

 private:
  bool lingers_ : 1 = false;
  bool expiry_was_zero_ : 1 = true;
  bool problem_information_ : 1 = false;  // reason strings are wanted (3.1.2.11.7); CONNECT says so
  static constexpr std::uint8_t kNowhere = 0xff;
  std::uint8_t moves_to_ = kNowhere;

 public:
  std::uint8_t burst = 0;  ///< messages since the last pause that went where it is getting full

 private:
  std::unique_ptr<std::string> user_;  // null: it presented none
  // The CONNECT while its password is verified.
  struct Verifying {
    std::uint64_t number;
    std::vector<std::uint8_t> connect;
  };
  std::unique_ptr<Verifying> verifying_;
  std::unique_ptr<session::TopicAliases> aliases_;  // null: it has used none
  void set_rates();
  struct Rates {
    RateLimit messages;
    RateLimit bytes;
  };
  std::unique_ptr<Rates> rates_;  // when limited
};

}  // namespace shoal::broker
