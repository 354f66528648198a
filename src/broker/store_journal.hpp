#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "mqtt/packet.hpp"
#include "session/journal.hpp"
#include "store/store.hpp"

namespace shoal::broker {

struct ClientSession;
struct SharedGroup;
class StoreReadBack;

/// Writes into the store what of an instance has to survive, as it happens: the way from the things of the broker to
/// records. The shard's thread.
class StoreJournal final : public session::Journal {
 public:
  /// What may be in a segment of the log that has to go. It may be there or not; what is there is told again.
  struct Segment {
    session::Place place = 0;
    std::vector<std::uint32_t> sessions{};  ///< their slots
    std::vector<std::uint32_t> retained{};  ///< nodes of the retained tree
    std::vector<std::uint32_t> groups{};    ///< their numbers
    session::MessageList messages{};        ///< all that are in it, and nothing else, together with
    session::MessageList looked_at{};       ///< those that whoever goes through them has seen
    bool resident = false;                  ///< large ones may be in memory
  };

  /// `now`: the turn's time; `wall`: the machine's clock.
  StoreJournal(std::unique_ptr<store::Store> store, const base::Time& now, std::function<store::WallMs()> wall);

  // session::Journal
  session::Place queued(session::Stored& session, std::uint32_t sequence, const session::MessageRef& message,
                        const session::Copy& copy) override;
  void unqueued(session::Stored& session, std::uint32_t sequence) override;
  void sent(session::Stored& session, std::uint32_t sequence, std::uint16_t id, std::uint32_t order) override;
  session::Place in_flight(session::Stored& session, std::uint16_t id, std::uint32_t order,
                           const session::MessageRef& message, const session::Copy& copy) override;
  void received(session::Stored& session, std::uint16_t id) override;
  void finished(session::Stored& session, std::uint16_t id) override;
  void taken(session::Stored& session, std::uint16_t id) override;
  void released(session::Stored& session, std::uint16_t id) override;
  std::uint32_t read_back(std::string_view client_id, std::vector<session::MessageRef> messages) override;
  /// Who does that. Outlives this or is taken away.
  void set_read_back(StoreReadBack* read_back) { read_back_ = read_back; }

  /// The session is new, or its connection, expiry or will changed.
  void session(ClientSession& session);
  void session_gone(ClientSession& session);
  void subscribed(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options, std::uint32_t id);
  void unsubscribed(ClientSession& session, std::string_view filter);
  /// The message at a node of the retained tree. Where that is said.
  session::Place retained(std::uint32_t node, const session::MessageRef& message);
  void retained_gone(std::string_view topic);
  /// The group is stored from now on.
  void group(SharedGroup& group);
  void group_gone(SharedGroup& group);
  session::Place group_queued(SharedGroup& group, std::uint32_t sequence, const session::MessageRef& message,
                              bool retain);
  void group_unqueued(SharedGroup& group, std::uint32_t sequence);

  /// Grows with everything that is told.
  std::uint64_t position() const { return position_; }
  /// Ends the batch under way, if something is in it. True when more is committed than the last time.
  bool commit();
  /// To be called in turns that happen anyway: now and then it is told that the instance is there.
  void alive();
  bool empty() { return store_->batch().empty(); }
  /// A packet waits for the batch under way, or it says that a session has begun or ended, or its client has: no
  /// packet tells of that, but others see it.
  bool awaited() const { return awaited_ == under_way_; }
  /// Learns what the store has committed meanwhile.
  void refresh();
  std::uint64_t committed() const { return committed_; }
  /// The segment that is written to.
  session::Place place() const { return place_; }
  /// Goes on in another one.
  void begin_segment();
  store::Store& store() { return *store_; }

  store::WallMs to_wall(base::Time time) const;
  base::Time from_wall(store::WallMs wall) const;

  // What comes out of the store again.
  void restore_numbers(std::uint64_t last_session, std::uint64_t last_message);
  /// The session is in the store as `number`; `first`: the oldest segment with something of its own.
  void restore_session(ClientSession& session, std::uint64_t number, session::Place first);
  void restore_group(SharedGroup& group, session::Place first);
  /// Something of it is in that segment.
  void restore_place(ClientSession& session, session::Place place);
  void restore_place(SharedGroup& group, session::Place place);
  void restore_message(const session::Message& message, std::uint64_t number, session::Message::Spot spot);
  void restore_retained(std::uint32_t node, session::Place place) { segment(place).retained.push_back(node); }

  // For whoever goes through segments, or clears them.
  /// Null: it was cleared, or never was.
  Segment* find(session::Place place);
  /// A large message that is there has come back into memory.
  void note_resident(session::Place place);
  ClientSession* session_at(std::uint32_t slot) { return slot < slots_.size() ? slots_[slot] : nullptr; }
  /// Gives back what it took when there were more sessions. Slots stay.
  void shrink();
  std::size_t sessions() const { return slots_.size() - free_.size(); }
  const Segment& oldest() const { return segments_.front(); }
  /// The oldest segment, whose things are to be told again.
  Segment take_oldest();
  /// Another segment has the message from now on.
  void tell_again(const session::Message& message);

 private:
  void begin(session::Stored& session);
  void note(session::Stored& session);
  void note(SharedGroup& group);
  Segment& segment(session::Place place);
  std::uint64_t tell(const session::MessageRef& message);
  void put(const session::Message& message);
  void add(const session::Message& message, session::Message::Spot spot);

  std::unique_ptr<store::Store> store_;
  StoreReadBack* read_back_ = nullptr;
  const base::Time& now_;
  std::function<store::WallMs()> wall_;
  std::int64_t wall_offset_ms_ = 0;  // from the turn's time to the machine's clock
  base::Time last_batch_at_{};
  std::uint64_t position_ = 0;
  std::uint64_t last_session_ = 0;
  std::uint64_t last_message_ = 0;
  session::Place place_ = 0;
  std::deque<Segment> segments_;  // by place, none left out
  std::vector<ClientSession*> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace shoal::broker
