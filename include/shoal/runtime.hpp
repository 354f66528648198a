#pragma once

#include <functional>
#include <memory>

#include "shoal/result.hpp"

namespace shoal {

/// How a Runtime gets its threads.
struct RuntimeOptions {
  /// Reactors, 1 to 256. Each is one thread with one event loop; instances are spread over them.
  unsigned threads = 1;
  /// True: the thread that calls `run()` is the first reactor, and only `threads - 1` are started.
  bool use_calling_thread = false;
};

/// The threads that brokers live on. A resource: neither copied nor moved; it outlives its brokers.
/// Threads start with the first `Broker::start` and are joined by the destructor. Nothing here
/// installs signal handlers, writes to stdout or ends the process.
class Runtime {
 public:
  explicit Runtime(RuntimeOptions options = {});
  /// Joins the threads. All brokers of this runtime must be gone.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Runs the first reactor on this thread until `stop()`. Only with `use_calling_thread`; must be
  /// the thread that made the Runtime.
  Result<void> run();
  /// Makes `run()` return after the current turn. Any thread.
  void stop();

  /// Calls `ready` on the first reactor's thread whenever `fd` is readable or hung up, until
  /// `unwatch`. The descriptor stays the caller's. Only from the first reactor's thread (with
  /// `use_calling_thread`: also before `run()`).
  Result<void> watch(int fd, std::function<void()> ready);
  void unwatch(int fd);

  struct Impl;  // internal
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace shoal
