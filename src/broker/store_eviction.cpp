#include "broker/store_eviction.hpp"

#include <utility>

#include "store/crc32c.hpp"

namespace shoal::broker {
namespace {

// What is looked at, and given up, in one turn.
constexpr std::size_t kMessagesPerTurn = 2'000;
constexpr std::size_t kEvictedBytesPerTurn = 1024 * 1024;

}  // namespace

StoreEviction::StoreEviction(StoreJournal& journal, session::Work& work)
    : journal_(journal), work_(work), newest_(journal.oldest().place), again_(newest_) {}

void StoreEviction::note_finished() {
  for (; newest_ != journal_.place(); ++newest_) {
    const StoreJournal::Segment* const segment = journal_.find(newest_);
    if (segment && segment->resident) finished_.push_back({newest_, journal_.under_way() - 1});
  }
}

bool StoreEviction::due() {
  note_finished();
  return current_ || (!finished_.empty() && finished_.front().batch <= journal_.committed());
}

bool StoreEviction::begin_next() {
  resident_ = false;
  if (std::exchange(again_due_, false)) {
    current_ = again_;
    return true;
  }
  if (finished_.empty() || finished_.front().batch > journal_.committed()) return false;
  current_ = finished_.front().place;
  finished_.pop_front();
  choose_older();
  return true;
}

// The next one in turn where something is in memory.
void StoreEviction::choose_older() {
  const session::Place oldest = journal_.oldest().place;
  if (!session::precedes(oldest, *current_)) return;  // it may have been cleared before its turn came
  const auto older = static_cast<session::Place>(*current_ - oldest);
  for (session::Place tries = 0; !again_due_ && tries < older; ++tries) {
    ++again_;
    if (!journal_.find(again_) || !session::precedes(again_, *current_)) again_ = oldest;
    again_due_ = journal_.find(again_)->resident;
  }
}

bool StoreEviction::step() {
  note_finished();
  std::size_t count = 0;
  std::size_t bytes = 0;
  while (count < kMessagesPerTurn && bytes < kEvictedBytesPerTurn) {
    if (!current_ && !begin_next()) return false;
    StoreJournal::Segment* const segment = journal_.find(*current_);
    if (!segment || segment->messages.empty()) {
      if (segment) segment->messages.append(segment->looked_at);
      if (segment) segment->resident = resident_;
      current_.reset();
      continue;
    }
    const session::Message& message = segment->messages.front();
    segment->looked_at.add(message);
    ++count;
    if (!message.evictable()) {
      resident_ |= message.large() && !message.absent();
      continue;
    }
    bytes += message.size();
    message.evict(store::crc32c(0, message.body()));
  }
  work_.add(count);
  work_.add_bytes(bytes);
  return true;
}

}  // namespace shoal::broker
