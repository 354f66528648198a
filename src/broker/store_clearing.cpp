#include "broker/store_clearing.hpp"

#include <algorithm>

namespace shoal::broker {
namespace {

// What is told again in one turn, and looked at for that.
constexpr std::size_t kToldBytesPerTurn = 256 * 1024;
constexpr std::size_t kThingsPerTurn = 20'000;
constexpr std::size_t kThingsAtATime = 256;
// What is read back at a time.
constexpr std::size_t kBodies = 256;
constexpr std::size_t kBodyBytes = 1024 * 1024;
// What is not worth to be cleared, and what can be written to a full disk.
constexpr std::uint64_t kLittle = 64 * 1024;
constexpr std::uint64_t kReserved = 6 * 1024;
// What a live thing takes in the log, roughly.
constexpr std::uint64_t kSessionBytes = 64;
constexpr std::uint64_t kSubscriptionBytes = 48;
constexpr std::uint64_t kMessageBytes = 40;
constexpr std::uint64_t kQueuedBytes = 16;

}  // namespace

std::uint64_t StoreClearing::live_bytes(const Router& router) const {
  const session::MessagePool& messages = router.messages();
  return messages.stored_bytes_now() + messages.stored_count_now() * kMessageBytes +
         budget_.messages_now * kQueuedBytes + journal_.sessions() * kSessionBytes +
         router.subscriptions() * kSubscriptionBytes;
}

bool StoreClearing::wanted(Router& router) {
  const store::Store& store = journal_.store();
  if (store.full()) return wanted_when_full(router);
  if (store.oldest() == store.place()) return false;
  return store.damaged() || too_much(router);
}

// At most twice what is live, and a segment.
bool StoreClearing::too_much(const Router& router) const {
  const store::Store& store = journal_.store();
  const double live = static_cast<double>(live_bytes(router)) * scale_;
  // With what was just told: it would be too much again in the next turn, and again.
  const std::uint64_t bytes = store.bytes() + journal_.store().batch().size();
  return static_cast<double>(bytes) > 2 * live + static_cast<double>(store.segment_bytes());
}

// What `live_bytes` leaves out, such as long names, may be most of what there is. When everything was told again and it
// is still too much, then all of it is live.
void StoreClearing::measure(const Router& router) {
  const double live = static_cast<double>(std::max<std::uint64_t>(1, live_bytes(router)));
  if (too_much(router)) scale_ = static_cast<double>(journal_.store().bytes()) / live;
}

// Everything that is dead is worth to be cleared then, but what is live in front of it must fit into what was reserved
// for acknowledgements.
bool StoreClearing::wanted_when_full(Router& router) {
  store::Store& store = journal_.store();
  const std::uint64_t live = live_bytes(router);
  if (store.waiting_bytes() != 0 || store.bytes() < live + live / 4 + kLittle) return false;
  if (store.oldest() != store.place()) return cost_of_oldest(router) <= kReserved;
  if (live <= kReserved) journal_.begin_segment();
  return false;
}

// About what is live in the oldest segment.
std::uint64_t StoreClearing::cost_of_oldest(Router& router) {
  const StoreJournal::Segment& oldest = journal_.oldest();
  std::uint64_t cost = oldest.messages.bytes(kReserved) + oldest.looked_at.bytes(kReserved);
  for (const std::uint32_t slot : oldest.sessions) {
    ClientSession* const session = journal_.session_at(slot);
    if (!session) continue;
    if (session->protocol.stored()->first == oldest.place) {
      cost += kSessionBytes + session->subscription_count() * kSubscriptionBytes;
    }
    cost += session->protocol.restored_outbound().told_bytes(oldest.place);
  }
  for (const std::uint32_t node : oldest.retained) cost += router.retained().told_bytes(node, oldest.place);
  for (const std::uint32_t number : oldest.groups) {
    if (SharedGroup* const group = router.shared().find(number)) {
      cost += router.shared().told_bytes(*group, oldest.place);
    }
  }
  return cost;
}

bool StoreClearing::step(Router& router) {
  if (!segment_) {
    if (!wanted(router)) return false;
    segment_ = journal_.take_oldest();
    if (!pass_until_) {
      pass_until_ = journal_.store().place();
      scale_ = 1;
    }
  }
  StoreJournal::Segment& segment = *segment_;
  const std::size_t end = journal_.store().batch().size() + kToldBytesPerTurn;
  for (std::size_t things = 0; things < kThingsPerTurn && journal_.store().batch().size() < end;) {
    if (!segment.messages.empty()) {
      ++things;
      const session::Message& message = segment.messages.front();
      if (message.lost()) segment.messages.drop_front();
      else if (!message.absent()) journal_.tell_again(message);
      else if (waits_for_bodies()) return false;
    } else if (!segment.sessions.empty()) {
      things += kThingsAtATime;
      if (tell_session(router, segment.sessions.back())) continue;
      segment.sessions.pop_back();
      cursor_ = {};
    } else if (!segment.retained.empty()) {
      ++things;
      router.retained().tell_again(segment.retained.back(), segment.place);
      segment.retained.pop_back();
    } else if (!segment.groups.empty()) {
      things += kThingsAtATime;
      SharedGroup* const group = router.shared().find(segment.groups.back());
      if (group && group->stored) router.shared().tell_again(*group, segment.place);
      segment.groups.pop_back();
    } else {
      ++cleared_;
      const bool passed = segment.place == pass_until_;
      segment_.reset();
      journal_.store().drop_oldest(journal_.empty() ? journal_.under_way() - 1 : journal_.under_way());
      if (passed) measure(router);
      const bool more = wanted(router);
      if (passed || !more) pass_until_.reset();
      return more;
    }
  }
  budget_.work.add(kThingsPerTurn / 4);
  return true;
}

// For those of the segment that are next.
bool StoreClearing::waits_for_bodies() {
  if (read_back_.pending(reading_)) return true;
  reading_ = read_back_.start(segment_->messages.absent(kBodies, kBodyBytes));
  return true;
}

// Some of what there is of it in that segment. True when there is more.
bool StoreClearing::tell_session(Router& router, std::uint32_t slot) {
  ClientSession* const session = journal_.session_at(slot);
  if (!session) return false;
  session::Stored& stored = *session->protocol.stored();
  if (stored.first == segment_->place) {
    stored.first = journal_.store().place();
    journal_.session(*session);
    if (session->protocol.survives()) {
      router.each_subscription(*session, [&](std::string_view filter, mqtt::SubscriptionOptions options,
                                             std::uint32_t id) { journal_.subscribed(*session, filter, options, id); });
      if (const session::Inbound* inbound = session->protocol.inbound())
        inbound->each([&](std::uint16_t id) { journal_.taken(stored, id); });
    }
  }
  return session->protocol.restored_outbound().tell_again(segment_->place, cursor_, kThingsAtATime);
}

}  // namespace shoal::broker
