#include "session/outbound.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace shoal::session {
namespace {

constexpr std::size_t kSlotsMin = 8;
constexpr std::size_t kSlotsMax = 65'535;
constexpr std::size_t kQueueKept = 64;

}  // namespace

Outbound::~Outbound() {
  while (!queue_.empty()) pop();
}

bool Outbound::window_open(const Link& link) const {
  return outstanding_ < link.receive_maximum && inflight_ < budget_->inflight_max;
}

Outcome Outbound::deliver(Publication& publication, const Copy& copy, Link* link, bool keep) {
  if (copy.qos == 0) {
    if (!link) return Outcome::dropped;  // QoS 0 is not kept for absent clients (3.1.2.4)
    if (retained_queued_ > 0 && !budget_->exhausted) return enqueue(publication, copy, true);
    if (retained_queued_ > 0 || !link->has_room()) {
      ++budget_->dropped_slow;
      return Outcome::dropped;
    }
    return write(publication, copy, *link, keep);
  }
  if (link && !has_backlog() && link->has_room() && window_open(*link)) return write(publication, copy, *link, keep);
  return enqueue(publication, copy, link != nullptr);
}

Outcome Outbound::write(Publication& publication, const Copy& copy, Link& link, bool keep) {
  const std::uint16_t id = copy.qos == 0 ? std::uint16_t{0} : acquire();
  switch (publication.write(link, copy, id)) {
    case Written::yes: break;
    case Written::too_large:
      ++budget_->dropped_size;
      if (id != 0) release(slots_[id - 1]);
      return Outcome::dropped;
    case Written::expired:
      ++budget_->expired;
      if (id != 0) release(slots_[id - 1]);
      return Outcome::dropped;
  }
  ++budget_->delivered;
  if (id != 0) {
    Slot& slot = slots_[id - 1];
    slot.qos = copy.qos;
    slot.retain = copy.retain;
    if (keep) {
      slot.message = publication.message();
      slot.ids = IdList(copy.ids);
    }
  }
  return Outcome::sent;
}

Outcome Outbound::enqueue(Publication& publication, const Copy& copy, bool online) {
  const std::size_t size = publication.topic().size() + publication.payload().size() + copy.ids.size_bytes();
  const auto full = [&] {
    return queue_.size() - retained_queued_ >= budget_->messages_max || queued_bytes_ + size > budget_->bytes_max;
  };
  if (full() && budget_->when_full == QueueFull::drop_old && size <= budget_->bytes_max && retained_queued_ == 0) {
    while (!queue_.empty() && full()) {
      pop();
      ++budget_->dropped_full;
    }
  }
  if (full()) {
    ++budget_->dropped_full;
    const bool disconnect = online && budget_->when_full == QueueFull::disconnect;
    return disconnect ? Outcome::disconnect : Outcome::dropped;
  }
  push({publication.message(), IdList(copy.ids), copy.qos, copy.retain, false});
  return Outcome::queued;
}

void Outbound::queue_retained(const MessageRef& message, const Copy& copy) {
  push({message, IdList(copy.ids), copy.qos, copy.retain, true});
}

void Outbound::push(Queued item) {
  budget_->entry_bytes_now += item.entry_bytes();
  if (item.retained) {
    // Kept by the retained tree anyway: it does not count against the queue's limits.
    ++retained_queued_;
  } else {
    queued_bytes_ += item.bytes();
    ++budget_->messages_now;
    budget_->bytes_now += item.bytes();
  }
  queue_.push(std::move(item));
}

Outbound::Queued Outbound::pop() {
  Queued item = queue_.pop();
  budget_->entry_bytes_now -= item.entry_bytes();
  if (item.retained) {
    --retained_queued_;
  } else {
    queued_bytes_ -= item.bytes();
    --budget_->messages_now;
    budget_->bytes_now -= item.bytes();
  }
  return item;
}

std::uint16_t Outbound::acquire() {
  if (inflight_ == slots_.size()) {
    cursor_ = static_cast<std::uint16_t>(slots_.size());
    slots_.resize(std::min(std::max(kSlotsMin, slots_.size() * 2), kSlotsMax));
  }
  assert(inflight_ < slots_.size());
  while (slots_[cursor_].state != State::free) cursor_ = static_cast<std::uint16_t>((cursor_ + 1) % slots_.size());
  Slot& slot = slots_[cursor_];
  const auto id = static_cast<std::uint16_t>(cursor_ + 1);
  cursor_ = static_cast<std::uint16_t>((cursor_ + 1) % slots_.size());
  slot.order = next_order_++;
  slot.state = State::published;
  slot.sent = true;
  ++inflight_;
  ++outstanding_;
  return id;
}

