#include "store/image.hpp"

#include <algorithm>
#include <utility>

namespace shoal::store {
namespace {

// Wrap-around safe: what there is at a time spans far less than half of the numbers.
bool before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

}  // namespace

Image::MakingSession& Image::session(std::uint64_t number) {
  last_session_ = std::max(last_session_, number);
  return making_[number];
}

// Of what belongs to the session itself.
Image::Session& Image::own(std::uint64_t number) {
  Session& own = session(number).thing;
  if (own.first_segment == 0) own.first_segment = segment_;
  return own;
}

Image::MakingGroup& Image::group(std::uint32_t number) {
  if (last_group_ == 0 || before(last_group_, number)) last_group_ = number;
  return making_groups_[number];
}

// A message may come behind those who refer to it: it was said again.
std::uint64_t Image::refer(std::uint64_t message) {
  last_message_ = std::max(last_message_, message);
  return message;
}

Image::Copy Image::copy(const CopyRecord& r) {
  return {refer(r.message), r.group, r.qos, r.retain, {r.ids.begin(), r.ids.end()}};
}

void Image::apply(const Record& record, std::uint64_t segment) {
  segment_ = segment;
  std::visit([this](const auto& one) { on(one); }, record);
}

bool Image::apply_all(base::Bytes records, std::uint64_t segment, std::uint64_t offset) {
  records_ = records.data();
  offset_ = offset;
  RecordReader reader(records);
  for (Record record; reader.next(record);) apply(record, segment);
  records_ = nullptr;
  return !reader.malformed();
}

void Image::on(const SessionRecord& r) {
  Session& made = own(r.number);
  made.known = true;
  made.client_id = r.client_id;
  made.expiry_s = r.expiry_s;
  made.since = r.since;
  made.will = r.will;
  if (r.will) refer(r.will->message);
}
void Image::on(const SessionGone& r) {
  MakingSession& made = session(r.number);
  made = {};
  made.gone = true;
}
void Image::on(const SubscriptionRecord& r) { own(r.session).subscriptions.insert_or_assign(r.filter, r); }
void Image::on(const SubscriptionGone& r) { session(r.session).thing.subscriptions.erase(r.filter); }
void Image::on(const MessageRecord& r) {
  const auto* const topic = reinterpret_cast<const std::uint8_t*>(r.topic.data());
  const std::uint64_t offset = records_ ? offset_ + static_cast<std::uint64_t>(topic - records_) : 0;
  messages_.insert_or_assign(refer(r.number), Message{r, segment_, offset});
}
void Image::on(const Queued& r) {
  session(r.session).queue.insert_or_assign(r.sequence, Waiting{r.sequence, segment_, copy(r.copy)});
}
void Image::on(const Unqueued& r) { session(r.session).queue.erase(r.sequence); }
void Image::on(const InFlight& r) {
  session(r.session).flights.insert_or_assign(r.id, Flight{r.id, r.order, r.released, segment_, copy(r.copy)});
}
void Image::on(const Sent& r) {
  MakingSession& made = session(r.session);
  const auto found = made.queue.find(r.sequence);
  // Otherwise it is said again behind this what became of it.
  if (found == made.queue.end()) return;
  // Where it was said that it waits is what it still needs.
  made.flights.insert_or_assign(r.id,
                                Flight{r.id, r.order, false, found->second.segment, std::move(found->second.copy)});
  made.queue.erase(found);
}
void Image::on(const Received& r) {
  auto& flights = session(r.session).flights;
  const auto found = flights.find(r.id);
  if (found == flights.end()) return;
  found->second.released = true;
  found->second.copy.message = 0;
}
void Image::on(const Finished& r) { session(r.session).flights.erase(r.id); }
void Image::on(const Taken& r) { own(r.session).taken.insert(r.id); }
void Image::on(const Released& r) { session(r.session).thing.taken.erase(r.id); }
void Image::on(const Retained& r) {
  std::string_view topic = r.topic;
  if (topic.empty()) {
    const MessageRecord* const known = message(r.message);
    if (known) topic = known->topic;
    // A log that makes no sense may have a message without one.
    if (topic.empty()) {
      ++retained_missing_;
      return;
    }
  }
  retained_by_topic_.insert_or_assign(topic, RetainedOne{refer(r.message), topic, segment_});
}
void Image::on(const RetainedGone& r) { retained_by_topic_.erase(r.topic); }
void Image::on(const GroupRecord& r) {
  Group& made = group(r.number).thing;
  made.segment = segment_;
  made.known = true;
  made.filter = r.filter;
}
void Image::on(const GroupGone& r) {
  MakingGroup& made = group(r.number);
  made = {};
  made.gone = true;
}
void Image::on(const GroupQueued& r) {
  group(r.group).queue.insert_or_assign(r.sequence, GroupWaiting{r.sequence, refer(r.message), r.retain, segment_});
}
void Image::on(const GroupUnqueued& r) { group(r.group).queue.erase(r.sequence); }

Image::Missing Image::finish() {
  Missing missing;
  missing.messages = retained_missing_;
  const auto there = [&](std::uint64_t number) {
    if (messages_.contains(number)) return true;
    ++missing.messages;
    return false;
  };
  for (auto& [number, made] : making_) {
    Session& one = made.thing;
    if (made.gone) continue;
    if (!one.known) {
      const bool had = !made.queue.empty() || !made.flights.empty() || !one.subscriptions.empty() || !one.taken.empty();
      missing.sessions += had ? 1 : 0;
      continue;
    }
    one.number = number;
    if (one.will && !there(one.will->message)) one.will.reset();
    for (auto& [sequence, waiting] : made.queue) {
      if (there(waiting.copy.message)) one.queue.push_back(std::move(waiting));
    }
    std::sort(one.queue.begin(), one.queue.end(),
              [](const Waiting& a, const Waiting& b) { return before(a.sequence, b.sequence); });
    for (auto& [id, flight] : made.flights) {
      if (flight.released || there(flight.copy.message)) one.flights.push_back(std::move(flight));
    }
    std::sort(one.flights.begin(), one.flights.end(),
              [](const Flight& a, const Flight& b) { return before(a.order, b.order); });
    sessions_.push_back(std::move(one));
  }
  making_.clear();
  std::sort(sessions_.begin(), sessions_.end(), [](const Session& a, const Session& b) { return a.number < b.number; });
  for (auto& [number, made] : making_groups_) {
    Group& one = made.thing;
    if (made.gone) continue;
    if (!one.known) {
      missing.groups += made.queue.empty() ? 0 : 1;
      continue;
    }
    one.number = number;
    for (auto& [sequence, waiting] : made.queue) {
      if (there(waiting.message)) one.queue.push_back(waiting);
    }
    std::sort(one.queue.begin(), one.queue.end(),
              [](const GroupWaiting& a, const GroupWaiting& b) { return before(a.sequence, b.sequence); });
    groups_.push_back(std::move(one));
  }
  making_groups_.clear();
  std::sort(groups_.begin(), groups_.end(), [](const Group& a, const Group& b) { return a.number < b.number; });
  for (const auto& [topic, one] : retained_by_topic_) {
    const MessageRecord* const known = message(one.message);
    if (known && known->topic == topic) retained_.push_back(one);
    else ++missing.messages;
  }
  retained_by_topic_.clear();
  std::sort(retained_.begin(), retained_.end(),
            [](const RetainedOne& a, const RetainedOne& b) { return a.message < b.message; });
  return missing;
}

}  // namespace shoal::store
