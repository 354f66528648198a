#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ring.hpp"
#include "base/text_hash.hpp"
#include "broker/deliveries.hpp"
#include "session/journal.hpp"
#include "session/outbound.hpp"
#include "topic/subscription_tree.hpp"

namespace shoal::broker {

struct ClientSession;
struct SharedGroup;
struct Incoming;
class Peers;
class SharedMember;
class StoreJournal;

/// A message that waits for a member of a group.
struct GroupWaiting {
  session::MessageRef message;
  std::uint32_t sequence = 0;
  session::Place place = 0;  ///< the segment where the journal was told of it
  bool retain = false;
};

/// The members of a group that are on another shard.
struct SharedPart {
  unsigned shard = 0;
  std::uint32_t members = 0;
  std::uint32_t connected = 0;
  std::uint32_t waiting = 0;  ///< messages that it was given and has not handed to clients
  bool stuck = false;         ///< some of these none of its members can take: it gets no more
  bool recalled = false;      ///< and it was told to give them back
  base::Time stuck_since{};
};

/// One session's shared subscription.
struct Membership {
  SharedGroup& group;
  SharedMember& member;
  mqtt::SubscriptionOptions options;
  std::uint32_t id = 0;   ///< subscription identifier; 0: none
  std::size_t place = 0;  ///< among the group's members
};

/// All shared subscriptions of one session, and the way it fetches what waits for them.
class SharedMember final : public session::Source {
 public:
  explicit SharedMember(ClientSession& session) : session_(session) {}

  ClientSession& session() { return session_; }
  std::size_t size() const { return memberships_.size(); }
  /// Calls `visit(filter, options, id)` for each of them.
  template <class Visit>
  void each(Visit visit) const;

  bool waiting() const override;
  bool front(Item& item, session::Time now) override;
  void pop() override;

 private:
  friend class SharedGroups;

  ClientSession& session_;
  std::vector<std::unique_ptr<Membership>> memberships_;
  std::size_t turn_ = 0;  // the membership asked first: groups take turns, too
};

/// The shared subscriptions of an instance (4.8.2). A message goes to one connected member that can take
/// it at once, in turns. When none can, or none is connected, it waits once for the group, and the
/// first member with room fetches it.
///
/// Where the instance has several shards each group is owned by one of them, which has it in its tree; the others have
/// a part of it with the members that are theirs. The owner counts such a part as one of its members, as often as it
/// has connected ones, and gives it no more than those may have waiting. Pure; the shard's thread.
class SharedGroups {
 public:
  /// `scratch` is used for messages that waited. `peers`: null when there are no other shards.
  SharedGroups(session::QueueBudget& budget, topic::SubscriptionTree& tree, Deliveries& deliveries,
               session::Publication& scratch, base::TextHash hash, Peers* peers);
  ~SharedGroups();
  SharedGroups(const SharedGroups&) = delete;
  SharedGroups& operator=(const SharedGroups&) = delete;

  /// Groups with a member that survives do, too; null: none does.
  void set_journal(StoreJournal* journal) { journal_ = journal; }
  /// Makes a group that survived, without members yet. `number` is its own from now on.
  SharedGroup& restore(std::string_view filter, std::uint32_t number);
  void restore_queued(SharedGroup& group, std::uint32_t sequence, session::MessageRef message, bool retain,
                      session::Place place);
  /// Groups that are made from now on have numbers behind this one.
  void restore_numbers(std::uint32_t last) { last_number_ = last; }
  /// Groups without a member end.
  void drop_empty();
  /// Null: there is none.
  SharedGroup* find(std::uint32_t number) const;
  /// About what `tell_again` would write.
  std::uint64_t told_bytes(SharedGroup& group, session::Place place) const;
  /// Tells the journal again what it was told in the segment `place`.
  void tell_again(SharedGroup& group, session::Place place);

  /// Adds or replaces; true when it is new. `filter` is the whole of a valid `$share/GROUP/FILTER`.
  bool subscribe(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options, std::uint32_t id);
  bool subscribed(const ClientSession& session, std::string_view filter) const;
  /// False when there was none.
  bool unsubscribe(ClientSession& session, std::string_view filter);
  /// The session ends: it leaves all its groups, and what it has not acknowledged at QoS 1 goes to other
  /// members (4.8.2).
  void end(ClientSession& session, base::Time now);
  /// Only connected sessions get messages.
  void connected(ClientSession& session);
  void disconnected(ClientSession& session);

