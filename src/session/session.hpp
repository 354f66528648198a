#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/compact_text.hpp"
#include "session/inbound.hpp"
#include "session/link.hpp"
#include "session/outbound.hpp"

namespace shoal::session {

/// Never expires (3.1.2.11.2).
inline constexpr std::uint32_t kExpiryNever = UINT32_MAX;

/// A will as it waits. Its message expiry starts when it is published (3.1.3.2.4).
struct StoredWill {
  MessageRef message;
  std::uint32_t delay_s = 0;
  std::optional<std::uint32_t> expiry_s;
  bool retain = false;
  Time due = base::kNever;  ///< once the connection is gone
};

/// The MQTT state of one client that outlives its connections: what the standard calls Session State
/// (4.1), apart from the subscriptions, which are in the instance's tree. Packets and time in, bytes
/// to the link out. A resource of one shard.
class Session {
 public:
  Session(std::string_view client_id, QueueBudget& budget) : client_id_(client_id), outbound_(budget) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::string_view client_id() const { return client_id_.view(); }
  bool connected() const { return link_ != nullptr; }
  Link* link() const { return link_; }
  /// Seconds it is kept without a connection; 0: ends with the connection.
  std::uint32_t expiry_s() const { return expiry_s_; }
  void set_expiry_s(std::uint32_t seconds) { expiry_s_ = seconds; }

  /// How the store knows it; null: not at all.
  Stored* stored() const { return outbound_.stored(); }
  /// From now on the budget's journal hears of it.
  void set_stored(std::unique_ptr<Stored> stored) { outbound_.set_stored(std::move(stored)); }
  /// Whether the store has more of it than a will.
  bool survives() const { return expiry_s_ != 0 && journal(); }
  /// For what comes out of the store again.
  Outbound& restored_outbound() { return outbound_; }
  void restore_taken(std::uint16_t id) { made_inbound().restore(id); }

  /// A connection takes the session over. The link outlives it or `detach` comes first.
  void attach(Link& link, std::uint32_t expiry_s);
  void detach();

  Outcome deliver(Publication& publication, const Copy& copy) {
    return outbound_.deliver(publication, copy, link_, expiry_s_ != 0);
  }
  void set_retained(Source* source) { outbound_.set_retained(source); }
  void set_shared(Source* source) { outbound_.set_shared(source); }
  /// True when a message of this QoS would leave at once.
  bool can_take(std::uint8_t qos) const { return link_ && outbound_.can_take(qos, *link_); }
  /// Sends what waits as far as window and link allow. True when bytes were written.
  bool pump(Publication& scratch, Time now) {
    if (!link_ || (!outbound_.has_backlog() && !outbound_.shared_waiting())) return false;
    const bool wrote = outbound_.pump(scratch, *link_, expiry_s_ != 0, now);
    if (outbound_.starved()) outbound_.read_back(client_id());
    return wrote;
  }
  /// What was read back for this session has come; see `Outbound::arrived`.
  bool arrived(std::uint32_t request) { return outbound_.arrived(request); }

  /// PUBACK, PUBREC and PUBCOMP; writes the PUBREL that follows. False when it does not fit to the message
  /// with that identifier. An identifier that is not in use is no error: the client may not know.
  bool acknowledge(const mqtt::Ack& ack, Time now);
  /// PUBREL; writes PUBCOMP.
  void release(const mqtt::Ack& ack);
  /// A QoS 2 PUBLISH.
  Inbound::Verdict take(std::uint16_t id, std::uint16_t receive_maximum) {
    const Inbound::Verdict verdict = made_inbound().publish(id, receive_maximum);
    if (verdict == Inbound::Verdict::route && survives()) journal()->taken(*stored(), id);
    return verdict;
  }
  void refuse(std::uint16_t id) {
    inbound_->refuse(id);
    if (journal()) journal()->released(*stored(), id);
  }
  /// What a packet has to wait for that tells of this session's state; see `Link::queue`.
  std::uint64_t pending() const { return outbound_.pending(); }

  const Outbound& outbound() const { return outbound_; }
  /// Null: no QoS 2 message came since the session, or a connection with nothing open, began.
  const Inbound* inbound() const { return inbound_.get(); }
  /// See `Outbound::rest`.
  void rest() { outbound_.rest(); }

  std::unique_ptr<StoredWill> will;

 private:
  void write_ack(mqtt::PacketType type, std::uint16_t id, mqtt::ReasonCode code);

  // The journal, when it hears of this session at all.
  Journal* journal() const { return outbound_.journal(); }
  Inbound& made_inbound() {
    if (!inbound_) inbound_ = std::make_unique<Inbound>();
    return *inbound_;
  }

  base::CompactText client_id_;
  Link* link_ = nullptr;
  std::unique_ptr<Inbound> inbound_;
  Outbound outbound_;
  std::uint32_t expiry_s_ = 0;
};

}  // namespace shoal::session
