#pragma once

#include <cstdint>

namespace shoal::bench {

/// What was wrong with deliveries. A value.
struct Faults {
  std::uint64_t lost = 0;
  std::uint64_t duplicates = 0;    ///< at QoS 1 allowed, and told all the same
  std::uint64_t out_of_order = 0;  ///< overtaken by a later one of the same publisher
  std::uint64_t misdelivered = 0;  ///< arrived where nobody had asked for it
  std::uint64_t damaged = 0;       ///< is not what was sent
  std::uint64_t refused = 0;       ///< publishes answered with an error code
};

}  // namespace shoal::bench
