#pragma once

#include <cstdint>

#include "bench/stage.hpp"

namespace shoal::bench {

struct RetainedOptions {
  std::uint32_t count = 50'000;  ///< messages, for each broker
  std::uint32_t subscribers = 2;
  unsigned qos = 1;
  std::size_t payload_bytes = 64;  ///< at least Stamp::kBytes
  std::uint32_t window = 100;      ///< unacknowledged while they are stored, 1 to kInflightMax
};

/// Stores retained messages, lets subscribers ask for all of them at once, checks that each gets every one exactly
/// once and as a retained one, and clears them. Blocks; an interrupt ends it early, and clears too.
Report run_retained(Stage& stage, const RetainedOptions& options);

}  // namespace shoal::bench
