#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "auth/verdict.hpp"

namespace shoal::auth {

/// Who a job belongs to; `Authenticator::key()`. Only compared.
using InstanceKey = const void*;

struct PasswordPoolOptions {
  unsigned threads = 2;                        ///< at most; never more than the hardware has
  std::size_t queued_jobs = 10'000;            ///< per instance, then `submit` refuses
  std::chrono::milliseconds idle_limit{5000};  ///< a thread without work for this long ends
};

struct PasswordPoolStats {
  unsigned threads_now = 0;
  std::size_t queued_now = 0;
  std::uint64_t jobs_done = 0;
  std::uint64_t jobs_refused = 0;  ///< an instance's queue was full
};

/// The threads that hash passwords, one pool per process part (shoal::Runtime), shared by its
/// instances. Fair by instance: instances with jobs take turns, so one that is flooded with wrong
/// passwords delays another by a few hashes at most. Threads start with the first job and end when
/// idle: a pool without work has no thread and no wake-up. A resource; functions from any thread.
class PasswordPool {
 public:
  /// One password to check. `verify` runs on a pool thread without locks; `done` right after it on
  /// the same thread. `done` must be short, must not throw and must not call `cancel`; it usually
  /// posts to a reactor.
  struct Job {
    std::function<Verdict()> verify;
    std::function<void(Verdict)> done;
  };

  explicit PasswordPool(PasswordPoolOptions options = {});
  /// Drops what is queued (without calling `done`) and joins the threads.
  ~PasswordPool();
  PasswordPool(const PasswordPool&) = delete;
  PasswordPool& operator=(const PasswordPool&) = delete;

  /// Queues a job. False: this instance's queue is full (or no thread can be started), the job is
  /// dropped and nothing of it is called; answer the client as busy (0x97; MQTT 3.1.1: 0x03).
  [[nodiscard]] bool submit(InstanceKey instance, Job job);

  /// Drops the instance's jobs. When it returns no `done` of this instance is running or will run;
  /// a `verify` may still be, and must own what it uses. Waits for a `done` in progress, never for a
  /// hash.
  void cancel(InstanceKey instance);

  PasswordPoolStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shoal::auth
