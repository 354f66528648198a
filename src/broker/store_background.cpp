#include "broker/store_background.hpp"

#include <utility>

namespace shoal::broker {

void StoreBackground::run(std::function<void()> work, std::function<void()> done) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->waiting.push_back({std::move(work), std::move(done)});
    if (std::exchange(state_->running, true)) return;
  }
  auto task = [state = state_, reactor = &reactor_] { StoreBackground::work(*state, *reactor, state); };
  // Without a thread it blocks those here.
  if (!pool_.submit(task)) task();
}

// Everything that waits, and what comes meanwhile.
void StoreBackground::work(State& state, io::Reactor& reactor, const std::weak_ptr<State>& owner) {
  std::unique_lock lock(state.mutex);
  while (!state.waiting.empty()) {
    Job job = std::move(state.waiting.front());
    state.waiting.pop_front();
    lock.unlock();
    job.work();
    lock.lock();
    state.done.push_back(std::move(job.done));
    reactor.post([owner] {
      if (const auto there = owner.lock()) tell(*there);
    });
  }
  state.running = false;
  state.idle.notify_all();
}

void StoreBackground::tell(State& state) {
  for (;;) {
    std::function<void()> done;
    {
      const std::lock_guard lock(state.mutex);
      if (state.done.empty()) return;
      done = std::move(state.done.front());
      state.done.pop_front();
    }
    done();
  }
}

void StoreBackground::finish() {
  const auto state = state_;
  {
    std::unique_lock lock(state->mutex);
    state->idle.wait(lock, [&] { return !state->running; });
  }
  tell(*state);
}

}  // namespace shoal::broker
