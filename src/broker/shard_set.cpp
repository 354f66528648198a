#include "broker/shard_set.hpp"

#include <cassert>

namespace shoal::broker {

ShardSet::ShardSet(unsigned count, base::TextHash hash) : hash_(hash) {
  assert(count >= 2 && count <= kMost);
  for (unsigned i = 0; i < count; ++i) shards_.emplace_back(i);
}

// By the upper half of the hash: tables of each shard are indexed by the lower.
unsigned ShardSet::owner(std::string_view text) const {
  if (text.starts_with('$') && !text.starts_with("$share/")) return 0;
  return static_cast<unsigned>((hash_(text) >> 32) % shards_.size());
}

std::uint64_t ShardSet::of_others(unsigned shard, Figure figure) const {
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < count(); ++i) {
    if (i != shard) sum += shards_[i].figures[static_cast<std::size_t>(figure)].load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace shoal::broker
