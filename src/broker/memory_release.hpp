#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

#include "io/timer_queue.hpp"

namespace shoal::broker {

/// Notices that an instance needs much less memory than it did: what tables and pools took for more is given back
/// then. That costs one wake-up a second after a burst's end, so that bursts which follow each other keep what they
/// will need; an idle instance has none. Pure; the shard's thread.
class MemoryRelease final : public io::Timer {
 public:
  /// What is less is not worth it.
  static constexpr std::uint64_t kLeast = 512 * 1024;
  static constexpr base::Duration kAfter = base::seconds(1);

  MemoryRelease(io::TimerQueue& timers, std::function<void()> release)
      : timers_(timers), release_(std::move(release)) {}

  /// About what the instance needs now; at every turn's end.
  void note(std::uint64_t bytes, base::Time now) {
    bytes_ = bytes;
    most_ = std::max(most_, bytes);
    if (fell() && !armed()) timers_.arm(*this, now + kAfter);
  }

 private:
  bool fell() const { return most_ - bytes_ >= kLeast && bytes_ <= most_ / 2; }
  void on_deadline(base::Time) override {
    if (!fell()) return;
    most_ = bytes_;
    release_();
  }

  io::TimerQueue& timers_;
  std::function<void()> release_;
  std::uint64_t bytes_ = 0;
  std::uint64_t most_ = 0;  // since it last gave something back
};

}  // namespace shoal::broker
