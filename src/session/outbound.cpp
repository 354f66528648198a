#include "session/outbound.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace shoal::session {
namespace {

constexpr std::size_t kSlotsMin = 8;
constexpr std::size_t kSlotsMax = 65'535;
constexpr std::size_t kQueueKept = 64;
constexpr std::uint64_t kSendWork = 2;  // units of `Work`
// What is read back at a time, and stays in memory until it is sent.
constexpr std::size_t kReadBackMax = 64;
constexpr std::size_t kReadBackBytesMax = 1024 * 1024;

// Wrap-around safe: what is in flight spans far less than half of the numbers.
bool before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

}  // namespace

Outbound::~Outbound() {
  detach();
  while (queued() != 0) pop();
}

Outbound::Queue& Outbound::queue() {
  if (!queue_) {
    queue_ = std::make_unique<Queue>();
    queue_->share.set_connected(*budget_, attached_);
  }
  used_ = true;
  return *queue_;
}

void Outbound::grow_slots(std::size_t least) {
  const std::size_t count = std::min(std::max({kSlotsMin, least, std::size_t{slot_count_} * 2}), kSlotsMax);
  auto grown = std::make_unique<Slot[]>(count);
  std::ranges::move(slots(), grown.get());
  slots_ = std::move(grown);
  slot_count_ = static_cast<std::uint16_t>(count);
}

void Outbound::rest() {
  if (std::exchange(used_, false)) return;
  if (queued() == 0) queue_.reset();
  if (inflight_ > 0) return;
  resend_.reset();  // all of it was answered before it was its turn
  slots_.reset();
  slot_count_ = 0;
  cursor_ = 0;
}

bool Outbound::window_open(const Link& link) const {
  return outstanding_ < link.receive_maximum && inflight_ < budget_->inflight_max;
}

Outcome Outbound::deliver(Publication& publication, const Copy& copy, Link* link, bool keep) {
  if (copy.qos == 0) {
    if (!link) return Outcome::dropped;  // QoS 0 is not kept for absent clients (3.1.2.4)
    if (retained_waiting() && !budget_->exhausted) return enqueue(publication, copy, true, keep);
    if (retained_waiting() || !link->has_room() || (budget_->exhausted && !link->out.empty())) {
      ++budget_->dropped_slow;
      return Outcome::dropped;
    }
    return write(publication, copy, *link, keep);
  }
  if (link && !has_backlog() && link->has_room() && window_open(*link)) return write(publication, copy, *link, keep);
  return enqueue(publication, copy, link != nullptr, keep);
}

Outcome Outbound::write(Publication& publication, const Copy& copy, Link& link, bool keep, const Queued* waited) {
  // Also when the session ends with its connection: another member gets it then (4.8.2).
  const bool goes_on = copy.group_survives && copy.qos == 1;
  Journal* const journal = keep || goes_on ? this->journal() : nullptr;
  const bool told = waited && waited->stored && this->journal();
  const std::uint16_t id = copy.qos == 0 ? std::uint16_t{0} : acquire();
  const std::size_t before = link.size();
  // At QoS 2 the client remembers the identifier, so it must not be forgotten here.
  const std::uint64_t batch = journal && copy.qos == 2 ? journal->pending(journal->under_way()) : 0;
  const Written result = publication.write(link, copy, id, false, batch);
  if (result != Written::yes) {
    ++(result == Written::expired ? budget_->expired : budget_->dropped_size);
    if (id != 0) release(slots_[id - 1]);
    if (told) this->journal()->unqueued(*stored_, waited->sequence);
    if (waited && timed_.is(Timed::Where::queue, waited->sequence)) timed_ = {};
    return Outcome::dropped;
  }
  if (waited || (id != 0 && timed_.where == Timed::Where::nowhere)) time_written(id, waited, publication.now());
  const std::size_t written = link.size() - before;
  ++budget_->delivered;
  budget_->delivered_bytes += written;
  budget_->work.add(kSendWork);
  budget_->work.add_bytes(written);
  if (id != 0) {
    Slot& slot = slots_[id - 1];
    if (keep || (copy.group != 0 && copy.qos == 1)) {
      slot.message = publication.message();
      slot.copy = KeptCopy(copy);
    } else {
      slot.copy = KeptCopy({copy.qos, copy.retain, {}});
    }
    if (told && journal) {
      journal->sent(*stored_, waited->sequence, id, slot.order);
      slot.place = waited->place;
      slot.stored = true;
    } else if (told) {
      this->journal()->unqueued(*stored_, waited->sequence);  // the session ends with this connection
    } else if (journal) {
      slot.place = journal->in_flight(*stored_, id, slot.order, slot.message, copy);
      slot.stored = true;
    }
  }
  return Outcome::sent;
}

