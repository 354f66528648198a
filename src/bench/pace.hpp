#pragma once

#include <cstdint>

#include "base/time.hpp"

namespace shoal::bench {

/// An open loop's schedule: message n is due at a fixed time, whatever happened to those before. Pure.
class Pace {
 public:
  /// `per_second`: above 0.
  Pace(base::Time begin, double per_second) : begin_(begin), per_second_(per_second) {}

  /// When message `n` is due, from 0.
  base::Time due(std::uint64_t n) const {
    return begin_ + base::Duration(static_cast<std::int64_t>(static_cast<double>(n) * 1e9 / per_second_));
  }
  /// How many are due by `now`.
  std::uint64_t count(base::Time now) const {
    if (now < begin_) return 0;
    auto n = static_cast<std::uint64_t>(static_cast<double>((now - begin_).count()) * per_second_ / 1e9);
    while (due(n) <= now) ++n;
    while (n > 0 && due(n - 1) > now) --n;
    return n;
  }

 private:
  base::Time begin_;
  double per_second_;
};

}  // namespace shoal::bench
