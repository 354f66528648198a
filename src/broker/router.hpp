#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/ring.hpp"
#include "broker/deliveries.hpp"
#include "broker/incoming.hpp"
#include "broker/peers.hpp"
#include "broker/receiver.hpp"
#include "broker/retained_requests.hpp"
#include "mqtt/reason_code.hpp"
#include "session/publication.hpp"

namespace shoal::broker {

class StoreJournal;

/// Totals of routing; see shoal::Stats.
struct RouterCounters {
  std::uint64_t received = 0;
  std::uint64_t received_bytes = 0;  ///< payloads
  std::uint64_t host_delivered = 0;
  std::uint64_t refused = 0;
};

/// How a message goes on to other shards.
struct Relay {
  bool on = true;
  unsigned from = ShardSet::kMost;  ///< it came through here from that one; `kMost`: from none
  std::string_view publisher = {};  ///< whose session is there
};

/// From a message to everybody who gets it: subscriptions, shared ones, retained messages, the host's
/// subscribers. Pure; the shard's thread.
class Router final : private topic::FilterListener {
 public:
  /// `peers`: the other shards of the instance; null: there are none.
  Router(const Limits& limits, session::QueueBudget& budget, Deliveries& deliveries, base::TextHash hash,
         Peers* peers = nullptr);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// Who hears of what has to survive; null: nothing does.
  void set_journal(StoreJournal* journal);

  /// Stores (retain) and delivers. `publisher` may be null. Answers success, no_matching_subscribers
  /// (exactly when nobody's subscription asks for it), or an error, in which case nothing was done:
  /// quota_exceeded, topic_name_invalid, not_authorized ($SYS).
  mqtt::ReasonCode publish(const Incoming& incoming, const ClientSession* publisher, base::Time now);
  /// The same for what nobody can be told of: a will goes to everybody who can take it, whatever the limits;
  /// when it cannot be kept as retained it is delivered all the same (MQTT-3.1.2-8).
  void publish_will(const Incoming& incoming, const ClientSession& publisher, base::Time now);
  /// A value of `$SYS`: stored as retained and delivered; not counted as received.
  void publish_own(std::string_view topic, std::string_view value, base::Time now);
  /// It is there no longer.
  void forget_own(std::string_view topic) { retained_.clear_own(topic); }

  // What other shards told: router_peers.cpp.
  /// That one has subscribers to the filter from now on, or none any more.
  void subscribed_elsewhere(unsigned shard, std::string_view filter, topic::SubscriptionTree::Node node);
  void unsubscribed_elsewhere(unsigned shard, std::string_view filter);
  /// A message that comes from one of them. `publisher`: when its session is here.
  void message_from(const Incoming& incoming, const ClientSession* publisher, const FiltersThere& filters,
                    base::Time now);
  /// A message on a topic whose retained messages are here, from a publisher there. It goes on to everybody.
  void message_through(unsigned from, const Incoming& incoming, std::string_view publisher, base::Time now);
  /// What is retained here for a subscription of the program around another shard, and one of these for it here.
  void host_wants(unsigned from, std::uint32_t place, std::string_view filter, base::Time now);
  void for_host(std::uint32_t place, const Incoming& incoming, base::Time now);
  void for_group(unsigned from, std::string_view filter, const Incoming& incoming, bool retain, base::Time now);
  void from_group(unsigned from, std::string_view filter, const Incoming& incoming, bool retain, base::Time now);
  /// Null: there are no other shards.
  RetainedRequests* retained_requests() { return requests_.get(); }

  /// How full the fullest queue of a connected session (or of the host) became by the last `publish`, in
  /// percent; 0 when everybody keeps up. What the publisher's reading is slowed by.
  unsigned backlog_percent() const { return backlog_percent_; }

  /// Adds or replaces a client's subscription, which may be a shared one; true when it is new. The filter is
  /// valid.
  bool subscribe(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options, std::uint32_t id);
  bool subscribed(const ClientSession& session, std::string_view filter) const;
  /// False when there was none (0x11).
  bool unsubscribe(ClientSession& session, std::string_view filter);
  /// A connection resumes the session: retained messages that were replaced while it was away are among
  /// those it still gets, unless it gets the same as live ones.
  void resumed(ClientSession& session);
  /// The session ends: all its subscriptions do, and other members of its shared ones get what it did not
  /// acknowledge.
  void end(ClientSession& session, base::Time now);
  /// Has the retained messages that a new subscription gets sent by `ClientSession::pump`.
  void want_retained(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options,
                     std::uint32_t id);

  void subscribe_host(std::string_view filter, std::uint8_t qos, Broker::OnMessage on_message, base::Time now);
  /// Calls the host's subscribers with what came since the last call. They may publish and subscribe:
  /// that is delivered by the next call. True when there is more.
  bool run_host();
  /// Forgets what the host has not got yet; also from one of its callbacks.
  void stop_host() { host_queue_.clear(); }

  /// What it keeps for the next messages only.
  std::uint64_t spare_bytes() const { return messages_.kept_bytes() + subscriptions_.cache_bytes(); }
  /// Gives back what it took when there was more of everything.
  void shrink();

