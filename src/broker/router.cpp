#include "broker/router.hpp"

#include <algorithm>

#include "broker/store_journal.hpp"
#include "mqtt/topic_name.hpp"

namespace shoal::broker {

using mqtt::ReasonCode;
using session::Outcome;

namespace {

constexpr std::uint64_t kSubscriptionWork = 32;  // units of `Work`, to remove one

}  // namespace

Router::Router(const Limits& limits, session::QueueBudget& budget, Deliveries& deliveries, base::TextHash hash,
               Peers* peers)
    : limits_(limits),
      budget_(budget),
      deliveries_(deliveries),
      peers_(peers),
      subscriptions_(hash),
      shared_(budget, subscriptions_, deliveries, scratch_, hash, peers),
      retained_(limits, hash),
      hash_(hash),
      publication_(messages_),
      scratch_(messages_) {
  if (!peers_) return;
  subscriptions_.set_listener(this);
  other_shards_.reserve(peers_->count());
  for (unsigned shard = 0; shard < peers_->count(); ++shard) other_shards_.emplace_back(shard);
  requests_ = std::make_unique<RetainedRequests>(*peers_, retained_, messages_, budget_.work);
}

void Router::set_journal(StoreJournal* journal) {
  journal_ = journal;
  budget_.journal = journal;
  shared_.set_journal(journal);
  retained_.set_journal(journal);
}

void Router::shrink() {
  subscriptions_.shrink();
  shared_.shrink();
  retained_.tree().shrink();
  host_queue_.shrink();
  publication_ = session::Publication(messages_);
  scratch_ = session::Publication(messages_);
  own_ = {};
  messages_.trim();
}

bool Router::topic_within_limits(std::string_view topic) const {
  return topic.size() <= limits_.topic_bytes && mqtt::level_count(topic) <= limits_.topic_levels;
}

bool Router::exhausted() {
  budget_.kept_bytes_now = kept_bytes();
  return others_kept_bytes_ + budget_.kept_bytes_now + budget_.entry_bytes_now > limits_.queued_bytes_total;
}

void Router::start(const Incoming& incoming, base::Time now) {
  publication_.start(incoming.topic, incoming.payload, incoming.properties, incoming.qos, incoming.expires, now);
}

ReasonCode Router::publish(const Incoming& incoming, const ClientSession* publisher, base::Time now) {
  backlog_percent_ = 0;
  const auto refuse = [&](ReasonCode code) {
    ++counters_.refused;
    return code;
  };
  if (!topic_within_limits(incoming.topic)) {
    deliveries_.hit(Bound::topic, incoming.topic.substr(0, limits_.topic_bytes));
    return refuse(ReasonCode::topic_name_invalid);
  }
  if (mqtt::is_server_topic(incoming.topic)) return refuse(ReasonCode::not_authorized);
  budget_.exhausted = exhausted();
  if (incoming.qos > 0 && budget_.exhausted) {
    deliveries_.hit(Bound::queued_bytes_total, incoming.topic);
    return refuse(ReasonCode::quota_exceeded);
  }
  if (incoming.retain && !retain_fits(incoming, now)) {
    deliveries_.hit(Bound::retained, incoming.topic);
    return refuse(ReasonCode::quota_exceeded);
  }
  if (journal_ && (incoming.qos > 0 || incoming.retain) && !journal_->store().admits(incoming.size()) &&
      must_survive(incoming)) {
    deliveries_.hit(Bound::disk, incoming.topic);
    return refuse(ReasonCode::quota_exceeded);
  }
  start(incoming, now);
  return accept(incoming, publisher, incoming.retain) ? ReasonCode::success : ReasonCode::no_matching_subscribers;
}

// False when nobody's subscription asks for it.
bool Router::accept(const Incoming& incoming, const ClientSession* publisher, bool retain) {
  ++counters_.received;
  counters_.received_bytes += incoming.payload.size();
  if (peers_ && goes_through(incoming)) return send_through(incoming, publisher);
  if (retain) this->retain(incoming, number_of(publisher));
  return route(match(incoming.topic), incoming, publisher);
}

void Router::publish_will(const Incoming& incoming, const ClientSession& publisher, base::Time now) {
  budget_.exhausted = exhausted();
  start(incoming, now);
  const bool fits = !incoming.retain || retain_fits(incoming, now);
  if (!fits) deliveries_.hit(Bound::retained, incoming.topic);
  accept(incoming, &publisher, incoming.retain && fits);
}

void Router::publish_own(std::string_view topic, std::string_view value, base::Time now) {
  const Incoming incoming{.topic = topic, .payload = base::as_bytes(value), .properties = {}, .retain = true};
  budget_.exhausted = exhausted();
  start(incoming, now);
  retained_.set_own(publication_.message());
  route(match(topic), incoming, nullptr);
}

// Everybody who subscribes to that.
const topic::Matches& Router::match(std::string_view topic) {
  const topic::Matches& matches = subscriptions_.match(topic);
  budget_.work.add(subscriptions_.match_work());
  return matches;
}

bool Router::heard(std::string_view topic) {
  const topic::Matches& matches = match(topic);
  return std::any_of(matches.list.begin(), matches.list.end(), [](const topic::Match& match) {
    const auto& receiver = static_cast<const Receiver&>(*match.subscriber);
    switch (receiver.kind) {
      case Receiver::Kind::session: return static_cast<const ClientSession&>(receiver).client != nullptr;
      case Receiver::Kind::group: return static_cast<const SharedGroup&>(receiver).connected > 0;
      case Receiver::Kind::host:
      case Receiver::Kind::shard: return true;
    }
    return false;
  });
}

// Whether more than deleting has to be written for it.
bool Router::must_survive(const Incoming& incoming) {
  if (incoming.retain && !incoming.payload.empty()) return true;
  if (incoming.qos == 0) return false;
  const topic::Matches& matches = match(incoming.topic);
  return std::any_of(matches.list.begin(), matches.list.end(), [](const topic::Match& match) {
    const auto& receiver = static_cast<const Receiver&>(*match.subscriber);
    if (receiver.kind == Receiver::Kind::group) return static_cast<const SharedGroup&>(receiver).stored;
    return receiver.kind == Receiver::Kind::session && static_cast<const ClientSession&>(receiver).protocol.survives();
  });
}

// To everybody. False when nobody's subscription asks for it.
bool Router::route(const topic::Matches& matches, const Incoming& incoming, const ClientSession* publisher,
                   const Relay& relay) {
  const bool anybody = !matches.list.empty();
  budget_.work.add(matches.list.size());
  bool own = false;
  for (const topic::Match& match : matches.list) {
    if (match.no_local && match.subscriber == publisher) {
      own = true;
      continue;
    }
    deliver(match, {matches.ids.data() + match.first_id, match.id_count}, incoming, relay);
  }
  if (own) {
    subscriptions_.match_own(incoming.topic, const_cast<ClientSession*>(publisher), own_);
    budget_.work.add(subscriptions_.match_work());
    for (const topic::Match& match : own_.list) deliver(match, own_.ids, incoming, relay);
  }
  publication_.finish();
  return anybody;
}

void Router::deliver(const topic::Match& match, std::span<const std::uint32_t> ids, const Incoming& incoming,
                     const Relay& relay) {
  auto& receiver = static_cast<Receiver&>(*match.subscriber);
  if (receiver.kind == Receiver::Kind::shard) return tell(static_cast<OtherShard&>(receiver), ids, incoming, relay);
  const std::uint8_t qos = std::min(match.qos, publication_.qos());  // MQTT-3.8.4-8
  if (receiver.kind == Receiver::Kind::group) {
    const unsigned percent = shared_.deliver(static_cast<SharedGroup&>(receiver), publication_, incoming.retain);
    backlog_percent_ = std::max(backlog_percent_, percent);
    return;
  }
  if (receiver.kind == Receiver::Kind::host) {
    queue_host(static_cast<HostSubscriber&>(receiver), publication_.message(), qos, false);
    const std::size_t percent = 100 * host_queue_.size() / std::max(limits_.queued_messages, 1u);
    backlog_percent_ = std::max(backlog_percent_, static_cast<unsigned>(std::min<std::size_t>(percent, 100)));
    return;
  }
  auto& session = static_cast<ClientSession&>(receiver);
  const session::Copy copy{qos, match.retain_as_published && incoming.retain, ids};  // MQTT-3.3.1-12, MQTT-3.3.1-13
  const std::uint64_t full = budget_.dropped_full;
  switch (session.protocol.deliver(publication_, copy)) {
    case Outcome::sent: deliveries_.wrote(*session.client); break;
    case Outcome::queued:
      if (session.client) backlog_percent_ = std::max(backlog_percent_, session.protocol.outbound().fill_percent());
      break;
    case Outcome::dropped: break;
    case Outcome::disconnect: deliveries_.overflowed(*session.client); break;
  }
  if (budget_.dropped_full != full) deliveries_.hit(Bound::queue, session.protocol.client_id());
}

bool Router::retain_fits(const Incoming& incoming, base::Time now) {
  if (incoming.payload.empty()) return true;
  if (peers_ && !peers_->owns(incoming.topic)) return retained_.fit_elsewhere(incoming.size());
  return retained_.fits(incoming.topic, incoming.size(), now);
}

void Router::retain(const Incoming& incoming, std::uint64_t publisher) {
  if (incoming.payload.empty()) return retained_.clear(incoming.topic);
  if (peers_) peers_->set().note_retained();
  retained_.set(publication_.message(), publisher);
}

// Only no-local subscriptions that come later ask who it was.
std::uint64_t Router::number_of(const ClientSession* publisher) const {
  return publisher ? hash_(publisher->protocol.client_id()) : 0;
}

Router::Handles::const_iterator Router::place(const Handles& handles, topic::SubscriptionTree::Node node) const {
  return std::lower_bound(handles.begin(), handles.end(), node,
                          [&](auto handle, auto wanted) { return subscriptions_.node(handle) < wanted; });
}

// The session's ordinary subscription with this filter, or the end.
Router::Handles::const_iterator Router::find(const ClientSession& session, std::string_view filter) const {
  const auto node = subscriptions_.find(filter);
  const auto found = place(session.subscriptions, node);
  const bool there = found != session.subscriptions.end() && subscriptions_.node(*found) == node;
  return there ? found : session.subscriptions.end();
}

bool Router::subscribe(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options,
                       std::uint32_t id) {
  if (journal_ && session.protocol.survives()) journal_->subscribed(session, filter, options, id);
  if (mqtt::is_shared(filter)) return shared_.subscribe(session, filter, options, id);
  const auto found = find(session, filter);
  if (found != session.subscriptions.end()) {
    subscriptions_.update(*found, options, id);
    if (session.retained) session.retained->update(*found, options, id);
    return false;
  }
  const auto handle = subscriptions_.subscribe(filter, &session, options, id);
  session.subscriptions.insert(place(session.subscriptions, subscriptions_.node(handle)), handle);
  return true;
}

bool Router::subscribed(const ClientSession& session, std::string_view filter) const {
  if (mqtt::is_shared(filter)) return shared_.subscribed(session, filter);
  return find(session, filter) != session.subscriptions.end();
}

bool Router::unsubscribe(ClientSession& session, std::string_view filter) {
  if (journal_ && session.protocol.survives()) journal_->unsubscribed(session, filter);
  if (mqtt::is_shared(filter)) return shared_.unsubscribe(session, filter);
  const auto found = find(session, filter);
  if (found == session.subscriptions.end()) return false;
  if (session.retained) session.retained->remove(*found);
  subscriptions_.unsubscribe(*found);
  session.subscriptions.erase(found);
  return true;
}

void Router::resumed(ClientSession& session) {
  if (session.retained && session.protocol.outbound().queued() == 0) {
    session.retained->take_newer(retained_.last_number());
  }
}

void Router::end(ClientSession& session, base::Time now) {
  session.drop_retained();
  budget_.work.add(kSubscriptionWork * session.subscriptions.size());
  for (const auto handle : session.subscriptions) subscriptions_.unsubscribe(handle);
  session.subscriptions.clear();
  shared_.end(session, now);
}

std::uint64_t Router::subscription_bytes() const {
  return subscriptions_.bytes() + shared_.size() * sizeof(Membership) + shared_.groups() * sizeof(SharedGroup);
}

std::uint64_t Router::subscription_bytes(std::string_view filter) {
  constexpr std::uint64_t kPerLevel = 128;  // a node, and its text's own block
  return filter.size() + kPerLevel * (1 + mqtt::level_count(filter));
}

void Router::want_retained(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options,
                           std::uint32_t id) {
  const auto found = find(session, filter);
  const bool elsewhere = peers_ && (peers_->set().any_retained() || mqtt::is_server_topic(filter));
  if (found == session.subscriptions.end() || (retained_.tree().size() == 0 && !elsewhere)) return;
  if (!session.retained) {
    session.retained = std::make_unique<RetainedFeed>(retained_, subscriptions_, budget_.work, deliveries_, session);
    session.protocol.set_retained(session.retained.get());
  }
  const std::uint64_t own = options.no_local ? number_of(&session) : 0;
  session.retained->remove(*found);
  session.retained->add({*found, options, id, retained_.last_number(), own});
  if (!elsewhere) return;
  const bool one_topic = mqtt::is_topic_name(filter);
  for (unsigned shard = 0; shard < peers_->count(); ++shard) {
    if (shard == peers_->number() || (one_topic && shard != peers_->owner(filter))) continue;
    auto request = std::make_unique<RetainedRequest>(*requests_, shard, filter, own, session);
    session.retained->add({*found, options, id, 0, own, std::move(request)});
  }
}

void Router::subscribe_host(std::string_view filter, std::uint8_t qos, Broker::OnMessage on_message, base::Time now) {
  hosts_.push_back(std::make_unique<HostSubscriber>(std::move(on_message)));
  HostSubscriber& subscriber = *hosts_.back();
  subscriber.qos = qos;
  subscriptions_.subscribe(filter, &subscriber, {.qos = qos}, 0);
  retained_.tree().each(filter, [&](const Retained& retained) {
    const session::MessageRef& message = retained.message;
    if (message->expires() > now) queue_host(subscriber, message, std::min(qos, message->qos()), true);
  });
  if (!peers_) return;
  const auto place = static_cast<std::uint32_t>(hosts_.size() - 1);
  peers_->to_all(Note::host_wants, [&](NoteWriter note) { note.number(place).text(filter); });
}

void Router::queue_host(HostSubscriber& subscriber, const session::MessageRef& message, std::uint8_t qos, bool retain) {
  if (host_queue_.size() >= limits_.queued_messages) {
    ++budget_.dropped_full;
    deliveries_.hit(Bound::queue, "host");
    return;
  }
  if (host_queue_.empty()) deliveries_.host_pending();
  host_queue_.push({&subscriber, message, qos, retain});
}

bool Router::run_host() {
  for (std::size_t left = host_queue_.size(); left > 0 && !host_queue_.empty(); --left) {
    const HostDelivery delivery = host_queue_.pop();
    const session::Message& message = *delivery.message;
    ++counters_.host_delivered;
    delivery.subscriber->on_message({.topic = message.topic(),
                                     .payload = base::as_text(message.payload()),
                                     .qos = static_cast<Qos>(delivery.qos),
                                     .retain = delivery.retain});
  }
  return !host_queue_.empty();
}

}  // namespace shoal::broker
