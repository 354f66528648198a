#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/compact_vector.hpp"
#include "broker/retained_requests.hpp"
#include "broker/shared_groups.hpp"
#include "io/timer_queue.hpp"
#include "session/session.hpp"
#include "shoal/broker.hpp"
#include "topic/subscription_tree.hpp"

namespace shoal::broker {

class Client;
class SessionTable;

/// Somebody messages are routed to.
struct Receiver : topic::Subscriber {
  enum class Kind : std::uint8_t { session, group, host, shard };
  explicit Receiver(Kind k) : kind(k) {}

  Kind kind;
};

struct ClientSession;

/// The time that a session is without a connection, with the deadline of what happens then.
class Absence final : public io::Timer {
 public:
  Absence(SessionTable& table, ClientSession& session) : table_(table), session_(session) {}

  base::Time since{};                 ///< when the connection went
  base::Time expires = base::kNever;  ///< the session

 private:
  void on_deadline(base::Time now) override;

  SessionTable& table_;
  ClientSession& session_;
};

/// A session with its place in the instance: subscriptions and connection.
struct ClientSession final : Receiver {
  ClientSession(std::string_view client_id, session::QueueBudget& budget)
      : Receiver(Kind::session), protocol(client_id, budget) {}

  /// Sends what waits as far as window and link allow. True when bytes were written.
  bool pump(session::Publication& scratch, base::Time now) {
    const bool wrote = protocol.pump(scratch, now);
    if (retained && !retained->waiting()) drop_retained();
    return wrote;
  }
  void drop_retained() {
    protocol.set_retained(nullptr);
    retained.reset();
  }
  /// Subscriptions, shared ones included.
  std::size_t subscription_count() const { return subscriptions.size() + (shared ? shared->size() : 0); }

  session::Session protocol;
  Client* client = nullptr;                                            ///< while connected
  base::CompactVector<topic::SubscriptionTree::Handle> subscriptions;  ///< sorted by node
  std::unique_ptr<RetainedFeed> retained;                              ///< while retained messages wait
  std::unique_ptr<SharedMember> shared;                                ///< null: no shared subscriptions
  std::unique_ptr<Absence> absence;                                    ///< while not connected
};

/// A shared subscription: receives for its members.
struct SharedGroup final : Receiver {
  explicit SharedGroup(SharedGroups& groups, std::string whole)
      : Receiver(Kind::group), owner(groups), filter(std::move(whole)) {}

  SharedGroups& owner;
  std::string filter;  ///< `$share/GROUP/FILTER`
  topic::SubscriptionTree::Handle handle = 0;
  std::uint32_t number = 0;          ///< never used again for another
  std::vector<Membership*> members;  ///< connected ones first
  std::size_t connected = 0;
  std::size_t turn = 0;
  base::Ring<GroupWaiting> queue;
  session::QueueShare share;  ///< of the queue
  std::uint32_t next_sequence = 0;
  unsigned owner_shard = 0;  ///< whose group it is
  bool is_part = false;      ///< that is another one
  std::uint32_t handed = 0;  ///< of a part: messages that its owner has to be told of
  bool stuck = false;        ///< of a part: some wait that none of its members can take
  bool stuck_told = false;
  std::vector<SharedPart> parts{};  ///< on other shards
  /// Whether messages given to another shard's part wait there for members that cannot take them.
  bool any_part_stuck() const {
    return std::any_of(parts.begin(), parts.end(), [](const SharedPart& part) { return part.stuck; });
  }
  std::size_t connected_elsewhere() const {
    std::size_t sum = 0;
    for (const SharedPart& part : parts) sum += part.connected;
    return sum;
  }
  std::size_t connected_anywhere() const { return connected + connected_elsewhere(); }
  bool stored = false;       ///< the journal knows it
  session::Place first = 0;  ///< the segment where it was told of the group itself
  session::Place last = 0;   ///< the newest with anything of it
};

template <class Visit>
void SharedMember::each(Visit visit) const {
  for (const auto& membership : memberships_) visit(membership->group.filter, membership->options, membership->id);
}

/// All subscribers on another shard of the instance: it has one subscription for each filter that they have. Its
/// identifier is the filter's node there.
struct OtherShard final : Receiver {
  explicit OtherShard(unsigned of) : Receiver(Kind::shard), number(of) { announced = false; }

  unsigned number;
  std::uint32_t filter_changes = 0;  ///< of its filters, that were heard of
  bool tells_nodes = true;           ///< the nodes of all its filters are the identifiers of its subscriptions here
};

/// A subscription of the program that hosts the instance.
struct HostSubscriber final : Receiver {
  explicit HostSubscriber(Broker::OnMessage callback) : Receiver(Kind::host), on_message(std::move(callback)) {}

  Broker::OnMessage on_message;
  std::uint8_t qos = 0;
};

}  // namespace shoal::broker