// What waited counts for all that left the queue since the last one that was timed: like it, they waited for a client
// that was there. Others of the queue are not timed in flight, or none would be timed in the queue: the next one comes
// in while some are in flight.
void Outbound::time_written(std::uint16_t id, const Queued* waited, Time now) {
  bool in_flight = id != 0 && timed_.where == Timed::Where::nowhere;
  if (waited) {
    ++budget_->delivered_late;
    in_flight = in_flight && left_queue_ < 0;
    ++left_queue_;
    if (timed_.is(Timed::Where::queue, waited->sequence)) {
      budget_->queued_latency.observe(now - timed_.since, static_cast<std::uint64_t>(std::max(left_queue_, 1)));
      left_queue_ = 0;
      timed_ = {};
      in_flight = id != 0;
    }
  }
  if (in_flight) timed_ = {now, id, Timed::Where::flight};
}

Outcome Outbound::enqueue(Publication& publication, const Copy& copy, bool online, bool keep) {
  KeptCopy kept(copy);
  const std::size_t size = publication.size() + kept.bytes();
  if (!queue().share.make_room(*budget_, size, [&] { discard(budget_->dropped_full); })) {
    ++budget_->dropped_full;
    const bool disconnect = online && budget_->when_full == QueueFull::disconnect;
    return disconnect ? Outcome::disconnect : Outcome::dropped;
  }
  Queued item{publication.message(), std::move(kept), next_sequence_++};
  if (Journal* const journal = keep && copy.qos != 0 ? this->journal() : nullptr) {
    item.place = journal->queued(*stored_, item.sequence, item.message, copy);
    item.stored = true;
  }
  if (online && timed_.where == Timed::Where::nowhere) {
    timed_ = {publication.now(), item.sequence, Timed::Where::queue};
  }
  push(std::move(item));
  return Outcome::queued;
}

void Outbound::push(Queued item) {
  Queue& queue = this->queue();
  queue.share.add(*budget_, item.bytes(), item.entry_bytes());
  item.message->enter_queue();
  queue.items.push(std::move(item));
}

Outbound::Queued Outbound::pop() {
  Queued item = queue_->items.pop();
  queue_->share.remove(*budget_, item.bytes(), item.entry_bytes());
  if (!item.pinned) item.message->leave_queue();
  return item;
}

// The front is not sent.
void Outbound::discard(std::uint64_t& counter) {
  const Queued item = pop();
  if (item.stored && journal()) journal()->unqueued(*stored_, item.sequence);
  if (timed_.is(Timed::Where::queue, item.sequence)) timed_ = {};
  if (left_queue_ < 0) ++left_queue_;
  ++counter;
}

std::uint16_t Outbound::acquire() {
  // Some more than are in use: an identifier does not come again at once, so that an acknowledgement sent
  // twice does not meet another message.
  if (inflight_ + inflight_ / 8u + 1 >= slot_count_ && slot_count_ < kSlotsMax) grow_slots(0);
  assert(inflight_ < slot_count_);
  used_ = true;
  while (slots_[cursor_].state != State::free) cursor_ = static_cast<std::uint16_t>((cursor_ + 1u) % slot_count_);
  Slot& slot = slots_[cursor_];
  const auto id = static_cast<std::uint16_t>(cursor_ + 1);
  cursor_ = static_cast<std::uint16_t>((cursor_ + 1u) % slot_count_);
  slot.order = next_order_++;
  slot.state = State::published;
  slot.sent = true;
  ++inflight_;
  ++outstanding_;
  return id;
}

// The flow has ended.
void Outbound::finish(Slot& slot) {
  if (slot.stored && journal()) journal()->finished(*stored_, id_of(slot));
  release(slot);
}

// The client has the message; what is left is to free its identifier.
void Outbound::receive(Slot& slot) {
  if (slot.stored && slot.state != State::released && journal()) journal()->received(*stored_, id_of(slot));
  slot.state = State::released;
  slot.message = {};
}

void Outbound::release(Slot& slot) {
  if (slot.sent) --outstanding_;
  --inflight_;
  if (timed_.is(Timed::Where::flight, id_of(slot))) timed_ = {};
  slot = Slot{};
}

