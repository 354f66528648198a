#include <algorithm>

#include "broker/incoming.hpp"
#include "broker/peers.hpp"
#include "broker/receiver.hpp"
#include "broker/shared_groups.hpp"

// Groups whose members are on several shards: what the owner gives to the others' parts, and what those tell it.

namespace shoal::broker {
namespace {

// For each connected member of a part: what is on its way to it, or waits there.
constexpr std::uint32_t kWaitingMax = 256;
// So long it keeps what its members cannot take while others could.
constexpr base::Duration kStuckFor = base::milliseconds(100);

Incoming incoming_of(const session::Publication& publication) {
  return {publication.topic(),  publication.payload(), publication.properties(), publication.qos(), false,
          publication.expires()};
}

}  // namespace

SharedPart* SharedGroups::part_of(SharedGroup& group, unsigned shard) const {
  const auto found =
      std::find_if(group.parts.begin(), group.parts.end(), [&](const SharedPart& part) { return part.shard == shard; });
  return found == group.parts.end() ? nullptr : &*found;
}

// That the `at`-th connected member elsewhere is in.
SharedPart& SharedGroups::part_at(SharedGroup& group, std::size_t at) {
  auto part = group.parts.begin();
  while (at >= part->connected) at -= (part++)->connected;
  return *part;
}

bool SharedGroups::offer_part(SharedGroup& group, SharedPart& part, session::Publication& publication, bool retain) {
  // Half of what its queue takes: some of it may come back and wait there again.
  const std::uint32_t most = std::min(kWaitingMax * part.connected, budget_.messages_max / 2);
  if (part.stuck || part.waiting >= most) return false;
  ++part.waiting;
  const Incoming incoming = incoming_of(publication);
  NoteWriter note = peers_->message_to(part.shard, Note::for_group, incoming.size());
  note.number(retain).text(group.filter);
  write(note, incoming);
  return true;
}

void SharedGroups::part_changed(unsigned shard, std::string_view filter, std::uint32_t members, std::uint32_t connected,
                                base::Time now) {
  SharedGroup* known = find_group(filter);
  if (!known && members == 0) return;
  SharedGroup& group = known ? *known : make(filter);
  SharedPart* part = part_of(group, shard);
  if (members == 0) {
    std::erase_if(group.parts, [&](const SharedPart& one) { return one.shard == shard; });
    group.share.set_connected(budget_, group.connected_anywhere() > 0);
    return end_if_empty(group);
  }
  if (!part) part = &group.parts.emplace_back(SharedPart{.shard = shard});
  part->members = members;
  part->connected = connected;
  if (connected == 0) part->stuck = part->recalled = false;
  group.share.set_connected(budget_, group.connected_anywhere() > 0);
  hand_out(group, now);
}

unsigned SharedGroups::deliver_from(unsigned shard, std::string_view filter, session::Publication& publication,
                                    bool retain) {
  SharedGroup* const group = find_group(filter);
  if (group && group->connected > 0) return deliver(*group, publication, retain);
  send_back(shard, filter, *publication.message(), retain);
  return 0;
}

void SharedGroups::has_room(unsigned shard, std::string_view filter, std::uint32_t count, bool stuck, base::Time now) {
  SharedGroup* const group = find_group(filter);
  SharedPart* const part = group ? part_of(*group, shard) : nullptr;
  if (!part) return;
  part->waiting -= std::min(part->waiting, count);
  if (stuck && !part->stuck) part->stuck_since = now;
  part->stuck = stuck && part->connected > 0;
  part->recalled = false;
  if (part->stuck) is_stuck(*group);
  hand_out(*group, now);
}

void SharedGroups::recalled(std::string_view filter) {
  if (SharedGroup* const group = find_group(filter); group && group->is_part) send_back(*group);
}

void SharedGroups::came_back(unsigned shard, std::string_view filter, session::Publication& publication, bool retain) {
  SharedGroup* const group = find_group(filter);
  if (!group) return;
  if (SharedPart* const part = part_of(*group, shard); part && part->waiting > 0) --part->waiting;
  if (publication.qos() == 0) {
    if (!offer(*group, publication, retain) && group->connected > 0) ++budget_.dropped_slow;
    return;
  }
  // It is older than what waits already. Others follow, the newest first: who has room gets them when all are there.
  push(*group, publication.message(), retain, true);
  is_stuck(*group);
}

// The owner hears of every change. When nobody of a part is connected, others may have what waits in it.
void SharedGroups::tell_part(SharedGroup& group) {
  if (!group.is_part) return;
  if (group.connected == 0) {
    send_back(group);
    group.stuck_told = false;
  }
  peers_->to(group.owner_shard, Note::group_part)
      .number(static_cast<std::uint32_t>(group.members.size()))
      .number(static_cast<std::uint32_t>(group.connected))
      .text(group.filter);
}

// The newest first: each comes before all that waits there.
void SharedGroups::send_back(SharedGroup& group) {
  for (std::size_t i = group.queue.size(); i-- > 0;) {
    const GroupWaiting& waiting = group.queue.at(i);
    send_back(group.owner_shard, group.filter, *waiting.message, waiting.retain);
  }
  while (!group.queue.empty()) remove_first(group);
}

void SharedGroups::send_back(unsigned owner, std::string_view filter, const session::Message& message, bool retain) {
  const Incoming incoming = broker::incoming_of(message);
  NoteWriter note = peers_->message_to(owner, Note::from_group, incoming.size());
  note.number(retain).text(filter);
  write(note, incoming);
}

void SharedGroups::handed(SharedGroup& group) {
  if (!group.is_part) return;
  if (group.handed++ != 0) return;
  handing_.push_back(&group);
  peers_->will_send();
}

void SharedGroups::is_stuck(SharedGroup& group) {
  if (std::exchange(group.stuck, true)) return;
  stuck_.push_back(&group);
  peers_->will_send();
}

// Not all are asked at a time, as with every message; others the next time.
bool SharedGroups::anybody_free(SharedGroup& group) const {
  for (std::size_t asked = std::min(group.connected, kAskedMax); asked > 0; --asked) {
    if (group.members[group.turn++ % group.connected]->member.session().protocol.can_take(1)) return true;
  }
  return false;
}

// Of a part: its owner hears when it begins and when it is over.
bool SharedGroups::still_stuck(SharedGroup& group) {
  group.stuck = group.connected > 0 && (!group.queue.empty() || !anybody_free(group));
  if (group.connected == 0 || group.stuck == group.stuck_told) return group.stuck;
  group.stuck_told = group.stuck;
  peers_->to(group.owner_shard, Note::group_room)
      .number(std::exchange(group.handed, 0))
      .number(group.stuck)
      .text(group.filter);
  return group.stuck;
}

// What waits in parts elsewhere, when somebody else has room and nothing waits here for the same. Who gets it may have
// had later messages already; so not because of clients that are merely busy.
base::Time SharedGroups::recall(SharedGroup& group, base::Time now) {
  base::Time next = base::kNever;
  if (!group.queue.empty()) return next;
  const bool room = anybody_free(group) || std::any_of(group.parts.begin(), group.parts.end(), [](const auto& part) {
                      return part.connected > 0 && !part.stuck;
                    });
  for (SharedPart& part : group.parts) {
    if (!part.stuck || part.waiting == 0 || part.recalled) continue;
    const base::Time due = part.stuck_since + kStuckFor;
    if (due > now) {
      next = std::min(next, due);
    } else if (room) {
      part.recalled = true;
      peers_->to(part.shard, Note::group_recall).text(group.filter);
    }
  }
  return next;
}

base::Time SharedGroups::tell_room(base::Time now) {
  base::Time next = base::kNever;
  std::erase_if(stuck_, [&](SharedGroup* group) {
    hand_out(*group, now);
    if (group->is_part) {
      const bool still = still_stuck(*group);
      // Nothing tells that one of those who were not asked has room.
      if (still && group->connected > kAskedMax) next = std::min(next, now + kStuckFor);
      return !still;
    }
    next = std::min(next, recall(*group, now));
    group->stuck = group->any_part_stuck();
    return !group->stuck;
  });
  for (SharedGroup* const group : handing_) {
    if (group->handed == 0) continue;
    peers_->to(group->owner_shard, Note::group_room)
        .number(std::exchange(group->handed, 0))
        .number(group->stuck_told)
        .text(group->filter);
  }
  handing_.clear();
  return next;
}

}  // namespace shoal::broker