  session::MessagePool& messages() { return messages_; }
  const session::MessagePool& messages() const { return messages_; }
  /// For sending again and for queues; not during `publish`.
  session::Publication& scratch() { return scratch_; }
  SharedGroups& shared() { return shared_; }
  const SharedGroups& shared() const { return shared_; }
  std::size_t subscriptions() const {
    return subscriptions_.size() - subscriptions_elsewhere_ - shared_.groups() + shared_.size();
  }
  /// Memory of all subscriptions, with what is known of those elsewhere, and what one with this filter may add to it at
  /// most.
  std::uint64_t subscription_bytes() const;
  static std::uint64_t subscription_bytes(std::string_view filter);
  /// Whether a subscription with this filter leaves the search for any topic within what a client may ask for at a
  /// time: a search is not divided.
  bool search_fits(std::string_view filter) const {
    const std::size_t added = subscriptions_.search_added(filter);
    return added == 0 || subscriptions_.search_max(limits_.topic_levels) + added <= kSearchMax;
  }
  static constexpr std::size_t kSearchMax = 20'000;
  /// True when somebody subscribes to filters that start with `$SYS`.
  bool own_wanted() const { return subscriptions_.any_below("$SYS"); }
  /// True when somebody who is there now gets messages on that topic.
  bool heard(std::string_view topic);
  const RetainedStore& retained() const { return retained_; }
  RetainedStore& retained() { return retained_; }
  /// Calls `visit(filter, options, id)` for every subscription of a session.
  template <class Visit>
  void each_subscription(const ClientSession& session, Visit visit) const {
    for (const auto handle : session.subscriptions) {
      visit(subscriptions_.filter(handle), subscriptions_.options(handle), subscriptions_.id(handle));
    }
    if (session.shared) session.shared->each(visit);
  }
  const RouterCounters& counters() const { return counters_; }
  bool topic_within_limits(std::string_view topic) const;
  /// The instance keeps as much for its sessions as it may: messages queued, in flight or as wills, each
  /// counted once, and the queues themselves.
  bool exhausted();
  /// Other shards keep so much under the same limit.
  void set_others(std::uint64_t kept_bytes) { others_kept_bytes_ = kept_bytes; }
  /// These messages' bytes, absent ones as if they were there.
  std::uint64_t kept_bytes() const {
    return messages_.bytes_now() + messages_.absent_bytes_now() - retained_.message_bytes();
  }

 private:
  struct HostDelivery {
    HostSubscriber* subscriber = nullptr;
    session::MessageRef message;
    std::uint8_t qos = 0;
    bool retain = false;
  };

  using Handles = base::CompactVector<topic::SubscriptionTree::Handle>;

  /// Where a session's subscription at this node is among its others, or would be.
  Handles::const_iterator place(const Handles& handles, topic::SubscriptionTree::Node node) const;
  void start(const Incoming& incoming, base::Time now);
  const topic::Matches& match(std::string_view topic);
  bool retain_fits(const Incoming& incoming, base::Time now);
  bool accept(const Incoming& incoming, const ClientSession* publisher, bool retain);
  void retain(const Incoming& incoming, std::uint64_t publisher);
  std::uint64_t number_of(const ClientSession* publisher) const;
  bool route(const topic::Matches& matches, const Incoming& incoming, const ClientSession* publisher,
             const Relay& relay = {});
  void tell(const OtherShard& other, std::span<const std::uint32_t> nodes, const Incoming& incoming,
            const Relay& relay);
  bool goes_through(const Incoming& incoming);
  bool send_through(const Incoming& incoming, const ClientSession* publisher);
  void filter_added(std::string_view filter, topic::SubscriptionTree::Node node) override;
  void filter_removed(std::string_view filter) override;
  bool must_survive(const Incoming& incoming);
  void deliver(const topic::Match& match, std::span<const std::uint32_t> ids, const Incoming& incoming,
               const Relay& relay);
  Handles::const_iterator find(const ClientSession& session, std::string_view filter) const;
  void queue_host(HostSubscriber& subscriber, const session::MessageRef& message, std::uint8_t qos, bool retain);

  const Limits& limits_;
  session::QueueBudget& budget_;
  Deliveries& deliveries_;
  Peers* const peers_;
  StoreJournal* journal_ = nullptr;
  session::MessagePool messages_;
  topic::SubscriptionTree subscriptions_;
  std::vector<OtherShard> other_shards_;  // by number, with `peers_`; this one has nothing
  std::size_t subscriptions_elsewhere_ = 0;
  std::uint32_t filter_changes_ = 0;  // that the others were told of
  SharedGroups shared_;
  RetainedStore retained_;
  std::unique_ptr<RetainedRequests> requests_;  // with `peers_`
  base::TextHash hash_;
  session::Publication publication_;
  session::Publication scratch_;
  topic::Matches own_;
  std::vector<std::unique_ptr<HostSubscriber>> hosts_;
  base::Ring<HostDelivery> host_queue_;
  RouterCounters counters_;
  unsigned backlog_percent_ = 0;
  std::uint64_t others_kept_bytes_ = 0;
};

}  // namespace shoal::broker