Outbound::Acknowledged Outbound::acknowledge(mqtt::PacketType type, std::uint16_t id, mqtt::ReasonCode code, Time now) {
  using mqtt::PacketType;
  using mqtt::ReasonCode;
  Slot* const slot = id != 0 && id <= slot_count_ ? &slots_[id - 1] : nullptr;
  // Also one that still waits to be sent again: the client may answer what the last connection brought.
  const bool in_use = slot && slot->state != State::free;
  const auto end_flow = [&] {
    if (timed_.is(Timed::Where::flight, id)) budget_->ack_latency.observe(now - timed_.since);
    finish(*slot);
  };
  switch (type) {
    case PacketType::puback:
      if (!in_use) return {};
      if (slot->copy.qos() != 1) return {.wrong = true};
      end_flow();
      return {.known = true};
    case PacketType::pubrec:
      if (in_use && slot->copy.qos() != 2) return {.wrong = true};
      if (!in_use) {
        // The peer must end a flow we know nothing of (4.3.3); in 5.0 it learns that here.
        return {.known = false, .answer = !is_error(code), .answer_code = ReasonCode::packet_identifier_not_found};
      }
      if (is_error(code)) {
        finish(*slot);
        return {.known = true};
      }
      receive(*slot);
      if (!slot->sent) ++outstanding_;
      slot->sent = true;
      return {.known = true, .answer = true};
    case PacketType::pubcomp:
      if (!in_use) return {};
      if (slot->state != State::released) return {.wrong = true};
      end_flow();
      return {.known = true};
    default: assert(false && "not an acknowledgement of a PUBLISH"); return {};
  }
}

void Outbound::detach() {
  attached_ = false;
  for (Slot& slot : slots()) slot.sent = false;
  outstanding_ = 0;
  timed_ = {};
  resend_.reset();
  if (queue_) {
    queue_->share.set_connected(*budget_, false);
    // Nobody takes what was read back; it may leave memory again.
    base::Ring<Queued>& items = queue_->items;
    for (std::size_t i = 0; i < items.size() && items.at(i).pinned; ++i) {
      items.at(i).pinned = false;
      items.at(i).message->enter_queue();
    }
  }
  used_ = false;
  rest();
}

void Outbound::attach() {
  attached_ = true;
  if (queue_) queue_->share.set_connected(*budget_, true);
  left_queue_ = -static_cast<std::int32_t>(queued());
  if (inflight_ == 0) return;
  resend_ = std::make_unique<Resend>();
  for (std::uint16_t i = 0; i < slot_count_; ++i) {
    if (slots_[i].state != State::free) resend_->places.push_back(i);
  }
  std::ranges::sort(resend_->places,
                    [&](std::uint16_t a, std::uint16_t b) { return before(slots_[a].order, slots_[b].order); });
}

void Outbound::restore_in_flight(std::uint16_t id, std::uint32_t order, MessageRef message, KeptCopy copy,
                                 Place place) {
  if (id > slot_count_) grow_slots(id);
  Slot& slot = slots_[id - 1];
  assert(slot.state == State::free);
  ++inflight_;
  slot.state = message ? State::published : State::released;
  slot.message = std::move(message);
  slot.copy = std::move(copy);
  slot.order = order;
  slot.place = place;
  slot.stored = true;
  next_order_ = order + 1;
  cursor_ = static_cast<std::uint16_t>(id % slot_count_);
}

void Outbound::restore_queued(std::uint32_t sequence, MessageRef message, KeptCopy copy, Place place) {
  push({std::move(message), std::move(copy), sequence, place, true});
  next_sequence_ = sequence + 1;
}

// The first in the queue that is not before `sequence`.
std::size_t Outbound::queue_place(std::uint32_t sequence) {
  std::size_t low = 0;
  for (std::size_t high = queued(); low < high;) {
    const std::size_t middle = low + (high - low) / 2;
    if (before(queue_->items.at(middle).sequence, sequence)) low = middle + 1;
    else high = middle;
  }
  return low;
}

std::uint64_t Outbound::told_bytes(Place place) {
  constexpr std::uint64_t kEach = 64;
  std::uint64_t bytes = 0;
  const auto add = [&](const auto& one) {
    if (one.stored && one.place == place) bytes += kEach;
  };
  for (const Slot& slot : slots()) add(slot);
  for (std::size_t i = 0; i < queued(); ++i) add(queue_->items.at(i));
  return bytes;
}

bool Outbound::tell_again(Place place, Cursor& cursor, std::size_t most) {
  Journal& journal = *budget_->journal;
  std::uint32_t single = 0;
  for (std::size_t i = cursor.begun_ ? queue_place(cursor.sequence_) : 0; i < queued(); ++i, --most) {
    Queued& item = queue_->items.at(i);
    cursor.begun_ = true;
    cursor.sequence_ = item.sequence;
    if (most == 0) return true;
    ++cursor.sequence_;
    if (!item.stored || item.place != place) continue;
    item.place = journal.queued(*stored_, item.sequence, item.message, item.copy.copy(single));
  }
  for (; cursor.slot_ < slot_count_; ++cursor.slot_, --most) {
    if (most == 0) return true;
    Slot& slot = slots_[cursor.slot_];
    if (!slot.stored || slot.place != place) continue;
    slot.place = journal.in_flight(*stored_, id_of(slot), slot.order, slot.message, slot.copy.copy(single));
  }
  return false;
}

