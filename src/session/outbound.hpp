#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/ring.hpp"
#include "mqtt/packet.hpp"
#include "session/kept_copy.hpp"
#include "session/link.hpp"
#include "session/publication.hpp"
#include "session/source.hpp"
#include "session/work.hpp"
#include "shoal/options.hpp"

namespace shoal::session {

/// Bounds and totals that the sessions of an instance share. The totals are kept by `Outbound`.
struct QueueBudget {
  std::uint16_t inflight_max = 100;
  std::uint32_t messages_max = 10'000;    ///< queued per session
  std::uint64_t bytes_max = 16ull << 20;  ///< queued per session
  std::uint64_t connected_bytes_max = 32ull << 20;  ///< queued for connected sessions; then they are full with less
  QueueFull when_full = QueueFull::drop_new;

  std::uint64_t messages_now = 0;  ///< queued in all sessions
  std::uint64_t bytes_now = 0;
  std::uint64_t entry_bytes_now = 0;  ///< what the queues take besides the messages
  std::uint64_t connected_bytes_now = 0;        ///< messages in queues of connected sessions, for each session
  std::uint64_t connected_entry_bytes_now = 0;  ///< what these queues take besides
  std::uint64_t kept_bytes_now = 0;   ///< all messages that are queued or in flight, once each; its owner tells
  bool exhausted = false;             ///< the instance keeps all it may: no QoS 0 message waits for a reader
  std::uint64_t dropped_full = 0;     ///< QoS 1 and 2 for a full queue
  std::uint64_t dropped_slow = 0;     ///< QoS 0 for a slow reader
  std::uint64_t dropped_size = 0;     ///< larger than the client takes
  std::uint64_t expired = 0;
  std::uint64_t delivered = 0;        ///< PUBLISH packets written
  std::uint64_t delivered_bytes = 0;  ///< their size
  std::uint64_t acks = 0;             ///< acknowledgements written, PUBREL included
  Work work;                          ///< what the instance's turns are bounded by

  /// What connected sessions that do not keep up cost, in percent of what they may. A message that many of
  /// them share is there once.
  unsigned connected_percent() const {
    const std::uint64_t bytes = connected_entry_bytes_now + std::min(connected_bytes_now, kept_bytes_now);
    const std::uint64_t percent = 100 * bytes / std::max<std::uint64_t>(connected_bytes_max, 1);
    return static_cast<unsigned>(std::min<std::uint64_t>(100, percent));
  }
};

/// What became of a message for one session.
enum class Outcome {
  sent,        ///< written to the link
  queued,      ///< kept for later
  dropped,     ///< lost; the budget counts why
  disconnect,  ///< dropped, and the rule is to disconnect the client (0x97)
};

/// The outgoing half of a session: packet identifiers, what is in flight, and the queue behind it.
/// Messages leave in the order they came, per QoS (MQTT-4.6.0-6); a packet identifier is not used
/// again before its flow has ended (MQTT-2.2.1-3, MQTT-2.2.1-4).
class Outbound {
 public:
  explicit Outbound(QueueBudget& budget) : budget_(&budget) {}
  ~Outbound();
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;

  /// Delivers a message: at once when `link` (null: offline) has room, else by the queue. QoS 0 is
  /// never queued for its own sake, only to stay behind retained messages that still wait.
  /// `keep`: the session outlives its connection, so what is in flight must be kept for resending.
  Outcome deliver(Publication& publication, const Copy& copy, Link* link, bool keep);
  /// Where retained messages for new subscriptions come from: live ones stay behind them. Null: none wait.
  /// Outlives this or is taken away.
  void set_retained(Source* source) { retained_ = source; }
  /// Where messages of shared subscriptions come from when nobody could take them at once. As `set_retained`.
  void set_shared(Source* source) { shared_ = source; }

  /// The client's acknowledgements (`PUBACK`, `PUBREC`, `PUBCOMP`). `answer` is true when a PUBREL
  /// with `answer_code` has to follow. `wrong`: the identifier is in use, but for a message of another QoS,
  /// or PUBREL was not sent yet: the client broke the protocol (4.3).
  struct Acknowledged {
    bool known = false;
    bool wrong = false;
    bool answer = false;
    mqtt::ReasonCode answer_code = mqtt::ReasonCode::success;
  };
  Acknowledged acknowledge(mqtt::PacketType type, std::uint16_t id, mqtt::ReasonCode code);

