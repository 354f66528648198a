#include "broker/shared_groups.hpp"

#include <algorithm>
#include <cassert>

#include "broker/peers.hpp"
#include "broker/receiver.hpp"
#include "broker/store_journal.hpp"
#include "mqtt/topic_name.hpp"

namespace shoal::broker {
namespace {

constexpr std::size_t kQueueKept = 64;

}  // namespace

bool SharedMember::waiting() const {
  return std::any_of(memberships_.begin(), memberships_.end(),
                     [](const auto& membership) { return !membership->group.queue.empty(); });
}

bool SharedMember::front(Item& item, session::Time now) {
  for (std::size_t asked = 0; asked < memberships_.size(); ++asked, ++turn_) {
    turn_ %= memberships_.size();
    const Membership& membership = *memberships_[turn_];
    SharedGroup& group = membership.group;
    while (!group.queue.empty() && group.queue.front().message->expires() <= now) {
      ++group.owner.budget_.expired;
      group.owner.pop(group);
    }
    if (group.queue.empty()) continue;
    const GroupWaiting& waiting = group.queue.front();
    const std::span<const std::uint32_t> ids(&membership.id, membership.id != 0 ? 1 : 0);
    item = {&waiting.message,
            {std::min(membership.options.qos, waiting.message->qos()),
             membership.options.retain_as_published && waiting.retain, ids, group.number}};
    return true;
  }
  return false;
}

void SharedMember::pop() {
  SharedGroup& group = memberships_[turn_++]->group;
  group.owner.pop(group);
}

SharedGroups::SharedGroups(session::QueueBudget& budget, topic::SubscriptionTree& tree, Deliveries& deliveries,
                           session::Publication& scratch, base::TextHash hash, Peers* peers)
    : budget_(budget), tree_(tree), deliveries_(deliveries), scratch_(scratch), peers_(peers), groups_(8, hash) {}

SharedGroups::~SharedGroups() {
  for (auto& [filter, group] : groups_) {
    while (!group->queue.empty()) remove_first(*group);
  }
}

Membership* SharedGroups::find(const ClientSession& session, std::string_view filter) const {
  if (!session.shared) return nullptr;
  for (const auto& membership : session.shared->memberships_) {
    if (membership->group.filter == filter) return membership.get();
  }
  return nullptr;
}

bool SharedGroups::subscribed(const ClientSession& session, std::string_view filter) const {
  return find(session, filter) != nullptr;
}

bool SharedGroups::subscribe(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options,
                             std::uint32_t id) {
  if (Membership* const known = find(session, filter)) {
    known->options = options;
    known->id = id;
    return false;
  }
  SharedGroup* const known_group = find_group(filter);
  SharedGroup& group = known_group ? *known_group : make(filter);
  if (!session.shared) {
    session.shared = std::make_unique<SharedMember>(session);
    session.protocol.set_shared(session.shared.get());
  }
  auto& mine = session.shared->memberships_;
  mine.push_back(std::make_unique<Membership>(Membership{group, *session.shared, options, id, group.members.size()}));
  group.members.push_back(mine.back().get());
  ++memberships_;
  if (session.client) place(*mine.back(), true);
  else tell_part(group);
  if (journal_ && group.stored) store_member(session);
  else if (journal_ && session.protocol.survives()) store(group);
  return true;
}

SharedGroup* SharedGroups::find_group(std::string_view filter) const {
  const auto found = groups_.find(filter);
  return found == groups_.end() ? nullptr : found->second.get();
}

SharedGroup& SharedGroups::make(std::string_view filter) {
  do ++last_number_;
  while (last_number_ == 0 || by_number_.contains(last_number_));
  return make(filter, last_number_);
}

SharedGroup& SharedGroups::make(std::string_view filter, std::uint32_t number) {
  const auto parts = mqtt::split_shared(filter);
  assert(parts);
  auto group = std::make_unique<SharedGroup>(*this, std::string(filter));
  group->owner_shard = peers_ ? peers_->owner(filter) : 0;
  group->is_part = peers_ && group->owner_shard != peers_->number();
  if (group->is_part) ++parts_;
  // Each member's own options decide; the group has to get the message as it is.
  if (!group->is_part) {
    group->handle = tree_.subscribe(parts->filter, group.get(), {.qos = 2, .retain_as_published = true}, 0);
  }
  group->number = number;
  by_number_.emplace(number, group.get());
  return *groups_.emplace(std::string(filter), std::move(group)).first->second;
}

SharedGroup* SharedGroups::find(std::uint32_t number) const {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : found->second;
}

// Its session is known to the store, also when it ends with its connection: so is what it does not acknowledge, which
// is for the other members then.
void SharedGroups::store_member(ClientSession& session) {
  if (!session.protocol.stored()) journal_->session(session);
}

// From now on it survives, with what waits already.
void SharedGroups::store(SharedGroup& group) {
  journal_->group(group);
  for (const Membership* const member : group.members) store_member(member->member.session());
  for (std::size_t i = 0; i < group.queue.size(); ++i) {
    GroupWaiting& waiting = group.queue.at(i);
    waiting.place = journal_->group_queued(group, waiting.sequence, waiting.message, waiting.retain);
  }
}

SharedGroup& SharedGroups::restore(std::string_view filter, std::uint32_t number) { return make(filter, number); }

void SharedGroups::restore_queued(SharedGroup& group, std::uint32_t sequence, session::MessageRef message, bool retain,
                                  session::Place place) {
  push(group, {std::move(message), sequence, place, retain}, false);
  group.next_sequence = sequence + 1;
}

void SharedGroups::drop_empty() {
  std::vector<SharedGroup*> empty;
  for (const auto& [filter, group] : groups_) {
    if (group->members.empty()) empty.push_back(group.get());
  }
  for (SharedGroup* group : empty) end(*group);
}

std::uint64_t SharedGroups::told_bytes(SharedGroup& group, session::Place place) const {
  constexpr std::uint64_t kEach = 64;
  std::uint64_t bytes = kEach + group.filter.size();
  for (std::size_t i = 0; i < group.queue.size(); ++i) {
    const GroupWaiting& waiting = group.queue.at(i);
    if (waiting.place == place) bytes += kEach;
  }
  return bytes;
}

void SharedGroups::tell_again(SharedGroup& group, session::Place place) {
  if (group.first == place) journal_->group(group);
  for (std::size_t i = 0; i < group.queue.size(); ++i) {
    GroupWaiting& waiting = group.queue.at(i);
    if (waiting.place != place) continue;
    waiting.place = journal_->group_queued(group, waiting.sequence, waiting.message, waiting.retain);
  }
}

bool SharedGroups::unsubscribe(ClientSession& session, std::string_view filter) {
  Membership* const membership = find(session, filter);
  if (!membership) return false;
  leave(*membership);
  auto& mine = session.shared->memberships_;
  std::erase_if(mine, [&](const auto& one) { return one.get() == membership; });
  if (mine.empty()) {
    session.protocol.set_shared(nullptr);
    session.shared.reset();
  }
  return true;
}

// Out of its group, which ends with its last member.
void SharedGroups::leave(Membership& membership) {
  SharedGroup& group = membership.group;
  place(membership, false);
  Membership* const last = group.members.back();
  std::swap(group.members[membership.place], group.members.back());
  last->place = membership.place;
  group.members.pop_back();
  --memberships_;
  tell_part(group);
  end_if_empty(group);
}

void SharedGroups::end_if_empty(SharedGroup& group) {
  if (group.members.empty() && group.parts.empty()) end(group);
}

void SharedGroups::end(SharedGroup& group) {
  while (!group.queue.empty()) discard(group);
  if (journal_ && group.stored) journal_->group_gone(group);
  if (!group.is_part) tree_.unsubscribe(group.handle);
  if (group.is_part) --parts_;
  std::erase(handing_, &group);
  std::erase(stuck_, &group);
  by_number_.erase(group.number);
  groups_.erase(groups_.find(group.filter));
}

// Moves a member over the border between connected ones and the others.
void SharedGroups::place(Membership& membership, bool connected) {
  SharedGroup& group = membership.group;
  if ((membership.place < group.connected) == connected) return;
  const std::size_t to = connected ? group.connected++ : --group.connected;
  group.share.set_connected(budget_, group.connected_anywhere() > 0);
  Membership* const other = group.members[to];
  std::swap(group.members[to], group.members[membership.place]);
  std::swap(other->place, membership.place);
  tell_part(group);
}

void SharedGroups::connected(ClientSession& session) {
  if (!session.shared) return;
  for (const auto& membership : session.shared->memberships_) place(*membership, true);
}

void SharedGroups::disconnected(ClientSession& session) {
  if (!session.shared) return;
  for (const auto& membership : session.shared->memberships_) place(*membership, false);
}

void SharedGroups::end(ClientSession& session, base::Time now) {
  const auto unfinished = session.protocol.outbound().unfinished();
  struct Gone {
    std::uint32_t number;
    unsigned owner;
    std::string filter;
  };
  std::vector<Gone> parts;  // of other shards' groups, of which there may be none here soon
  for (const auto& left : unfinished) {
    const auto found = by_number_.find(left.group);
    const bool part = found != by_number_.end() && found->second->is_part;
    if (part && (parts.empty() || parts.back().number != left.group))
      parts.push_back({left.group, found->second->owner_shard, found->second->filter});
  }
  if (session.shared) {
    for (const auto& membership : session.shared->memberships_) leave(*membership);
    session.protocol.set_shared(nullptr);
    session.shared.reset();
  }
  // Where nobody is left here it is for those elsewhere.
  const auto somebody_here = [&](std::uint32_t number) {
    const SharedGroup* const group = find(number);
    return group && (!group->is_part || group->connected > 0);
  };
  for (auto left = unfinished.rbegin(); left != unfinished.rend(); ++left) {
    const auto part = std::find_if(parts.begin(), parts.end(), [&](const Gone& p) { return p.number == left->group; });
    if (part == parts.end() || somebody_here(left->group)) continue;
    send_back(part->owner, part->filter, *left->message, left->retain);
  }
  std::vector<const session::Outbound::Unfinished*> waiting;
  for (const auto& left : unfinished) {
    const auto found = by_number_.find(left.group);
    if (found == by_number_.end() || !somebody_here(left.group)) continue;
    scratch_.start(left.message, now);
    if (!found->second->queue.empty() || !offer(*found->second, scratch_, left.retain)) waiting.push_back(&left);
  }
  scratch_.finish();
  // They are older than what waits already.
  for (auto left = waiting.rbegin(); left != waiting.rend(); ++left) {
    push(*by_number_.at((*left)->group), (*left)->message, (*left)->retain, true);
  }
}

// To one member that can take it now.
bool SharedGroups::offer(SharedGroup& group, session::Publication& publication, bool retain) {
  const std::size_t all = group.connected_anywhere();
  for (std::size_t asked = std::min(all, kAskedMax); asked > 0; --asked) {
    const std::size_t at = group.turn++ % all;
    if (at < group.connected ? offer_here(group, at, publication, retain)
                             : offer_part(group, part_at(group, at - group.connected), publication, retain)) {
      return true;
    }
  }
  // Who has room here fetches what waits; nobody fetches it from another shard.
  return std::any_of(group.parts.begin(), group.parts.end(), [&](SharedPart& part) {
    return part.connected > 0 && offer_part(group, part, publication, retain);
  });
}

bool SharedGroups::offer_here(SharedGroup& group, std::size_t at, session::Publication& publication, bool retain) {
  const Membership& membership = *group.members[at];
  ClientSession& session = membership.member.session();
  const std::uint8_t qos = std::min(membership.options.qos, publication.qos());  // MQTT-4.8.2-3
  if (!session.protocol.can_take(qos)) return false;
  const std::span<const std::uint32_t> ids(&membership.id, membership.id != 0 ? 1 : 0);
  const session::Copy copy{qos, membership.options.retain_as_published && retain, ids, group.number, group.stored};
  if (session.protocol.deliver(publication, copy) == session::Outcome::sent) deliveries_.wrote(*session.client);
  return true;
}

// What waits first, to whoever can take it: not all members are asked for every message.
void SharedGroups::hand_out(SharedGroup& group, base::Time now) {
  while (!group.queue.empty() && group.connected_anywhere() > 0) {
    scratch_.start(group.queue.front().message, now);
    if (!offer(group, scratch_, group.queue.front().retain)) break;
    pop(group);
  }
  scratch_.finish();
}

unsigned SharedGroups::deliver(SharedGroup& group, session::Publication& publication, bool retain) {
  if ((group.queue.empty() || publication.qos() == 0) && offer(group, publication, retain)) {
    handed(group);
    return 0;
  }
  const bool wanted =
      !group.parts.empty() || std::any_of(group.members.begin(), group.members.end(),
                                          [](const Membership* m) { return m->options.qos > 0; });
  if (publication.qos() == 0 || !wanted) {
    if (group.connected > 0) ++budget_.dropped_slow;
    handed(group);
    return 0;
  }
  const std::size_t size = publication.size();
  const auto dropped = [&] {
    ++budget_.dropped_full;
    deliveries_.hit(Bound::queue, group.filter);
  };
  const auto drop = [&] {
    pop(group);
    dropped();
  };
  if (group.share.make_room(budget_, size, drop)) {
    push(group, publication.message(), retain, false);
    if (group.is_part) is_stuck(group);
  } else {
    handed(group);
    dropped();
  }
  hand_out(group, publication.now());
  return group.connected_anywhere() == 0 ? 0 : group.share.percent(budget_);
}

void SharedGroups::push(SharedGroup& group, session::MessageRef message, bool retain, bool first) {
  const bool before_others = first && !group.queue.empty();
  GroupWaiting waiting{std::move(message), 0, 0, retain};
  waiting.sequence = before_others ? group.queue.front().sequence - 1 : group.next_sequence++;
  if (journal_ && group.stored) {
    waiting.place = journal_->group_queued(group, waiting.sequence, waiting.message, retain);
  }
  push(group, std::move(waiting), first);
}

void SharedGroups::push(SharedGroup& group, GroupWaiting waiting, bool first) {
  group.share.add(budget_, waiting.message->size(), sizeof(GroupWaiting));
  if (first) group.queue.push_front(std::move(waiting));
  else group.queue.push(std::move(waiting));
}

void SharedGroups::pop(SharedGroup& group) {
  if (journal_ && group.stored) journal_->group_unqueued(group, group.queue.front().sequence);
  discard(group);
}

void SharedGroups::discard(SharedGroup& group) {
  remove_first(group);
  handed(group);
}

void SharedGroups::remove_first(SharedGroup& group) {
  const GroupWaiting waiting = group.queue.pop();
  group.share.remove(budget_, waiting.message->size(), sizeof(GroupWaiting));
  if (group.queue.capacity() > kQueueKept) group.queue.shrink();
}

}  // namespace shoal::broker
