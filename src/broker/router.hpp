#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/ring.hpp"
#include "broker/receiver.hpp"
#include "mqtt/reason_code.hpp"
#include "session/publication.hpp"
#include "topic/retained_tree.hpp"
#include "topic/subscription_tree.hpp"

namespace shoal::broker {

/// Totals of routing; see shoal::Stats.
struct RouterCounters {
  std::uint64_t received = 0;
  std::uint64_t host_delivered = 0;
  std::uint64_t refused = 0;
  std::uint64_t limit_hits = 0;
};

/// Whom the router tells that a client's link has something to flush, or has to go.
class Deliveries {
 public:
  virtual void wrote(Client& client) = 0;
  /// The session's queue is full and the rule is to disconnect; after the current message.
  virtual void overflowed(Client& client) = 0;
  /// `Router::run_host` wants to be called soon.
  virtual void host_pending() = 0;

 protected:
  ~Deliveries() = default;
};

/// A message with what its publisher asked for.
struct Incoming {
  std::string_view topic;
  base::Bytes payload;
  base::Bytes properties;  ///< to forward
  std::uint8_t qos = 0;
  bool retain = false;
  base::Time expires = base::kNever;
};

/// From a message to everybody who gets it: subscriptions, retained messages, copies. Pure; the
/// shard's thread.
class Router {
 public:
  Router(const Limits& limits, session::QueueBudget& budget, Deliveries& deliveries, base::TextHash hash);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// Stores (retain) and delivers. `publisher` may be null. Answers success, no_matching_subscribers,
  /// or an error, in which case nothing was done: quota_exceeded, topic_name_invalid.
  mqtt::ReasonCode publish(const Incoming& incoming, const Receiver* publisher, base::Time now);

  /// How full the fullest queue of a connected session (or of the host) became by the last `publish`, in
  /// percent; 0 when everybody keeps up. What the publisher's reading is slowed by.
  unsigned backlog_percent() const { return backlog_percent_; }
  /// How many receivers the last `publish` had.
  std::size_t fan_out() const { return fan_out_; }

  /// Adds or replaces a client's subscription; true when it is new. The filter is valid.
  bool subscribe(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options, std::uint32_t id);
  bool subscribed(const ClientSession& session, std::string_view filter) const;
  /// False when there was none (0x11).
  bool unsubscribe(ClientSession& session, std::string_view filter);
  void unsubscribe_all(ClientSession& session);
  /// Queues the retained messages a new subscription gets; `ClientSession::protocol.pump` sends them.
  /// Returns how many topic levels were looked at.
  std::size_t queue_retained(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options,
                             std::uint32_t id, base::Time now);

  void subscribe_host(std::string_view filter, std::uint8_t qos, Broker::OnMessage on_message, base::Time now);
  /// Calls the host's subscribers with what came since the last call. They may publish and subscribe:
  /// that is delivered by the next call. True when there is more.
  bool run_host();
  /// Forgets what the host has not got yet; also from one of its callbacks.
  void stop_host() { host_queue_.clear(); }

  session::MessagePool& messages() { return messages_; }
  /// For sending again and for queues; not during `publish`.
  session::Publication& scratch() { return scratch_; }
  std::size_t subscriptions() const { return subscriptions_.size(); }
  std::size_t retained() const { return retained_.size(); }
  std::uint64_t retained_bytes() const { return retained_bytes_; }
  const RouterCounters& counters() const { return counters_; }
  bool topic_within_limits(std::string_view topic) const;
  /// The instance keeps as much for its sessions as it may: messages queued, in flight or as wills, each
  /// counted once, and the queues themselves.
  bool exhausted() const;

 private:
  struct HostDelivery {
    HostSubscriber* subscriber = nullptr;
    session::MessageRef message;
    std::uint8_t qos = 0;
    bool retain = false;
  };

  using Handles = std::vector<topic::SubscriptionTree::Handle>;

  /// Where a session's subscription at this node is among its others, or would be.
  Handles::const_iterator place(const Handles& handles, topic::SubscriptionTree::Node node) const;
  void end_overflowed();
  bool retain(const Incoming& incoming);
  void drop_expired_retained(base::Time now);
  void deliver(const topic::Match& match, std::span<const std::uint32_t> ids, bool retain);
  void queue_host(HostSubscriber& subscriber, const session::MessageRef& message, std::uint8_t qos, bool retain);

  const Limits& limits_;
  session::QueueBudget& budget_;
  Deliveries& deliveries_;
  session::MessagePool messages_;
  topic::SubscriptionTree subscriptions_;
  topic::RetainedTree<session::MessageRef> retained_;
  std::uint64_t retained_bytes_ = 0;
  base::Time retained_expire_from_ = base::kNever;  // none expires before
  session::Publication publication_;
  session::Publication scratch_;
  topic::Matches own_;
  std::vector<Client*> overflowed_;
  bool ending_overflowed_ = false;
  std::vector<std::unique_ptr<HostSubscriber>> hosts_;
  base::Ring<HostDelivery> host_queue_;
  RouterCounters counters_;
  unsigned backlog_percent_ = 0;
  std::size_t fan_out_ = 0;
};

}  // namespace shoal::broker
