#pragma once

#include <algorithm>
#include <cstdint>

namespace shoal::bench {

/// A closed loop's bound: how many messages of one publisher may be on their way. It is refilled when half of it is
/// free, so that packets leave in batches. Pure.
class Window {
 public:
  /// `size`: from 1.
  explicit Window(std::uint64_t size) : size_(size) {}
  /// The server allows fewer.
  void limit(std::uint64_t size) { size_ = std::max<std::uint64_t>(1, std::min(size_, size)); }

  std::uint64_t sent() const { return sent_; }
  std::uint64_t done() const { return done_; }
  std::uint64_t free() const { return sent_ - done_ >= size_ ? 0 : size_ - (sent_ - done_); }
  /// How many to send now: none while less than half of it is free.
  std::uint64_t room() const { return free() >= half() ? free() : 0; }
  /// When `done` reaches this there is room.
  std::uint64_t mark() const { return sent_ + half() > size_ ? sent_ + half() - size_ : 0; }

  void send() { ++sent_; }
  /// One more is done.
  void finish() { ++done_; }
  /// All up to this one are done.
  void finish_to(std::uint64_t sequence) { done_ = std::max(done_, sequence); }

 private:
  std::uint64_t half() const { return (size_ + 1) / 2; }

  std::uint64_t size_;
  std::uint64_t sent_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace shoal::bench
