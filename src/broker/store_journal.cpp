#include "broker/store_journal.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "broker/receiver.hpp"
#include "broker/store_read_back.hpp"
#include "store/read_back.hpp"

namespace shoal::broker {

using session::Place;
using session::Stored;

namespace {

// How well it is known until when an instance was there whose process ended without a word.
constexpr base::Duration kAliveEvery = base::seconds(30);

store::CopyRecord copy_record(std::uint64_t message, const session::Copy& copy) {
  return {message, copy.qos, copy.retain, copy.group, copy.ids};
}

std::int64_t ms(base::Time time) { return base::duration_cast<base::milliseconds>(time.time_since_epoch()).count(); }

}  // namespace

StoreJournal::StoreJournal(std::unique_ptr<store::Store> store, const base::Time& now,
                           std::function<store::WallMs()> wall)
    : store_(std::move(store)), now_(now), wall_(std::move(wall)), last_batch_at_(now) {
  refresh();
  for (Place place = store_->oldest();; ++place) {
    segments_.push_back({.place = place});
    if (place == place_) break;
  }
}

void StoreJournal::refresh() {
  wall_offset_ms_ = static_cast<std::int64_t>(wall_()) - ms(now_);
  under_way_ = store_->number();
  committed_ = store_->committed();
  place_ = store_->place();
}

store::WallMs StoreJournal::to_wall(base::Time time) const {
  if (time == base::kNever) return 0;
  return static_cast<store::WallMs>(std::max<std::int64_t>(1, ms(time) + wall_offset_ms_));
}

base::Time StoreJournal::from_wall(store::WallMs wall) const {
  // What would be outside of what the clock can say never comes, or is long over.
  constexpr std::int64_t kFar = std::int64_t{1} << 52;
  if (wall == 0 || wall > static_cast<store::WallMs>(kFar)) return base::kNever;
  return base::Time(base::milliseconds(static_cast<std::int64_t>(wall) - wall_offset_ms_));
}

StoreJournal::Segment& StoreJournal::segment(Place place) {
  for (Place next = segments_.back().place; next != place_;) segments_.push_back({.place = ++next});
  const std::size_t index = static_cast<Place>(place - segments_.front().place);
  assert(index < segments_.size());
  return segments_[index];
}

StoreJournal::Segment* StoreJournal::find(Place place) {
  const std::size_t index = static_cast<Place>(place - segments_.front().place);
  return index < segments_.size() ? &segments_[index] : nullptr;
}

void StoreJournal::note_resident(Place place) {
  if (Segment* const segment = find(place)) segment->resident = true;
}

void StoreJournal::begin_segment() {
  // What was told so far is in the segment where it was said to be.
  commit();
  store_->begin_segment();
  refresh();
}

StoreJournal::Segment StoreJournal::take_oldest() {
  Segment oldest = std::move(segments_.front());
  assert(oldest.place != place_);
  segments_.pop_front();
  oldest.messages.append(oldest.looked_at);
  if (segments_.empty()) segments_.push_back({.place = static_cast<Place>(oldest.place + 1)});
  for (auto* list : {&oldest.sessions, &oldest.retained, &oldest.groups}) {
    std::sort(list->begin(), list->end());
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  return oldest;
}

// Before every record about a session.
void StoreJournal::begin(Stored& session) {
  ++position_;
  session.last_batch = under_way_;
  if (session.last != place_) note(session);
}

void StoreJournal::note(Stored& session) {
  session.last = place_;
  segment(place_).sessions.push_back(session.slot);
}

void StoreJournal::note(SharedGroup& group) {
  ++position_;
  if (std::exchange(group.last, place_) != place_) segment(place_).groups.push_back(group.number);
}

// The message's number. It is told once, however many refer to it, and stays in the segment where that was.
std::uint64_t StoreJournal::tell(const session::MessageRef& message) {
  if (message->stored_number() == 0) {
    message->set_stored(++last_message_);
    put(*message);
  }
  return message->stored_number();
}

void StoreJournal::put(const session::Message& message) {
  store_->batch().put(store::MessageRecord{message.stored_number(), to_wall(message.expires()), message.qos(),
                                           message.topic(), message.properties(), message.payload()});
  assert(place_ == store_->place());
  const std::size_t span = store::body_span(message.topic_size(), message.properties_size(), message.payload_size());
  add(message, {place_, store_->offset() - span});
}

void StoreJournal::add(const session::Message& message, session::Message::Spot spot) {
  Segment& segment = this->segment(spot.place);
  segment.messages.add(message);
  segment.resident |= message.large();
  message.set_spot(spot);
}

void StoreJournal::tell_again(const session::Message& message) {
  ++position_;
  put(message);
}

void StoreJournal::restore_message(const session::Message& message, std::uint64_t number, session::Message::Spot spot) {
  message.set_stored(number);
  add(message, spot);
}

std::uint32_t StoreJournal::read_back(std::string_view client_id, std::vector<session::MessageRef> messages) {
  return read_back_->start(client_id, std::move(messages));
}

Place StoreJournal::queued(Stored& session, std::uint32_t sequence, const session::MessageRef& message,
                           const session::Copy& copy) {
  begin(session);
  const std::uint64_t number = tell(message);
  store_->batch().put(store::Queued{session.number, sequence, copy_record(number, copy)});
  return place_;
}

void StoreJournal::unqueued(Stored& session, std::uint32_t sequence) {
  begin(session);
  store_->batch().put(store::Unqueued{session.number, sequence});
}

void StoreJournal::sent(Stored& session, std::uint32_t sequence, std::uint16_t id, std::uint32_t order) {
  begin(session);
  store_->batch().put(store::Sent{session.number, sequence, id, order});
}

Place StoreJournal::in_flight(Stored& session, std::uint16_t id, std::uint32_t order,
                              const session::MessageRef& message, const session::Copy& copy) {
  begin(session);
  const std::uint64_t number = message ? tell(message) : 0;
  store_->batch().put(store::InFlight{session.number, id, order, !message, copy_record(number, copy)});
  return place_;
}

void StoreJournal::received(Stored& session, std::uint16_t id) {
  begin(session);
  store_->batch().put(store::Received{session.number, id});
}

void StoreJournal::finished(Stored& session, std::uint16_t id) {
  begin(session);
  store_->batch().put(store::Finished{session.number, id});
}

void StoreJournal::taken(Stored& session, std::uint16_t id) {
  begin(session);
  store_->batch().put(store::Taken{session.number, id});
}

void StoreJournal::released(Stored& session, std::uint16_t id) {
  begin(session);
  store_->batch().put(store::Released{session.number, id});
}

void StoreJournal::session(ClientSession& session) {
  session::Session& protocol = session.protocol;
  if (!protocol.stored()) {
    auto stored = std::make_unique<Stored>();
    stored->number = ++last_session_;
    stored->first = place_;
    if (free_.empty()) {
      stored->slot = static_cast<std::uint32_t>(slots_.size());
      slots_.push_back(&session);
    } else {
      stored->slot = free_.back();
      free_.pop_back();
      slots_[stored->slot] = &session;
    }
    note(*stored);
    protocol.set_stored(std::move(stored));
  }
  begin(*protocol.stored());
  awaited_ = under_way_;
  store::SessionRecord record{protocol.stored()->number,
                              protocol.client_id(),
                              protocol.expiry_s(),
                              session.absence ? to_wall(session.absence->since) : 0,
                              {}};
  if (protocol.will) {
    const session::StoredWill& will = *protocol.will;
    record.will = store::WillRecord{tell(will.message), will.delay_s, will.expiry_s, will.retain};
  }
  store_->batch().put(record);
}

void StoreJournal::session_gone(ClientSession& session) {
  Stored& stored = *session.protocol.stored();
  begin(stored);
  awaited_ = under_way_;
  store_->batch().put(store::SessionGone{stored.number});
  slots_[stored.slot] = nullptr;
  free_.push_back(stored.slot);
}

void StoreJournal::subscribed(ClientSession& session, std::string_view filter, mqtt::SubscriptionOptions options,
                              std::uint32_t id) {
  Stored& stored = *session.protocol.stored();
  begin(stored);
  store_->batch().put(
      store::SubscriptionRecord{stored.number, filter, options.qos, options.no_local, options.retain_as_published, id});
}

void StoreJournal::unsubscribed(ClientSession& session, std::string_view filter) {
  Stored& stored = *session.protocol.stored();
  begin(stored);
  store_->batch().put(store::SubscriptionGone{stored.number, filter});
}

Place StoreJournal::retained(std::uint32_t node, const session::MessageRef& message) {
  ++position_;
  store_->batch().put(store::Retained{tell(message), message->topic()});
  segment(place_).retained.push_back(node);
  return place_;
}

void StoreJournal::retained_gone(std::string_view topic) {
  ++position_;
  store_->batch().put(store::RetainedGone{topic});
}

void StoreJournal::group(SharedGroup& group) {
  if (!std::exchange(group.stored, true)) {
    group.last = place_;
    segment(place_).groups.push_back(group.number);
  }
  note(group);
  group.first = place_;
  store_->batch().put(store::GroupRecord{group.number, group.filter});
}

void StoreJournal::group_gone(SharedGroup& group) {
  note(group);
  store_->batch().put(store::GroupGone{group.number});
}

Place StoreJournal::group_queued(SharedGroup& group, std::uint32_t sequence, const session::MessageRef& message,
                                 bool retain) {
  note(group);
  const std::uint64_t number = tell(message);
  store_->batch().put(store::GroupQueued{group.number, sequence, number, retain});
  return place_;
}

void StoreJournal::group_unqueued(SharedGroup& group, std::uint32_t sequence) {
  note(group);
  store_->batch().put(store::GroupUnqueued{group.number, sequence});
}

bool StoreJournal::commit() {
  if (!store_->batch().empty()) {
    last_batch_at_ = now_;
    store_->end_batch(wall_());
  }
  const std::uint64_t before = committed_;
  refresh();
  return committed_ != before;
}

void StoreJournal::alive() {
  if (now_ - last_batch_at_ >= kAliveEvery) store_->batch().put(store::Alive{});
}

void StoreJournal::shrink() {
  while (!slots_.empty() && !slots_.back()) slots_.pop_back();
  slots_.shrink_to_fit();
  free_.clear();
  for (std::size_t slot = slots_.size(); slot-- > 0;) {
    if (!slots_[slot]) free_.push_back(static_cast<std::uint32_t>(slot));
  }
  free_.shrink_to_fit();
  for (Segment& segment : segments_) {
    segment.sessions.shrink_to_fit();
    segment.retained.shrink_to_fit();
  }
  store_->batch().shrink();
}

void StoreJournal::restore_numbers(std::uint64_t last_session, std::uint64_t last_message) {
  last_session_ = last_session;
  last_message_ = last_message;
}

void StoreJournal::restore_session(ClientSession& session, std::uint64_t number, Place first) {
  auto stored = std::make_unique<Stored>();
  stored->number = number;
  stored->first = first;
  stored->slot = static_cast<std::uint32_t>(slots_.size());
  slots_.push_back(&session);
  session.protocol.set_stored(std::move(stored));
  segment(first).sessions.push_back(session.protocol.stored()->slot);
  session.protocol.stored()->last = first;
}

void StoreJournal::restore_group(SharedGroup& group, Place first) {
  group.stored = true;
  group.first = first;
  group.last = first;
  segment(first).groups.push_back(group.number);
}

void StoreJournal::restore_place(ClientSession& session, Place place) {
  Stored& stored = *session.protocol.stored();
  if (std::exchange(stored.last, place) != place) segment(place).sessions.push_back(stored.slot);
}

void StoreJournal::restore_place(SharedGroup& group, Place place) {
  if (std::exchange(group.last, place) != place) segment(place).groups.push_back(group.number);
}

}  // namespace shoal::broker
