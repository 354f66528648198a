#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.hpp"

namespace shoal::io {

class TimerQueue;

/// A deadline and what happens then. Derive, or be a member's base; destruction cancels. Not movable:
/// the queue points at it.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  bool armed() const { return index_ < kDue; }
  base::Time deadline() const { return deadline_; }

 protected:
  virtual ~Timer();
  /// Called once per arming, when the deadline has passed; may arm again or destroy the timer.
  virtual void on_deadline(base::Time now) = 0;

 private:
  friend class TimerQueue;
  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::uint32_t kDue = kNone / 2;  // added to the place in the list of a run in progress

  TimerQueue* queue_ = nullptr;
  base::Time deadline_ = base::kNever;
  std::uint32_t index_ = kNone;  // in the heap, or kDue and more
};

/// The deadlines of one reactor: a binary heap, so that nobody has to tick. Pure: time is an
/// argument. Outlives its timers' armed time; one thread.
class TimerQueue {
 public:
  TimerQueue() = default;
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  /// Arms or moves a timer.
  void arm(Timer& timer, base::Time deadline);
  void cancel(Timer& timer);
  /// Gives back what it took when there were more.
  void shrink() { heap_.shrink_to_fit(); }
  /// The earliest deadline, or `base::kNever`.
  base::Time next() const { return heap_.empty() ? base::kNever : heap_.front()->deadline_; }
  /// Calls everything that is due. A timer armed meanwhile for `now` or earlier waits for the next call.
  void run(base::Time now);

 private:
  void place(Timer* timer, std::size_t index);
  void up(std::size_t index);
  void down(std::size_t index);
  void remove(std::size_t index);
  void forget_due(Timer& timer);

  std::vector<Timer*> heap_;
  std::vector<Timer*> due_;  // of the run in progress: taken off the heap, not called yet
};

}  // namespace shoal::io
