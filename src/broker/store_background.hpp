#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "io/reactor.hpp"
#include "io/task_pool.hpp"
#include "store/log.hpp"

namespace shoal::broker {

/// One instance's work for the threads of the process that may block: one piece at a time, and what follows it on the
/// instance's reactor. Belongs to the reactor's thread.
class StoreBackground final : public store::Background {
 public:
  StoreBackground(io::Reactor& reactor, io::TaskPool& pool) : reactor_(reactor), pool_(pool) {}
  /// Waits for what is being done.
  ~StoreBackground() { finish(); }
  StoreBackground(const StoreBackground&) = delete;
  StoreBackground& operator=(const StoreBackground&) = delete;

  void run(std::function<void()> work, std::function<void()> done) override;
  void finish() override;
  bool alone() const override { return reactor_.guests() <= 1; }

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  struct State {
    std::mutex mutex;
    std::condition_variable idle;
    std::deque<Job> waiting;
    std::deque<std::function<void()>> done;  // to be called
    bool running = false;
  };

  static void work(State& state, io::Reactor& reactor, const std::weak_ptr<State>& owner);
  static void tell(State& state);

  io::Reactor& reactor_;
  io::TaskPool& pool_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace shoal::broker
