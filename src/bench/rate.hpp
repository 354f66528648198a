#pragma once

#include <cstdint>
#include <utility>

namespace shoal::bench {

/// How fast a count grows, from one look to the next. Pure.
class Rate {
 public:
  /// A second, over the `seconds` since the last look.
  double look(std::uint64_t count, double seconds) {
    return static_cast<double>(count - std::exchange(before_, count)) / seconds;
  }

 private:
  std::uint64_t before_ = 0;
};

}  // namespace shoal::bench