  /// Passes a message to one member, or keeps it for the group. Returns how full the group's queue is, in
  /// percent, when members are connected and none could take it; otherwise 0.
  unsigned deliver(SharedGroup& group, session::Publication& publication, bool retain);

  /// Gives back what it took when there were more groups.
  void shrink() {
    groups_.rehash(0);
    by_number_.rehash(0);
  }

  // With other shards: shared_parts.cpp.
  /// That shard's part has so many members, of these connected; none: it is gone.
  void part_changed(unsigned shard, std::string_view filter, std::uint32_t members, std::uint32_t connected,
                    base::Time now);
  /// A message that the group's owner, that shard, gives to this part of it. Returns as `deliver`.
  unsigned deliver_from(unsigned shard, std::string_view filter, session::Publication& publication, bool retain);
  /// A message that this gave to a part, and none of its members got.
  void came_back(unsigned shard, std::string_view filter, session::Publication& publication, bool retain);
  /// That part has handed so many on, and has or has none that its members cannot take.
  void has_room(unsigned shard, std::string_view filter, std::uint32_t count, bool stuck, base::Time now);
  /// What waits in this part is wanted back: others have room.
  void recalled(std::string_view filter);
  /// Before what was told is sent: owners hear what parts here have handed on and where they are stuck, and after a
  /// while get back what others could have. Returns when it is to be called again, at the latest.
  base::Time tell_room(base::Time now);

  /// Memberships of all sessions.
  std::size_t size() const { return memberships_; }
  /// Groups that are owned here.
  std::size_t groups() const { return groups_.size() - parts_; }

 private:
  friend class SharedMember;

  // Members asked for one message before it waits for whoever is free first.
  static constexpr std::size_t kAskedMax = 32;

  Membership* find(const ClientSession& session, std::string_view filter) const;
  bool offer(SharedGroup& group, session::Publication& publication, bool retain);
  void hand_out(SharedGroup& group, base::Time now);
  void leave(Membership& membership);
  void place(Membership& membership, bool connected);
  SharedGroup& make(std::string_view filter);
  SharedGroup& make(std::string_view filter, std::uint32_t number);
  void end(SharedGroup& group);
  void end_if_empty(SharedGroup& group);
  SharedGroup* find_group(std::string_view filter) const;
  SharedPart* part_of(SharedGroup& group, unsigned shard) const;
  bool offer_here(SharedGroup& group, std::size_t at, session::Publication& publication, bool retain);
  SharedPart& part_at(SharedGroup& group, std::size_t at);
  bool offer_part(SharedGroup& group, SharedPart& part, session::Publication& publication, bool retain);
  void take_back(SharedGroup& group, session::Publication& publication, bool retain);
  void tell_part(SharedGroup& group);
  void send_back(SharedGroup& group);
  void send_back(unsigned owner, std::string_view filter, const session::Message& message, bool retain);
  void handed(SharedGroup& group);
  bool anybody_free(SharedGroup& group) const;
  void is_stuck(SharedGroup& group);
  bool still_stuck(SharedGroup& group);
  base::Time recall(SharedGroup& group, base::Time now);
  void store(SharedGroup& group);
  void store_member(ClientSession& session);
  void push(SharedGroup& group, session::MessageRef message, bool retain, bool first);
  void push(SharedGroup& group, GroupWaiting waiting, bool first);
  void pop(SharedGroup& group);
  void discard(SharedGroup& group);
  void remove_first(SharedGroup& group);

  session::QueueBudget& budget_;
  topic::SubscriptionTree& tree_;
  Deliveries& deliveries_;
  session::Publication& scratch_;
  Peers* const peers_;
  StoreJournal* journal_ = nullptr;
  std::vector<SharedGroup*> handing_;  // parts of others' groups that have handed something on
  std::vector<SharedGroup*> stuck_;    // parts here that are, and groups with such parts elsewhere
  std::size_t parts_ = 0;              // of others' groups
  std::unordered_map<std::string, std::unique_ptr<SharedGroup>, base::TextHash, std::equal_to<>> groups_;
  std::unordered_map<std::uint32_t, SharedGroup*> by_number_;
  std::uint32_t last_number_ = 0;
  std::size_t memberships_ = 0;
};

}  // namespace shoal::broker
