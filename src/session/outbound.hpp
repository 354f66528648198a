#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/ring.hpp"
#include "mqtt/packet.hpp"
#include "session/journal.hpp"
#include "session/kept_copy.hpp"
#include "session/link.hpp"
#include "session/publication.hpp"
#include "session/queue_budget.hpp"
#include "session/source.hpp"
#include "shoal/options.hpp"

namespace shoal::session {

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

  /// How the store knows the session; null: not at all.
  Stored* stored() const { return stored_.get(); }
  /// From now on the budget's journal hears of messages that are kept.
  void set_stored(std::unique_ptr<Stored> stored) { stored_ = std::move(stored); }
  /// The journal, when it hears of this session at all; or null.
  Journal* journal() const { return stored_ ? budget_->journal : nullptr; }
  /// What a packet has to wait for that tells of this session's state; see `Link::queue`.
  std::uint64_t pending() const { return journal() ? journal()->pending(stored_.get()) : 0; }
  QueueBudget& budget() { return *budget_; }
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
  Acknowledged acknowledge(mqtt::PacketType type, std::uint16_t id, mqtt::ReasonCode code, Time now);

  /// The connection is gone: everything in flight will have to be sent again.
  void detach();
  /// A new connection: prepares resending, in the original order (MQTT-4.4.0-1, MQTT-4.6.0-1).
  void attach();
  /// Called now and then, seldom: gives back what the flow and the queue take when both are empty and were not used
  /// since the last call.
  void rest();
  /// Sends what is due within the window and the link's room: first what has to be sent again, then
  /// retained messages, then the queue, then what waits for shared subscriptions. Returns false when
  /// there was nothing to send.
  bool pump(Publication& scratch, Link& link, bool keep, Time now);
  /// The last `pump` ended before a message whose body is not in memory.
  bool starved() const { return starved_; }
  /// Asks the journal for bodies at the front of the queue, when it is not asked already. `client_id`: of the session.
  void read_back(std::string_view client_id);
  /// What `read_back` asked for has come, as far as it will. False when it was not this that asked.
  bool arrived(std::uint32_t request);

  bool has_backlog() const { return queued() != 0 || resend_ || retained_waiting(); }
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

  /// Something that survived: in flight with its identifier (`message` is empty when PUBREC came), or in the queue
  /// behind what is there. In the order of `order` and `sequence`; before anything else happens.
  void restore_in_flight(std::uint16_t id, std::uint32_t order, MessageRef message, KeptCopy copy, Place place);
  void restore_queued(std::uint32_t sequence, MessageRef message, KeptCopy copy, Place place);
  /// About what `tell_again` would write for that segment.
  std::uint64_t told_bytes(Place place);
  /// How far `tell_again` came. A value.
  class Cursor {
   private:
    friend class Outbound;
    // First the queue: what leaves it meanwhile is met in flight.
    bool begun_ = false;
    std::uint32_t sequence_ = 0;  // in the queue, up to here
    std::size_t slot_ = 0;
  };
  /// Tells the journal again what it was told in the segment `place`; looks at no more than `most` things. False
  /// when all is done.
  bool tell_again(Place place, Cursor& cursor, std::size_t most);

  /// How full the queue is, in percent of the nearest limit.
  unsigned fill_percent() const { return queue_ ? queue_->share.percent(*budget_) : 0; }
  std::size_t queued() const { return queue_ ? queue_->items.size() : 0; }
  std::size_t queued_bytes() const { return queue_ ? queue_->share.bytes() : 0; }
  std::size_t inflight() const { return inflight_; }
  bool empty() const { return queued() == 0 && inflight_ == 0; }

 private:
  enum class State : std::uint8_t { free, published, released };

  // One packet identifier: the slot's index + 1.
  struct Slot {
    MessageRef message;  // empty when it needs no resending
    KeptCopy copy;
    std::uint32_t order = 0;
    State state = State::free;
    bool sent : 1 = false;    // on this connection
    bool stored : 1 = false;  // the journal was told
    Place place = 0;          // where
  };

  struct Queued {
    MessageRef message;
    KeptCopy copy;
    std::uint32_t sequence = 0;
    Place place = 0;
    bool stored = false;  // the journal was told
    bool pinned = false;  // its message stays in memory until it is sent

    std::size_t entry_bytes() const { return sizeof(Queued) + copy.bytes(); }
    std::size_t bytes() const { return message->size() + copy.bytes(); }
  };

  // Most sessions never need one; a small one stays with a connected session, that does not rest.
  struct Queue {
    base::Ring<Queued> items;
    QueueShare share;
    std::uint32_t reading = 0;  // the request for bodies that has not been answered; 0: none
  };

  // What has to be sent again on this connection: places of slots in the order of their messages, from `next` on.
  struct Resend {
    std::vector<std::uint16_t> places;
    std::size_t next = 0;
  };

  // The one message that is timed now: on its way through the queue, then in flight. More would take memory for each.
  struct Timed {
    enum class Where : std::uint8_t { nowhere, queue, flight };

    bool is(Where w, std::uint32_t n) const { return where == w && number == n; }

    Time since{};
    std::uint32_t number = 0;  // in the queue its sequence, in flight its identifier
    Where where = Where::nowhere;
  };

  bool window_open(const Link& link) const;
  void time_written(std::uint16_t id, const Queued* waited, Time now);
  std::size_t queue_place(std::uint32_t sequence);
  bool retained_waiting() const { return retained_ && retained_->waiting(); }
  // `waited`: what it was in the queue.
  Outcome write(Publication& publication, const Copy& copy, Link& link, bool keep, const Queued* waited = nullptr);
  Outcome enqueue(Publication& publication, const Copy& copy, bool online, bool keep);
  std::uint16_t acquire();
  std::uint16_t id_of(const Slot& slot) const { return static_cast<std::uint16_t>(&slot - slots_.get() + 1); }
  void finish(Slot& slot);
  void receive(Slot& slot);
  void release(Slot& slot);
  std::span<Slot> slots() const { return {slots_.get(), slot_count_}; }
  void grow_slots(std::size_t least);
  Queue& queue();
  void push(Queued item);
  Queued pop();
  void discard(std::uint64_t& counter);
  bool resend(Publication& scratch, Link& link, Time now);
  bool pull(Source& source, Publication& scratch, Link& link, bool keep, Time now);

  QueueBudget* budget_;
  std::unique_ptr<Stored> stored_;
  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<Queue> queue_;    // null: empty
  std::unique_ptr<Resend> resend_;  // null: nothing
  Source* retained_ = nullptr;
  Source* shared_ = nullptr;
  std::uint32_t next_order_ = 0;
  std::uint32_t next_sequence_ = 0;
  std::int32_t left_queue_ = 0;  // since the last timed one; below 0: so many still come that nobody was there for
  bool attached_ = false;
  bool starved_ = false;
  bool used_ = false;  // since the last `rest`
  std::uint16_t slot_count_ = 0;
  std::uint16_t inflight_ = 0;     // slots in use
  std::uint16_t outstanding_ = 0;  // of these, sent on this connection: what receive maximum bounds
  std::uint16_t cursor_ = 0;       // where the search for a free slot starts
  Timed timed_;
};

}  // namespace shoal::session
