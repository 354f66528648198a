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

Incoming incoming_of(const session::Publication& publication) {
  return {publication.topic(),     publication.payload(), publication.properties(), publication.qos(), false,
          publication.expires()};
}

}  // namespace

SharedPart* SharedGroups::part_of(SharedGroup& group, unsigned shard) const {
  const auto found = std::find_if(group.parts.begin(), group.parts.end(),
                                  [&](const SharedPart& part) { return part.shard == shard; });
  return found == group.parts.end() ? nullptr : &*found;
}

// To the part that the `at`-th connected member elsewhere is in.
bool SharedGroups::offer_part(SharedGroup& group, std::size_t at, session::Publication& publication, bool retain) {
  auto part = group.parts.begin();
  while (at >= part->connected) at -= (part++)->connected;
  if (part->waiting >= kWaitingMax * part->connected) return false;
  ++part->waiting;
  NoteWriter note = peers_->to(part->shard, Note::for_group);
  note.number(retain).text(group.filter);
  write(note, incoming_of(publication));
  return true;
}

void SharedGroups::part_changed(unsigned shard, std::string_view filter, std::uint32_t members,
                                std::uint32_t connected, base::Time now) {
  SharedGroup* known = find_group(filter);
  if (!known && members == 0) return;
  SharedGroup& group = known ? *known : make(filter);
  SharedPart* part = part_of(group, shard);
  if (members == 0) {
    std::erase_if(group.parts, [&](const SharedPart& one) { return one.shard == shard; });
    group.share.set_connected(budget_, group.connected + group.connected_elsewhere() > 0);
    return end_if_empty(group);
  }
  if (!part) part = &group.parts.emplace_back(SharedPart{.shard = shard});
  part->members = members;
  part->connected = connected;
  group.share.set_connected(budget_, group.connected + group.connected_elsewhere() > 0);
  hand_out(group, now);
}

unsigned SharedGroups::deliver_from(unsigned shard, std::string_view filter, session::Publication& publication,
                                    bool retain) {
  SharedGroup* const group = find_group(filter);
  if (group && group->connected > 0) return deliver(*group, publication, retain);
  send_back(shard, filter, *publication.message(), retain);
  return 0;
}

void SharedGroups::has_room(unsigned shard, std::string_view filter, std::uint32_t count, base::Time now) {
  SharedGroup* const group = find_group(filter);
  SharedPart* const part = group ? part_of(*group, shard) : nullptr;
  if (!part) return;
  part->waiting -= std::min(part->waiting, count);
  hand_out(*group, now);
}

void SharedGroups::came_back(unsigned shard, std::string_view filter, session::Publication& publication, bool retain) {
  SharedGroup* const group = find_group(filter);
  if (!group) return;
  if (SharedPart* const part = part_of(*group, shard); part && part->waiting > 0) --part->waiting;
  if (publication.qos() == 0) {
    if (!offer(*group, publication, retain) && group->connected > 0) ++budget_.dropped_slow;
    return;
  }
  // It is older than what waits already.
  if (!group->queue.empty() || !offer(*group, publication, retain)) push(*group, publication.message(), retain, true);
}

// The owner hears of every change. When nobody of a part is connected, others may have what waits in it.
void SharedGroups::tell_part(SharedGroup& group) {
  if (!group.is_part) return;
  if (group.connected == 0) send_back(group);
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
  const std::uint32_t handed = group.handed;
  while (!group.queue.empty()) discard(group);
  group.handed = handed;
}

void SharedGroups::send_back(unsigned owner, std::string_view filter, const session::Message& message, bool retain) {
  NoteWriter note = peers_->to(owner, Note::from_group);
  note.number(retain).text(filter);
  write(note, {message.topic(), message.payload(), message.properties(), message.qos(), false, message.expires()});
}

void SharedGroups::handed(SharedGroup& group) {
  if (!group.is_part) return;
  if (group.handed++ == 0) handing_.push_back(&group);
}

void SharedGroups::tell_room() {
  for (SharedGroup* const group : handing_) {
    if (group->handed == 0) continue;
    peers_->to(group->owner_shard, Note::group_room).number(std::exchange(group->handed, 0)).text(group->filter);
  }
  handing_.clear();
}

}  // namespace shoal::broker
