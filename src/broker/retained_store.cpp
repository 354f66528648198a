#include "broker/retained_store.hpp"

#include <algorithm>

#include "broker/receiver.hpp"
#include "broker/retained_requests.hpp"
#include "broker/store_journal.hpp"

namespace shoal::broker {
namespace {

// Nodes looked at before the others get their turn: about a millisecond, and when the turn is over just enough
// to go on.
constexpr std::size_t kStepsMax = 20'000;
constexpr std::size_t kStepsMin = 100;

}  // namespace

bool RetainedStore::fits(std::string_view topic, std::size_t size, base::Time now) {
  const auto room = [&] {
    const session::MessageRef old = tree_.find(topic).message;
    return (old || others_ + this->size() < limits_.retained_messages) &&
           others_bytes_ + bytes() - (old ? old->size() : 0) + size <= limits_.retained_bytes;
  };
  if (room()) return true;
  drop_expired(now);
  return room();
}

session::MessageRef RetainedStore::replace(std::string_view topic, const session::MessageRef& message,
                                           std::uint64_t publisher, Tree::Place* where) {
  Retained retained{.message = message, .publisher = publisher};
  retained.number = ++last_number_ & ((std::uint64_t{1} << 48) - 1);
  session::MessageRef old = tree_.set(topic, std::move(retained), where).message;
  if (message) message_bytes_ += session::MessagePool::cost(message->size());
  if (old) message_bytes_ -= session::MessagePool::cost(old->size());
  return old;
}

void RetainedStore::set(const session::MessageRef& message, std::uint64_t publisher) {
  const Tree::Place node = put(message, publisher);
  if (journal_) tree_.at(node)->place = journal_->retained(node, message);
}

RetainedStore::Tree::Place RetainedStore::restore(const session::MessageRef& message, session::Place place) {
  const Tree::Place node = put(message, 0);
  tree_.at(node)->place = place;
  return node;
}

std::uint64_t RetainedStore::told_bytes(Tree::Place node, session::Place place) {
  const Retained* const retained = tree_.at(node);
  constexpr std::uint64_t kEach = 64;
  return retained && *retained && retained->place == place ? kEach + retained->message->topic().size() : 0;
}

void RetainedStore::tell_again(Tree::Place node, session::Place place) {
  Retained* const retained = tree_.at(node);
  if (!retained || !*retained || retained->place != place) return;
  retained->place = journal_->retained(node, retained->message);
}

RetainedStore::Tree::Place RetainedStore::put(const session::MessageRef& message, std::uint64_t publisher) {
  Tree::Place node = 0;
  const session::MessageRef old = replace(message->topic(), message, publisher, &node);
  content_bytes_ += message->size();
  if (old) content_bytes_ -= old->size();
  expire_from_ = std::min(expire_from_, message->expires());
  return node;
}

void RetainedStore::clear(std::string_view topic) {
  const auto old = replace(topic, {}, 0);
  if (!old) return;
  content_bytes_ -= old->size();
  if (journal_) journal_->retained_gone(topic);
}

void RetainedStore::set_own(const session::MessageRef& message) {
  if (!replace(message->topic(), message, 0)) ++own_;
}

void RetainedStore::clear_own(std::string_view topic) {
  if (replace(topic, {}, 0)) --own_;
}

// Nobody gets them any more; they go when somebody needs their room.
void RetainedStore::drop_expired(base::Time now) {
  if (expire_from_ > now) return;
  expire_from_ = base::kNever;
  std::vector<session::MessageRef> expired;
  tree_.each([&](const Retained& retained) {
    if (retained.message->expires() <= now) expired.push_back(retained.message);
    else expire_from_ = std::min(expire_from_, retained.message->expires());
  });
  for (const session::MessageRef& message : expired) clear(message->topic());
}

bool due(const Retained& retained, std::uint64_t until, std::uint64_t without, session::Time now) {
  return retained.number <= until && retained.message->expires() > now &&
         (without == 0 || retained.publisher != without);
}

RetainedFeed::~RetainedFeed() = default;

void RetainedFeed::add(Wanted wanted) { wanted_.push_back(std::move(wanted)); }

void RetainedFeed::update(Handle handle, mqtt::SubscriptionOptions options, std::uint32_t id) {
  for (Wanted& wanted : wanted_) {
    if (wanted.handle != handle) continue;
    wanted.options = options;
    wanted.id = id;
  }
}

void RetainedFeed::take_newer(std::uint64_t until) {
  for (Wanted& wanted : wanted_) {
    wanted.until = until;
    if (wanted.elsewhere) wanted.elsewhere->take_newer();
  }
}

void RetainedFeed::remove(Handle handle) {
  if (!wanted_.empty() && wanted_.front().handle == handle) walk_.reset();
  std::erase_if(wanted_, [&](const Wanted& wanted) { return wanted.handle == handle; });
}

bool RetainedFeed::front(Item& item, session::Time now) {
  const std::size_t allowed = work_.over() ? kStepsMin : kStepsMax;
  std::size_t steps = allowed;
  const bool found = search(item, now, steps);
  work_.add(allowed - steps);
  return found;
}

void RetainedFeed::pop() {
  if (wanted_.front().elsewhere) wanted_.front().elsewhere->pop();
  else walk_->advance();
}

void RetainedFeed::set(Item& item, const Wanted& wanted, const session::MessageRef& message) const {
  const std::span<const std::uint32_t> ids(&wanted.id, wanted.id != 0 ? 1 : 0);
  item = {&message, {std::min(wanted.options.qos, message->qos()), true, ids}};
}

bool RetainedFeed::search(Item& item, session::Time now, std::size_t& steps) {
  while (!wanted_.empty()) {
    const Wanted& wanted = wanted_.front();
    if (wanted.elsewhere) {
      while (const session::MessageRef* message = wanted.elsewhere->front()) {
        if ((*message)->expires() > now) {
          set(item, wanted, *message);
          return true;
        }
        wanted.elsewhere->pop();
      }
      if (!wanted.elsewhere->done()) return false;  // it goes on when they have come
      wanted_.erase(wanted_.begin());
      continue;
    }
    if (!walk_)
      walk_ = std::make_unique<RetainedStore::Tree::Walk>(store_.tree(), subscriptions_.filter(wanted.handle));
    while (const Retained* retained = walk_->seek(steps)) {
      if (due(*retained, wanted.until, wanted.without, now)) {
        set(item, wanted, retained->message);
        return true;
      }
      walk_->advance();
      if (steps > 0) --steps;
    }
    if (!walk_->done()) {
      if (session_.client) deliveries_.wrote(*session_.client);
      return false;
    }
    walk_.reset();
    wanted_.erase(wanted_.begin());
  }
  return false;
}

}  // namespace shoal::broker
