#include <algorithm>

#include "broker/router.hpp"

// Messages from and to the other shards of the instance.

namespace shoal::broker {

void Router::filter_added(std::string_view filter, topic::SubscriptionTree::Node node) {
  ++filter_changes_;
  peers_->to_all(Note::subscribed, [&](NoteWriter note) { note.text(filter).number(node); });
}

void Router::filter_removed(std::string_view filter) {
  ++filter_changes_;
  peers_->to_all(Note::unsubscribed, [&](NoteWriter note) { note.text(filter); });
}

void Router::subscribed_elsewhere(unsigned shard, std::string_view filter, topic::SubscriptionTree::Node node) {
  OtherShard& other = other_shards_[shard];
  ++other.filter_changes;
  if (node > topic::SubscriptionTree::kIdMax) other.tells_nodes = false;
  subscriptions_.subscribe(filter, &other, {.qos = 2}, other.tells_nodes ? node : 0);
  ++subscriptions_elsewhere_;
}

void Router::unsubscribed_elsewhere(unsigned shard, std::string_view filter) {
  OtherShard& other = other_shards_[shard];
  ++other.filter_changes;
  subscriptions_.unsubscribe(subscriptions_.find(filter, &other));
  --subscriptions_elsewhere_;
}

// To another shard that has somebody for it, with filters at these nodes there.
void Router::tell(const OtherShard& other, std::span<const std::uint32_t> nodes, const Incoming& incoming,
                  const Relay& relay) {
  if (!relay.on) return;
  NoteWriter note = peers_->message_to(other.number, Note::message, incoming.size());
  write(note, incoming);
  note.text(relay.from == other.number ? relay.publisher : std::string_view());
  if (!other.tells_nodes) nodes = {};
  write_filters_there(note, other.filter_changes, nodes);
  budget_.work.add(1);
  backlog_percent_ = std::max(backlog_percent_, peers_->backlog_percent(other.number, budget_, publication_.now()));
}

// What is retained goes to all from the one shard that keeps it, so that everybody sees the same order; and what
// follows it on the same topic behind it.
bool Router::goes_through(const Incoming& incoming) {
  if (!incoming.retain && !peers_->any_goes_through()) return false;
  const unsigned owner = peers_->owner(incoming.topic);
  return owner != peers_->number() && (incoming.retain || peers_->goes_through(owner));
}

bool Router::send_through(const Incoming& incoming, const ClientSession* publisher) {
  const unsigned owner = peers_->owner(incoming.topic);
  if (incoming.retain && !incoming.payload.empty()) peers_->set().note_retained();
  NoteWriter note = peers_->message_to(owner, Note::through, incoming.size());
  write(note, incoming);
  note.text(publisher ? std::string_view(publisher->protocol.client_id()) : std::string_view());
  peers_->gone_through(owner);
  budget_.work.add(1);
  backlog_percent_ = std::max(backlog_percent_, peers_->backlog_percent(owner, budget_, publication_.now()));
  publication_.finish();
  return !match(incoming.topic).list.empty();
}

void Router::message_from(const Incoming& incoming, const ClientSession* publisher, const FiltersThere& filters,
                          base::Time now) {
  backlog_percent_ = 0;
  budget_.exhausted = exhausted();
  start(incoming, now);
  const topic::Matches* matches = nullptr;
  if (filters.changes == filter_changes_) matches = subscriptions_.match_at({filters.nodes.data(), filters.count});
  if (matches) budget_.work.add(subscriptions_.match_work());
  else matches = &match(incoming.topic);
  route(*matches, incoming, publisher, {.on = false});
}

void Router::message_through(unsigned from, const Incoming& incoming, std::string_view publisher, base::Time now) {
  backlog_percent_ = 0;
  budget_.exhausted = exhausted();
  start(incoming, now);
  if (incoming.retain) {
    if (retain_fits(incoming, now)) retain(incoming, publisher.empty() ? 0 : hash_(publisher));
    else deliveries_.hit(Bound::retained, incoming.topic);
  }
  route(match(incoming.topic), incoming, nullptr, {.from = from, .publisher = publisher});
  peers_->pass(from);
}

// No more than its queue takes.
void Router::host_wants(unsigned from, std::uint32_t place, std::string_view filter, base::Time now) {
  std::uint32_t left = limits_.queued_messages;
  retained_.tree().each(filter, [&](const Retained& retained) {
    const session::Message& message = *retained.message;
    if (left == 0 || message.expires() <= now) return;
    --left;
    NoteWriter note = peers_->to(from, Note::for_host);
    note.number(place);
    write(note, incoming_of(message));
  });
}

void Router::for_host(std::uint32_t place, const Incoming& incoming, base::Time now) {
  start(incoming, now);
  queue_host(*hosts_[place], publication_.message(), std::min(hosts_[place]->qos, incoming.qos), true);
  publication_.finish();
}

void Router::for_group(unsigned from, std::string_view filter, const Incoming& incoming, bool retain, base::Time now) {
  budget_.exhausted = exhausted();
  start(incoming, now);
  backlog_percent_ = shared_.deliver_from(from, filter, publication_, retain);
  publication_.finish();
}

void Router::from_group(unsigned from, std::string_view filter, const Incoming& incoming, bool retain, base::Time now) {
  start(incoming, now);
  shared_.came_back(from, filter, publication_, retain);
  publication_.finish();
}

}  // namespace shoal::broker
