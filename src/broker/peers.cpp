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
      through_(set.count()),
      passed_(set.count()),
      told_messages_(set.count()),
      backlogs_(set.count()) {}

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
  writer.prefetch();
  writer.number(note);
  return writer;
}

void Peers::hand_over(unsigned shard) {
  if (const OnTheWay told = std::exchange(told_messages_[shard], {}); told.messages != 0) set_.sent(shard, told);
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
  if (heard_messages_.messages != 0) {
    // Soon more, and only after a while less: what is on its way now may go to as many as what came before it.
    const std::uint64_t receivers = std::exchange(heard_receivers_, 0) / heard_messages_.messages;
    receivers_ = std::max(static_cast<std::uint32_t>(receivers), receivers_ - receivers_ / 8);
    set_.set_receivers(number_, receivers_);
    set_.arrived(number_, std::exchange(heard_messages_, {}));
  }
  unread_percent_ =
      static_cast<unsigned>(std::min<std::uint64_t>(100, 100 * set_.mailbox(number_).unread_bytes() / kUnreadBytesMax));
}

unsigned Peers::backlog_percent(unsigned shard, const session::QueueBudget& queues, base::Time now) const {
  const OnTheWay way = set_.on_the_way(shard);
  const OnTheWay& told = told_messages_[shard];
  const std::uint64_t messages = way.messages + told.messages, bytes = way.bytes + told.bytes;
  const std::uint64_t bytes_max = std::min(queues.bytes_max, queues.connected_bytes_max);
  const std::uint64_t entry_bytes = messages * set_.receivers(shard) * session::QueueBudget::kEntryBytes;
  // An eighth on the way slows publishers as a queue that is half full does; less is no reason to divide.
  unsigned way_percent = 0;
  if (messages * 8 >= queues.messages_max || bytes * 8 >= bytes_max || entry_bytes * 8 >= queues.connected_bytes_max) {
    const auto percent = [](std::uint64_t of, std::uint64_t most) {
      return 400 * of / std::max<std::uint64_t>(most, 1);
    };
    way_percent = static_cast<unsigned>(
        std::min<std::uint64_t>(99, std::max({percent(messages, queues.messages_max), percent(bytes, bytes_max),
                                              percent(entry_bytes, queues.connected_bytes_max)})));
  }
  const Backlog& backlog = backlogs_[shard];
  return std::max({unread_percent_, way_percent, now - backlog.at < kBacklogHolds ? backlog.percent : 0u});
}

}  // namespace shoal::broker
