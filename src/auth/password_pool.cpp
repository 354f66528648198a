#include "auth/password_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "auth/fair_queue.hpp"
#include "base/signals_blocked.hpp"

namespace shoal::auth {
struct PasswordPool::Impl {
  /// One thread, or the room for one.
  struct Slot {
    std::thread thread;
    bool live = false;
    InstanceKey serving = nullptr;  ///< whose job it runs
    bool cancelled = false;         ///< that job's `done` must not be called
    bool completing = false;        ///< `done` runs now
  };

  explicit Impl(PasswordPoolOptions o)
      : options(o), slots(std::clamp(o.threads, 1u, std::max(1u, std::thread::hardware_concurrency()))) {}

  unsigned live() const {
    return static_cast<unsigned>(std::count_if(slots.begin(), slots.end(), [](const Slot& s) { return s.live; }));
  }

  /// Starts one more thread when the idle ones cannot take what is queued. Needs the lock.
  void start_thread() {
    if (queue.size() <= idle) return;
    const auto free = std::find_if(slots.begin(), slots.end(), [](const Slot& s) { return !s.live; });
    if (free == slots.end()) return;
    if (free->thread.joinable()) free->thread.join();  // it has left run() but for its last lines
    try {
      const base::SignalsBlocked blocked;
      free->thread = std::thread([this, slot = &*free] { run(*slot); });
      free->live = true;
    } catch (const std::system_error&) {
      // The threads there are go on; with none, submit() refuses.
    }
  }

  void run(Slot& slot) {
    std::unique_lock lock(mutex);
    while (wait_for_job(lock)) {
      serve(slot, lock);
    }
    slot.live = false;
  }

  /// False: nothing to do for long, or the pool ends.
  bool wait_for_job(std::unique_lock<std::mutex>& lock) {
    ++idle;
    const bool woken = work.wait_for(lock, options.idle_limit, [this] { return stopping || !queue.empty(); });
    --idle;
    return woken && !stopping;
  }

  void serve(Slot& slot, std::unique_lock<std::mutex>& lock) {
    auto [owner, job] = *queue.pop();
    slot.serving = owner;
    slot.cancelled = false;
    lock.unlock();
    const Verdict verdict = job.verify();
    lock.lock();
    if (!slot.cancelled) {
      slot.completing = true;
      lock.unlock();
      job.done(verdict);
      lock.lock();
      slot.completing = false;
    }
    slot.serving = nullptr;
    ++jobs_done;
    completed.notify_all();
    lock.unlock();
    job = {};  // what it captured goes without the lock
    lock.lock();
  }

  const PasswordPoolOptions options;
  mutable std::mutex mutex;
  std::condition_variable work;       ///< something is queued, or the pool ends
  std::condition_variable completed;  ///< a thread is done with a job
  FairQueue<InstanceKey, Job> queue;
  std::vector<Slot> slots;
  std::size_t idle = 0;
  bool stopping = false;
  std::uint64_t jobs_done = 0;
  std::uint64_t jobs_refused = 0;
};

PasswordPool::PasswordPool(PasswordPoolOptions options) : impl_(std::make_unique<Impl>(options)) {}

PasswordPool::~PasswordPool() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    for (Impl::Slot& slot : impl_->slots) slot.cancelled = true;
  }
  impl_->work.notify_all();
  for (Impl::Slot& slot : impl_->slots) {
    if (slot.thread.joinable()) slot.thread.join();
  }
}

bool PasswordPool::submit(InstanceKey instance, Job job) {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->queue.push(instance, std::move(job), impl_->options.queued_jobs)) {
    ++impl_->jobs_refused;
    return false;
  }
  impl_->start_thread();
  if (impl_->live() == 0) {
    impl_->queue.remove(instance);
    ++impl_->jobs_refused;
    return false;
  }
  impl_->work.notify_one();
  return true;
}

void PasswordPool::cancel(InstanceKey instance) {
  std::unique_lock lock(impl_->mutex);
  const auto dropped = impl_->queue.remove(instance);
  for (Impl::Slot& slot : impl_->slots) {
    if (slot.serving == instance) slot.cancelled = true;
  }
  impl_->completed.wait(lock, [this, instance] {
    return std::none_of(impl_->slots.begin(), impl_->slots.end(),
                        [&](const Impl::Slot& slot) { return slot.completing && slot.serving == instance; });
  });
  lock.unlock();
}

PasswordPoolStats PasswordPool::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return {impl_->live(), impl_->queue.size(), impl_->jobs_done, impl_->jobs_refused};
}

}  // namespace shoal::auth
