#include "broker/peers.hpp"

#include <algorithm>
#include <utility>

namespace shoal::broker {
namespace {

// What may be on its way from one shard to the others before its publishers are slowed down.
constexpr std::uint64_t kUnreadBytesMax = 8 << 20;
// For so long what was told of a backlog holds.
constexpr base::Duration kBacklogHolds = base::milliseconds(20);

}  // namespace

Peers::Peers(ShardSet& set, unsigned number, std::function<void()> want_turn_end)
    : set_(set),
      number_(number),
      want_turn_end_(std::move(want_turn_end)),
      letters_(set.count()),
      wanted_(set.hash()),
      elsewhere_(set.count()),
      through_(set.count()),
      passed_(set.count()),
      told_messages_(set.count()),
      backlogs_(set.count()) {
  for (unsigned i = 0; i < count(); ++i) elsewhere_[i].shard = i;
}

Peers::~Peers() { send(); }

void Peers::will_send() {
  if (!std::exchange(told_, true)) want_turn_end_();
}

void Peers::pass(unsigned from) {
  will_send();
  ++passed_[from];
}

NoteWriter Peers::to(unsigned shard, Note note) {
  will_send();
  if (!letters_[shard]) letters_[shard] = &set_.mailbox(number_).blank();
  NoteWriter writer(letters_[shard]->bytes);
  writer.number(note);
  return writer;
}

void Peers::hand_over(unsigned shard) {
  if (const std::uint32_t messages = std::exchange(told_messages_[shard], 0); messages != 0)
    set_.on_the_way(shard, static_cast<std::int32_t>(messages));
  if (letters_[shard]) set_.mailbox(shard).put(*std::exchange(letters_[shard], nullptr));
}

// Who is told that its messages have gone on is told after that.
void Peers::send() {
  if (!std::exchange(told_, false)) return;
  for (unsigned shard = 0; shard < count(); ++shard) hand_over(shard);
  for (unsigned shard = 0; shard < count(); ++shard) {
    const std::uint32_t passed = std::exchange(passed_[shard], 0);
    if (passed == 0) continue;
    to(shard, Note::went_through).number(passed);
    hand_over(shard);
  }
  told_ = false;
  // After it was told how full queues are here.
  if (heard_messages_ != 0) set_.on_the_way(number_, -static_cast<std::int32_t>(std::exchange(heard_messages_, 0)));
  unread_percent_ = static_cast<unsigned>(
      std::min<std::uint64_t>(100, 100 * set_.mailbox(number_).unread_bytes() / kUnreadBytesMax));
}

void Peers::subscribed(unsigned shard, std::string_view filter) {
  wanted_.subscribe(filter, &elsewhere_[shard], {.qos = 2}, 0);
}

void Peers::unsubscribed(unsigned shard, std::string_view filter) {
  wanted_.unsubscribe(wanted_.find(filter, &elsewhere_[shard]));
 }

unsigned Peers::backlog_percent(unsigned shard, std::uint32_t queue_max, base::Time now) const {
  // An eighth on the way slows publishers as a queue that is half full does.
  const std::uint64_t way = set_.on_the_way(shard) + told_messages_[shard];
  const auto way_percent = static_cast<unsigned>(std::min<std::uint64_t>(99, way * 400 / std::max(queue_max, 1u)));
  const Backlog& backlog = backlogs_[shard];
  return std::max({unread_percent_, way_percent, now - backlog.at < kBacklogHolds ? backlog.percent : 0u});
}

}  // namespace shoal::broker
