#include "bench/latencies.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace shoal::bench {

std::size_t Latencies::bucket(std::uint64_t ns) {
  ns = std::min<std::uint64_t>(ns, (std::uint64_t{1} << kTopBits) - 1);
  const unsigned width = static_cast<unsigned>(std::bit_width(ns));
  if (width <= kSubBits) return static_cast<std::size_t>(ns);
  const unsigned shift = width - kSubBits - 1;  // leaves the leading one and kSubBits more
  return (static_cast<std::size_t>(shift) << kSubBits) + static_cast<std::size_t>(ns >> shift);
}

std::uint64_t Latencies::upper_ns(std::size_t bucket) {
  const std::size_t steps = std::size_t{1} << kSubBits;
  if (bucket < 2 * steps) return bucket;
  const std::size_t shift = (bucket >> kSubBits) - 1;
  return ((bucket - (shift << kSubBits) + 1) << shift) - 1;
}

double Latencies::quantile_us(double share) const {
  if (count_ == 0) return 0;
  const auto wanted =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    below += counts_[i];
    if (below >= wanted) return static_cast<double>(std::min(upper_ns(i), max_ns_)) / 1e3;
  }
  return max_us();
}

}  // namespace shoal::bench
