#pragma once

#include <string>
#include <utility>
#include <vector>

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
  enum class Kind : std::uint8_t { session, group, host };
  explicit Receiver(Kind k) : kind(k) {}

  Kind kind;
};

/// A session with its place in the instance: subscriptions, connection, and the deadline of what
/// happens without one.
struct ClientSession final : Receiver, io::Timer {
  ClientSession(std::string client_id, session::QueueBudget& budget, SessionTable& owner)
      : Receiver(Kind::session), protocol(std::move(client_id), budget), table(owner) {}

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
  SessionTable& table;
  Client* client = nullptr;                                    ///< while connected
  std::vector<topic::SubscriptionTree::Handle> subscriptions;  ///< sorted by node
  std::unique_ptr<RetainedFeed> retained;                      ///< while retained messages wait
  std::unique_ptr<SharedMember> shared;                        ///< null: no shared subscriptions
  base::Time expires = base::kNever;                           ///< while not connected
  base::Time since{};                                          ///< when the connection went

 private:
  void on_deadline(base::Time now) override;
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
  unsigned owner_shard = 0;         ///< whose group it is
  bool is_part = false;             ///< that is another one
  std::uint32_t handed = 0;          ///< of a part: messages that its owner has to be told of
  std::vector<SharedPart> parts{};   ///< on other shards
  std::size_t connected_elsewhere() const {
    std::size_t sum = 0;
    for (const SharedPart& part : parts) sum += part.connected;
    return sum;
  }
  bool stored = false;       ///< the journal knows it
  session::Place first = 0;  ///< the segment where it was told of the group itself
  session::Place last = 0;   ///< the newest with anything of it
};

template <class Visit>
void SharedMember::each(Visit visit) const {
  for (const auto& membership : memberships_) visit(membership->group.filter, membership->options, membership->id);
}

/// A subscription of the program that hosts the instance.
struct HostSubscriber final : Receiver {
  explicit HostSubscriber(Broker::OnMessage callback) : Receiver(Kind::host), on_message(std::move(callback)) {}

  Broker::OnMessage on_message;
};

}  // namespace shoal::broker
