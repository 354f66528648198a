#include "io/timer_queue.hpp"

namespace shoal::io {

Timer::~Timer() {
  if (queue_) queue_->cancel(*this);
}

TimerQueue::~TimerQueue() {
  for (Timer* timer : heap_) {
    timer->queue_ = nullptr;
    timer->index_ = Timer::kNone;
  }
}

void TimerQueue::place(Timer* timer, std::size_t index) {
  heap_[index] = timer;
  timer->index_ = static_cast<std::uint32_t>(index);
}

void TimerQueue::up(std::size_t index) {
  Timer* const timer = heap_[index];
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (heap_[parent]->deadline_ <= timer->deadline_) break;
    place(heap_[parent], index);
    index = parent;
  }
  place(timer, index);
}

void TimerQueue::down(std::size_t index) {
  Timer* const timer = heap_[index];
  for (;;) {
    std::size_t child = index * 2 + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_) ++child;
    if (timer->deadline_ <= heap_[child]->deadline_) break;
    place(heap_[child], index);
    index = child;
  }
  place(timer, index);
}

void TimerQueue::remove(std::size_t index) {
  heap_[index]->index_ = Timer::kNone;
  Timer* const last = heap_.back();
  heap_.pop_back();
  if (index == heap_.size()) return;
  place(last, index);
  up(index);
  down(last->index_);
}

void TimerQueue::arm(Timer& timer, base::Time deadline) {
  timer.queue_ = this;
  timer.deadline_ = deadline;
  forget_due(timer);
  if (timer.index_ == Timer::kNone) {
    heap_.push_back(&timer);
    timer.index_ = static_cast<std::uint32_t>(heap_.size() - 1);
    up(timer.index_);
  } else {
    up(timer.index_);
    down(timer.index_);
  }
}

void TimerQueue::cancel(Timer& timer) {
  if (timer.armed()) remove(timer.index_);
  forget_due(timer);
  timer.queue_ = nullptr;
}

// It is not to be called by the run in progress.
void TimerQueue::forget_due(Timer& timer) {
  if (timer.index_ == Timer::kNone || timer.armed()) return;
  due_[timer.index_ - Timer::kDue] = nullptr;
  timer.index_ = Timer::kNone;
}

void TimerQueue::run(base::Time now) {
  while (!heap_.empty() && heap_.front()->deadline_ <= now) {
    Timer* const timer = heap_.front();
    remove(0);
    timer->index_ = Timer::kDue + static_cast<std::uint32_t>(due_.size());
    due_.push_back(timer);
  }
  for (std::size_t i = 0; i < due_.size(); ++i) {
    Timer* const timer = due_[i];
    if (!timer) continue;
    forget_due(*timer);
    timer->queue_ = nullptr;
    timer->on_deadline(now);
  }
  due_.clear();
}

}  // namespace shoal::io
