#pragma once

#include <chrono>

namespace shoal::base {

/// Monotonic time. The pure modules get it as an argument; only `io` reads the clock.
using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// Later than every deadline.
inline constexpr Time kNever = Time::max();

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace shoal::base
