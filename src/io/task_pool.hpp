#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace shoal::io {

/// Threads for what may block, such as files: up to a number of them, started when there is something to do, and
/// ended when there was nothing for a while. A resource; functions from any thread.
class TaskPool {
 public:
  using Task = std::function<void()>;

  explicit TaskPool(unsigned threads_max = 8, std::chrono::milliseconds idle_limit = std::chrono::seconds(5))
      : threads_max_(threads_max), idle_limit_(idle_limit) {}
  /// Does what was submitted, then joins the threads.
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  /// Has `task` run on one of the threads. False, and it is not run, when there is none and none can be started.
  [[nodiscard]] bool submit(Task task);

 private:
  struct Slot {
    std::thread thread;
    bool live = false;
  };

  bool start_thread();
  void run(Slot& slot);

  const unsigned threads_max_;
  const std::chrono::milliseconds idle_limit_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Task> tasks_;
  std::deque<Slot> slots_;
  unsigned idle_ = 0;
  bool stopping_ = false;
};

}  // namespace shoal::io
