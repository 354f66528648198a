#include "bench/stream_check.hpp"

#include <algorithm>

namespace shoal::bench {

StreamCheck::Seen StreamCheck::see_other(std::uint64_t sequence) {
  if (sequence > next_) {
    gaps_.push_back({next_, sequence - 1});
    next_ = sequence + 1;
    ++distinct_;
    return Seen::next;
  }
  const auto gap = std::lower_bound(gaps_.begin(), gaps_.end(), sequence,
                                    [](const Gap& each, std::uint64_t value) { return each.last < value; });
  if (gap == gaps_.end() || sequence < gap->first) return Seen::duplicate;
  ++distinct_;
  const Gap behind{sequence + 1, gap->last};
  if (sequence > gap->first) {
    gap->last = sequence - 1;
    if (behind.first <= behind.last) gaps_.insert(gap + 1, behind);
  } else if (behind.first <= behind.last) {
    *gap = behind;
  } else {
    gaps_.erase(gap);
  }
  return Seen::late;
}

std::uint64_t StreamCheck::missing(std::uint64_t sent) const {
  std::uint64_t count = sent > highest() ? sent - highest() : 0;
  for (const Gap& gap : gaps_) count += gap.last - gap.first + 1;
  return count;
}

}  // namespace shoal::bench
