#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace shoal::broker {

/// Tokens that come back at a steady rate, as many as those of one second saved up. May go into debt: what
/// cannot be refused, only followed by a wait. A value.
class RateLimit {
 public:
  /// 0: unlimited.
  explicit RateLimit(std::uint64_t per_second = 0)
      : per_second_(static_cast<double>(per_second)), tokens_(per_second_) {}

  bool limited() const { return per_second_ > 0; }

  /// Takes one; false when there is none yet.
  bool take(base::Time now) {
    if (!limited()) return true;
    refill(now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  /// Takes `count` in any case, and returns how long to wait until nothing is owed.
  base::Duration spend(double count, base::Time now) {
    if (!limited()) return {};
    refill(now);
    tokens_ -= count;
    if (tokens_ >= 0) return {};
    return std::chrono::ceil<base::Duration>(std::chrono::duration<double>(std::min(-tokens_ / per_second_, kWaitMax)));
  }
  /// Until `take` may succeed again.
  base::Duration wait() const {
    return std::chrono::ceil<base::milliseconds>(
        std::chrono::duration<double>((1 - std::min(tokens_, 1.0)) / per_second_));
  }

 private:
  static constexpr double kWaitMax = 3600;  // seconds

  void refill(base::Time now) {
    tokens_ = std::min(per_second_, tokens_ + std::chrono::duration<double>(now - last_).count() * per_second_);
    last_ = now;
  }

  double per_second_;
  double tokens_;
  base::Time last_{};
};

}  // namespace shoal::broker