std::vector<Outbound::Unfinished> Outbound::unfinished() const {
  std::vector<const Slot*> found;
  for (const Slot& slot : slots()) {
    if (slot.state == State::published && slot.copy.qos() == 1 && slot.copy.group() != 0) found.push_back(&slot);
  }
  std::sort(found.begin(), found.end(), [](const Slot* a, const Slot* b) { return before(a->order, b->order); });
  std::vector<Unfinished> result;
  for (const Slot* slot : found) result.push_back({slot->message, slot->copy.group(), slot->copy.retain()});
  return result;
}

bool Outbound::resend(Publication& scratch, Link& link, Time now) {
  bool wrote = false;
  const std::vector<std::uint16_t>& places = resend_->places;
  while (resend_->next < places.size() && link.has_room() && outstanding_ < link.receive_maximum) {
    const std::uint16_t index = places[resend_->next++];
    Slot& slot = slots_[index];
    if (slot.state == State::free || slot.sent) continue;  // answered meanwhile
    const auto id = static_cast<std::uint16_t>(index + 1);
    slot.sent = true;
    ++outstanding_;
    std::uint32_t single = 0;
    if (slot.state == State::published) {
      scratch.start(slot.message, now);
      if (scratch.write(link, slot.copy.copy(single), id, true, pending()) == Written::yes) {
        ++budget_->delivered;
        ++budget_->delivered_late;
        wrote = true;
        continue;
      }
      // This connection's client takes less: as if it had the message (MQTT-3.1.2-25). At QoS 2 it may
      // have it, and remember the identifier: only PUBREL frees that for another message.
      ++budget_->dropped_size;
      if (slot.copy.qos() == 1) {
        finish(slot);
        continue;
      }
      receive(slot);
    }
    base::ByteQueue& queue = link.queue(pending());
    queue.commit(mqtt::encode_ack(queue.reserve(mqtt::kAckSizeMax), mqtt::PacketType::pubrel, id,
                                  mqtt::ReasonCode::success, link.version));
    ++budget_->acks;
    wrote = true;
  }
  if (resend_->next == places.size()) resend_.reset();
  return wrote;
}

bool Outbound::pull(Source& source, Publication& scratch, Link& link, bool keep, Time now) {
  bool wrote = false;
  for (Source::Item item; link.has_room() && source.front(item, now);) {
    if (item.copy.qos != 0 && !window_open(link)) break;
    scratch.start(*item.message, now);
    source.pop();
    if (write(scratch, item.copy, link, keep) != Outcome::sent) continue;
    ++budget_->delivered_late;
    wrote = true;
  }
  return wrote;
}

bool Outbound::pump(Publication& scratch, Link& link, bool keep, Time now) {
  bool wrote = resend_ && resend(scratch, link, now);
  starved_ = false;
  if (!resend_ && retained_waiting()) wrote |= pull(*retained_, scratch, link, keep, now);
  while (!resend_ && !retained_waiting() && queued() != 0 && link.has_room()) {
    const Queued& front = queue_->items.front();
    const Message& first = *front.message;
    // What nobody gets is not read.
    if (first.absent() && (first.lost() || first.expires() <= now)) {
      discard(first.lost() ? budget_->lost : budget_->expired);
      budget_->work.add(kSendWork);
      continue;
    }
    if (front.copy.qos() != 0 && !window_open(link)) break;
    if ((starved_ = first.absent())) break;
    const Queued item = pop();
    std::uint32_t single = 0;
    scratch.start(item.message, now);
    if (write(scratch, item.copy.copy(single), link, keep, &item) == Outcome::sent) wrote = true;
  }
  if (!has_backlog() && shared_waiting()) wrote |= pull(*shared_, scratch, link, keep, now);
  scratch.finish();
  // A small one stays: it may be needed for every other message.
  if (queue_ && queue_->items.empty() && queue_->items.capacity() > kQueueKept) queue_.reset();
  return wrote;
}

void Outbound::read_back(std::string_view client_id) {
  if (!queue_ || queue_->reading != 0 || !budget_->journal) return;
  std::vector<MessageRef> messages;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < std::min(queued(), kReadBackMax); ++i) {
    Queued& item = queue_->items.at(i);
    bytes += item.message->size();
    if (i > 0 && bytes > kReadBackBytesMax) break;
    if (!std::exchange(item.pinned, true)) item.message->leave_queue();
    const bool asked = !messages.empty() && messages.back().get() == item.message.get();
    if (item.message->absent() && !item.message->lost() && !asked) messages.push_back(item.message);
  }
  if (!messages.empty()) queue_->reading = budget_->journal->read_back(client_id, std::move(messages));
}

bool Outbound::arrived(std::uint32_t request) {
  if (!queue_ || request != queue_->reading) return false;
  queue_->reading = 0;
  return true;
}

}  // namespace shoal::session
