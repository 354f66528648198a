#include "io/task_pool.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/signals_blocked.hpp"

namespace shoal::io {

TaskPool::~TaskPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (Slot& slot : slots_) {
    if (slot.thread.joinable()) slot.thread.join();
  }
}

bool TaskPool::submit(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  if (tasks_.size() > idle_ && !start_thread() &&
      std::none_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.live; })) {
    tasks_.pop_back();
    return false;
  }
  work_.notify_one();
  return true;
}

// One more, when there may be.
bool TaskPool::start_thread() {
  auto free = std::find_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return !slot.live; });
  if (free == slots_.end()) {
    if (slots_.size() >= threads_max_) return false;
    free = slots_.emplace(slots_.end());
  }
  if (free->thread.joinable()) free->thread.join();  // it has left run() but for its last lines
  try {
    const base::SignalsBlocked blocked;
    free->thread = std::thread([this, slot = &*free] { run(*slot); });
    free->live = true;
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

void TaskPool::run(Slot& slot) {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    const bool woken = work_.wait_for(lock, idle_limit_, [this] { return stopping_ || !tasks_.empty(); });
    --idle_;
    if (!woken || tasks_.empty()) break;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = {};  // what it captured goes without the lock
    lock.lock();
  }
  slot.live = false;
}

}  // namespace shoal::io
