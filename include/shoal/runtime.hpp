#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "shoal/result.hpp"

namespace shoal {

/// By which a `Pulse` names a broker: the 64-bit FNV-1a hash of its name, never 0.
constexpr std::uint64_t pulse_id(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash == 0 ? 1 : hash;
}

/// What a reactor is doing, for who watches it from outside: another thread, or a process that shares the memory.
struct alignas(64) Pulse {
  /// When the turn under way began, in nanoseconds of the steady clock (CLOCK_MONOTONIC). 0: the reactor sleeps.
  std::atomic<std::int64_t> busy_since{0};
  /// `pulse_id` of the broker it works for. 0: none in particular.
  std::atomic<std::uint64_t> broker{0};
};

/// How a Runtime gets its threads.
struct RuntimeOptions {
  /// Reactors, 1 to 256. Each is one thread with one event loop; instances are spread over them.
  unsigned threads = 1;
  /// True: the thread that calls `run()` is the first reactor, and only `threads - 1` are started.
  bool use_calling_thread = false;
  /// Where the reactors show what they do, the n-th one in the n-th; they outlive the Runtime. Fewer than `threads`:
  /// the others do not show it.
  std::span<Pulse> pulses{};
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

  /// From now on there are at least so many reactors, 1 to 256. Any thread.
  void set_threads(unsigned threads);

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
