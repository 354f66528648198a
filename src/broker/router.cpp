#include "broker/router.hpp"

#include <algorithm>

namespace shoal::broker {

using mqtt::ReasonCode;
using session::Outcome;

Router::Router(const Limits& limits, session::QueueBudget& budget, Deliveries& deliveries, base::TextHash hash)
    : limits_(limits),
      budget_(budget),
      deliveries_(deliveries),
      subscriptions_(hash),
      retained_(hash),
      publication_(messages_),
      scratch_(messages_) {}

bool Router::topic_within_limits(std::string_view topic) const {
  return topic.size() <= limits_.topic_bytes && mqtt::level_count(topic) <= limits_.topic_levels;
}

bool Router::exhausted() const {
  const std::size_t in_tree = session::MessagePool::cost(0) * retained_.size() + retained_bytes_;
  return messages_.bytes_now() - in_tree + budget_.entry_bytes_now > limits_.queued_bytes_total;
}

ReasonCode Router::publish(const Incoming& incoming, const Receiver* publisher, base::Time now) {
  backlog_percent_ = 0;
  fan_out_ = 0;
  if (!topic_within_limits(incoming.topic)) {
    ++counters_.refused;
    ++counters_.limit_hits;
    return ReasonCode::topic_name_invalid;
  }
  budget_.exhausted = exhausted();
  if (incoming.qos > 0 && budget_.exhausted) {
    ++counters_.refused;
    ++counters_.limit_hits;
    return ReasonCode::quota_exceeded;
  }
  publication_.start(incoming.topic, incoming.payload, incoming.properties, incoming.qos, incoming.expires, now);
  if (incoming.retain && !retain(incoming)) {
    ++counters_.refused;
    ++counters_.limit_hits;
    return ReasonCode::quota_exceeded;
  }
  ++counters_.received;
  const topic::Matches& matches = subscriptions_.match(incoming.topic);
  const bool anybody = !matches.list.empty();
  const std::size_t fan_out = matches.list.size();
  bool own = false;
  for (const topic::Match& match : matches.list) {
    if (match.no_local && match.subscriber == publisher) {
      own = true;
      continue;
    }
    deliver(match, {matches.ids.data() + match.first_id, match.id_count}, incoming.retain);
  }
  if (own) {
    subscriptions_.match_own(incoming.topic, const_cast<Receiver*>(publisher), own_);
    for (const topic::Match& match : own_.list) deliver(match, own_.ids, incoming.retain);
  }
  publication_.finish();
  const unsigned backlog_percent = backlog_percent_;
  end_overflowed();
  backlog_percent_ = backlog_percent;
  fan_out_ = fan_out;
  return anybody ? ReasonCode::success : ReasonCode::no_matching_subscribers;
}

// Not while matches are walked: ending a client changes the subscriptions. Its will may overflow the next
// one's queue, so a `publish` inside of this leaves them to the outer one.
void Router::end_overflowed() {
  if (overflowed_.empty() || std::exchange(ending_overflowed_, true)) return;
  while (!overflowed_.empty()) {
    Client* const client = overflowed_.back();
    overflowed_.pop_back();
    deliveries_.overflowed(*client);
  }
  ending_overflowed_ = false;
}

void Router::deliver(const topic::Match& match, std::span<const std::uint32_t> ids, bool retain) {
  auto& receiver = static_cast<Receiver&>(*match.subscriber);
  const std::uint8_t qos = std::min(match.qos, publication_.qos());  // MQTT-3.8.4-8
  if (receiver.kind == Receiver::Kind::host) {
    queue_host(static_cast<HostSubscriber&>(receiver), publication_.message(), qos, false);
    const std::size_t percent = 100 * host_queue_.size() / std::max(limits_.queued_messages, 1u);
    backlog_percent_ = std::max(backlog_percent_, static_cast<unsigned>(std::min<std::size_t>(percent, 100)));
    return;
  }
  auto& session = static_cast<ClientSession&>(receiver);
  const session::Copy copy{qos, match.retain_as_published && retain, ids};  // MQTT-3.3.1-12, MQTT-3.3.1-13
  switch (session.protocol.deliver(publication_, copy)) {
    case Outcome::sent: deliveries_.wrote(*session.client); break;
    case Outcome::queued:
      if (session.client) backlog_percent_ = std::max(backlog_percent_, session.protocol.outbound().fill_percent());
      break;
    case Outcome::dropped: break;
    case Outcome::disconnect:
      if (std::find(overflowed_.begin(), overflowed_.end(), session.client) == overflowed_.end()) {
        overflowed_.push_back(session.client);
      }
      break;
  }
}

// False when a limit does not allow it.
bool Router::retain(const Incoming& incoming) {
  if (incoming.payload.empty()) {  // MQTT-3.3.1-6, MQTT-3.3.1-7
    if (const auto old = retained_.set(incoming.topic, {})) retained_bytes_ -= old->size();
    return true;
  }
  const std::size_t size = incoming.topic.size() + incoming.payload.size() + incoming.properties.size();
  const auto fits = [&] {
    const session::MessageRef old = retained_.find(incoming.topic);
    return (old || retained_.size() < limits_.retained_messages) &&
           retained_bytes_ - (old ? old->size() : 0) + size <= limits_.retained_bytes;
  };
  if (!fits()) {
    drop_expired_retained(publication_.now());
    if (!fits()) return false;
  }
  const auto old = retained_.set(incoming.topic, publication_.message());  // MQTT-3.3.1-5
  retained_bytes_ = retained_bytes_ - (old ? old->size() : 0) + size;
  retained_expire_from_ = std::min(retained_expire_from_, incoming.expires);
  return true;
}

// Nobody gets them any more; they go when somebody needs their room.
void Router::drop_expired_retained(base::Time now) {
  if (retained_expire_from_ > now) return;
  retained_expire_from_ = base::kNever;
  std::vector<session::MessageRef> expired;
  retained_.each([&](const session::MessageRef& message) {
    if (message->expires() <= now) expired.push_back(message);
    else retained_expire_from_ = std::min(retained_expire_from_, message->expires());
  });
  for (const session::MessageRef& message : expired) {
    retained_.set(message->topic(), {});
    retained_bytes_ -= message->size();
  }
}

Router::Handles::const_iterator Router::place(const Handles& handles, topic::SubscriptionTree::Node node) const {
  return std::lower_bound(handles.begin(), handles.end(), node,
                          [&](auto handle, auto wanted) { return subscriptions_.node(handle) < wanted; });
}

bool Router::subscribe(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options,
                       std::uint32_t id) {
  const auto node = subscriptions_.find(filter);
  const auto found = place(session.subscriptions, node);
  if (found != session.subscriptions.end() && subscriptions_.node(*found) == node) {
    subscriptions_.update(*found, options, id);
    return false;
  }
  const auto handle = subscriptions_.subscribe(filter, &session, options, id);
  session.subscriptions.insert(place(session.subscriptions, subscriptions_.node(handle)), handle);
  return true;
}

bool Router::subscribed(const ClientSession& session, std::string_view filter) const {
  const auto node = subscriptions_.find(filter);
  const auto found = place(session.subscriptions, node);
  return found != session.subscriptions.end() && subscriptions_.node(*found) == node;
}

bool Router::unsubscribe(ClientSession& session, std::string_view filter) {
  const auto node = subscriptions_.find(filter);
  const auto found = place(session.subscriptions, node);
  if (found == session.subscriptions.end() || subscriptions_.node(*found) != node) return false;
  subscriptions_.unsubscribe(*found);
  session.subscriptions.erase(found);
  return true;
}

void Router::unsubscribe_all(ClientSession& session) {
  for (const auto handle : session.subscriptions) subscriptions_.unsubscribe(handle);
  session.subscriptions.clear();
}

std::size_t Router::queue_retained(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options,
                                   std::uint32_t id, base::Time now) {
  return retained_.each(filter, [&](const session::MessageRef& message) {
    if (message->expires() <= now) return;
    const std::span<const std::uint32_t> ids(&id, id != 0 ? 1 : 0);
    session.protocol.queue_retained(message, {std::min(options.qos, message->qos()), true, ids});
  });
}

void Router::subscribe_host(std::string_view filter, std::uint8_t qos, Broker::OnMessage on_message, base::Time now) {
  hosts_.push_back(std::make_unique<HostSubscriber>(std::move(on_message)));
  HostSubscriber& subscriber = *hosts_.back();
  subscriptions_.subscribe(filter, &subscriber, {.qos = qos}, 0);
  retained_.each(filter, [&](const session::MessageRef& message) {
    if (message->expires() > now) queue_host(subscriber, message, std::min(qos, message->qos()), true);
  });
}

void Router::queue_host(HostSubscriber& subscriber, const session::MessageRef& message, std::uint8_t qos, bool retain) {
  if (host_queue_.size() >= limits_.queued_messages) {
    ++budget_.dropped_full;
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
