#pragma once

#include <array>
#include <cstdint>

#include "base/time.hpp"

namespace shoal::bench {

/// How long things took, with an error below 0.8 %, up to 18 minutes. Pure; no allocation.
class Latencies {
 public:
  /// Below 0 counts as 0.
  void record(base::Duration duration) {
    const std::uint64_t ns = duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count());
    ++counts_[bucket(ns)];
    ++count_;
    if (ns > max_ns_) max_ns_ = ns;
  }

  std::uint64_t count() const { return count_; }
  /// Exact.
  double max_us() const { return static_cast<double>(max_ns_) / 1e3; }
  /// What `share` (0 to 1) of all do not exceed, rounded up; 0 when there are none.
  double quantile_us(double share) const;

 private:
  static constexpr unsigned kSubBits = 7;  // 128 steps for each doubling
  static constexpr unsigned kTopBits = 40;
  static constexpr std::size_t kBuckets = (kTopBits - kSubBits + 1) << kSubBits;

  static std::size_t bucket(std::uint64_t ns);
  static std::uint64_t upper_ns(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace shoal::bench