void Outbound::release(Slot& slot) {
  if (slot.sent) --outstanding_;
  --inflight_;
  slot = Slot{};
}

Outbound::Acknowledged Outbound::acknowledge(mqtt::PacketType type, std::uint16_t id, mqtt::ReasonCode code) {
  using mqtt::PacketType;
  using mqtt::ReasonCode;
  Slot* const slot = id != 0 && id <= slots_.size() ? &slots_[id - 1] : nullptr;
  // Also one that still waits to be sent again: the client may answer what the last connection brought.
  const bool in_use = slot && slot->state != State::free;
  switch (type) {
    case PacketType::puback:
      if (!in_use || slot->qos != 1) return {};
      release(*slot);
      return {.known = true};
    case PacketType::pubrec:
      if (!in_use || slot->qos != 2) {
        // The peer must end a flow we know nothing of (4.3.3); in 5.0 it learns that here.
        return {.known = false, .answer = !is_error(code), .answer_code = ReasonCode::packet_identifier_not_found};
      }
      if (is_error(code)) {
        release(*slot);
        return {.known = true};
      }
      slot->state = State::released;
      slot->message = {};
      if (!std::exchange(slot->sent, true)) ++outstanding_;
      return {.known = true, .answer = true};
    case PacketType::pubcomp:
      if (!in_use || slot->state != State::released) return {};
      release(*slot);
      return {.known = true};
    default: assert(false && "not an acknowledgement of a PUBLISH"); return {};
  }
}

void Outbound::detach() {
  for (Slot& slot : slots_) slot.sent = false;
  outstanding_ = 0;
  resend_.clear();
  resend_at_ = 0;
  queue_.shrink();
}

void Outbound::attach() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].state != State::free) resend_.push_back(static_cast<std::uint16_t>(i));
  }
  // Wrap-around safe: what is in flight spans far less than half of the numbers.
  std::sort(resend_.begin(), resend_.end(), [&](std::uint16_t a, std::uint16_t b) {
    return static_cast<std::int32_t>(slots_[a].order - slots_[b].order) < 0;
  });
}

bool Outbound::resend(Publication& scratch, Link& link, Time now) {
  bool wrote = false;
  while (resend_at_ < resend_.size() && link.has_room() && outstanding_ < link.receive_maximum) {
    const std::uint16_t index = resend_[resend_at_++];
    Slot& slot = slots_[index];
    if (slot.state == State::free || slot.sent) continue;  // answered meanwhile
    const auto id = static_cast<std::uint16_t>(index + 1);
    slot.sent = true;
    ++outstanding_;
    std::uint32_t single = 0;
    if (slot.state == State::published) {
      scratch.start(slot.message, now);
      if (scratch.write(link, {slot.qos, slot.retain, slot.ids.view(single)}, id, true) == Written::yes) {
        ++budget_->delivered;
        wrote = true;
        continue;
      }
      // This connection's client takes less: as if it had the message (MQTT-3.1.2-25). At QoS 2 it may
      // have it, and remember the identifier: only PUBREL frees that for another message.
      ++budget_->dropped_size;
      if (slot.qos == 1) {
        release(slot);
        continue;
      }
      slot.state = State::released;
      slot.message = {};
    }
    link.out.commit(mqtt::encode_ack(link.out.reserve(mqtt::kAckSizeMax), mqtt::PacketType::pubrel, id,
                                     mqtt::ReasonCode::success, link.version));
    wrote = true;
  }
  if (resend_at_ == resend_.size()) {
    resend_.clear();
    resend_.shrink_to_fit();
    resend_at_ = 0;
  }
  return wrote;
}

bool Outbound::pump(Publication& scratch, Link& link, bool keep, Time now) {
  bool wrote = resend_at_ < resend_.size() && resend(scratch, link, now);
  while (resend_.empty() && !queue_.empty() && link.has_room()) {
    if (queue_.front().qos != 0 && !window_open(link)) break;
    const Queued item = pop();
    std::uint32_t single = 0;
    scratch.start(item.message, now);
    if (write(scratch, {item.qos, item.retain, item.ids.view(single)}, link, keep) == Outcome::sent) wrote = true;
  }
  scratch.finish();
  // A small block stays with a connected session: it may be needed for every other message.
  if (queue_.capacity() > kQueueKept) queue_.shrink();
  return wrote;
}

}  // namespace shoal::session
