#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/timer_queue.hpp"
#include "session/session.hpp"
#include "shoal/broker.hpp"
#include "topic/subscription_tree.hpp"

namespace shoal::broker {

class Client;
class SessionTable;

/// Somebody messages are routed to.
struct Receiver : topic::Subscriber {
  enum class Kind : std::uint8_t { session, host };
  explicit Receiver(Kind k) : kind(k) {}

  Kind kind;
};

/// A session with its place in the instance: subscriptions, connection, and the deadline of what
/// happens without one.
struct ClientSession final : Receiver, io::Timer {
  ClientSession(std::string client_id, session::QueueBudget& budget, SessionTable& owner)
      : Receiver(Kind::session), protocol(std::move(client_id), budget), table(owner) {}

  session::Session protocol;
  SessionTable& table;
  Client* client = nullptr;                                    ///< while connected
  std::vector<topic::SubscriptionTree::Handle> subscriptions;  ///< sorted by node
  base::Time expires = base::kNever;                           ///< while not connected

 private:
  void on_deadline(base::Time now) override;
};

/// A subscription of the program that hosts the instance.
struct HostSubscriber final : Receiver {
  explicit HostSubscriber(Broker::OnMessage callback) : Receiver(Kind::host), on_message(std::move(callback)) {}

  Broker::OnMessage on_message;
};

}  // namespace shoal::broker