  /// The connection is gone: everything in flight will have to be sent again.
  void detach();
  /// A new connection: prepares resending, in the original order (MQTT-4.4.0-1, MQTT-4.6.0-1).
  void attach();
  /// Sends what is due within the window and the link's room: first what has to be sent again, then
  /// retained messages, then the queue, then what waits for shared subscriptions. Returns false when
  /// there was nothing to send.
  bool pump(Publication& scratch, Link& link, bool keep, Time now);

  bool has_backlog() const { return !queue_.empty() || resend_at_ < resend_.size() || retained_waiting(); }
  bool shared_waiting() const { return shared_ && shared_->waiting(); }
  /// True when a message of this QoS would leave at once.
  bool can_take(std::uint8_t qos, const Link& link) const {
    if (!link.has_room() || retained_waiting()) return false;
    return qos == 0 || (!has_backlog() && window_open(link));
  }

  /// Messages of shared subscriptions that the client has not acknowledged at QoS 1, in their order: when
  /// the session ends others may have them (4.8.2). At QoS 2 nobody else gets them (MQTT-4.8.2-5).
  struct Unfinished {
    MessageRef message;
    std::uint32_t group;
    bool retain;
  };
  std::vector<Unfinished> unfinished() const;

  /// How full the queue is, in percent of the nearer limit.
  unsigned fill_percent() const {
    const std::uint64_t by_count = std::uint64_t{100} * queue_.size() / std::max(budget_->messages_max, 1u);
    const std::uint64_t by_bytes = std::uint64_t{100} * queued_bytes_ / std::max<std::uint64_t>(budget_->bytes_max, 1);
    const std::uint64_t by_all = takes_much(0) ? budget_->connected_percent() : 0;
    return static_cast<unsigned>(std::min<std::uint64_t>(100, std::max({by_count, by_bytes, by_all})));
  }
  std::size_t queued() const { return queue_.size(); }
  std::size_t queued_bytes() const { return queued_bytes_; }
  std::size_t inflight() const { return inflight_; }
  bool empty() const { return queue_.empty() && inflight_ == 0; }

 private:
  enum class State : std::uint8_t { free, published, released };

  // One packet identifier: the slot's index + 1.
  struct Slot {
    MessageRef message;  // empty when it needs no resending
    KeptCopy copy;
    std::uint32_t order = 0;
    State state = State::free;
    bool sent = false;  // on this connection
  };

  struct Queued {
    MessageRef message;
    KeptCopy copy;

    std::size_t entry_bytes() const { return sizeof(Queued) + copy.bytes(); }
    std::size_t bytes() const { return message->size() + copy.bytes(); }
  };

  bool window_open(const Link& link) const;
  /// More is queued for a connected client than it may always have.
  bool takes_much(std::size_t more) const {
    constexpr std::size_t kMessages = 100;
    constexpr std::size_t kBytes = 64 * 1024;
    return connected_ && (queue_.size() >= kMessages || queued_bytes_ + more > kBytes);
  }
  void count(const Queued& item, std::uint64_t sign);
  bool retained_waiting() const { return retained_ && retained_->waiting(); }
  Outcome write(Publication& publication, const Copy& copy, Link& link, bool keep);
  Outcome enqueue(Publication& publication, const Copy& copy, bool online);
  std::uint16_t acquire();
  void release(Slot& slot);
  void push(Queued item);
  Queued pop();
  bool resend(Publication& scratch, Link& link, Time now);
  bool pull(Source& source, Publication& scratch, Link& link, bool keep, Time now);

  QueueBudget* budget_;
  std::vector<Slot> slots_;
  std::vector<std::uint16_t> resend_;  // slot indexes in order, from resend_at_
  std::size_t resend_at_ = 0;
  base::Ring<Queued> queue_;
  Source* retained_ = nullptr;
  Source* shared_ = nullptr;
  std::size_t queued_bytes_ = 0;
  std::size_t queued_entry_bytes_ = 0;
  std::uint32_t next_order_ = 0;
  std::uint16_t inflight_ = 0;     // slots in use
  std::uint16_t outstanding_ = 0;  // of these, sent on this connection: what receive maximum bounds
  std::uint16_t cursor_ = 0;       // where the search for a free slot starts
  bool connected_ = false;
};

}  // namespace shoal::session
