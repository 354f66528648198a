#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace shoal {

/// How long something took, how often. Durations are counted in buckets with fixed bounds, so that histograms of
/// several instances, or of one before and after a restart, can be added. A value; no allocation.
struct Histogram {
  /// Upper bounds of the buckets, inclusive, in microseconds; one more bucket takes what is longer.
  static constexpr std::array<std::uint32_t, 17> kBounds_us{
      50,     100,     250,     500,     1'000,     2'500,     5'000,     10'000,    25'000,
      50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
  static constexpr std::size_t kBuckets = kBounds_us.size() + 1;

  /// Counts `times` occurrences that took so long each. Below 0 counts as 0.
  void observe(std::chrono::nanoseconds duration, std::uint64_t times = 1) {
    const std::int64_t ns = duration.count() < 0 ? 0 : duration.count();
    std::size_t bucket = 0;
    while (bucket < kBounds_us.size() && ns > std::int64_t{kBounds_us[bucket]} * 1'000) ++bucket;
    counts[bucket] += times;
    sum_ns += static_cast<std::uint64_t>(ns) * times;
  }
  /// Of all occurrences.
  std::uint64_t count() const {
    std::uint64_t all = 0;
    for (const std::uint64_t one : counts) all += one;
    return all;
  }
  void add(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts[i] += other.counts[i];
    sum_ns += other.sum_ns;
  }
  bool operator==(const Histogram&) const = default;

  std::array<std::uint64_t, kBuckets> counts{};  ///< of each bucket by itself
  std::uint64_t sum_ns = 0;                      ///< nanoseconds, of all occurrences; 584 years fit
};

}  // namespace shoal
