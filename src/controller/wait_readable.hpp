#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace shoal::controller {

/// Waits until there is something to read at a descriptor; at a process's, until it has ended. False when that is not
/// so at `until`, which may be over. Blocks; any thread.
inline bool wait_readable(int fd, std::chrono::steady_clock::time_point until) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
  pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(0, left))) == 1;
}

}  // namespace shoal::controller
