#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "auth/password_pool.hpp"
#include "io/reactor.hpp"
#include "io/task_pool.hpp"
#include "shoal/runtime.hpp"

namespace shoal {

/// Behind `Runtime`: the reactors, their threads, and the threads that verify passwords or wait for disks.
struct Runtime::Impl {
  explicit Impl(RuntimeOptions options);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  struct Watch final : io::EventHandler {
    explicit Watch(std::function<void()> callback) : ready(std::move(callback)) {}
    void on_events(std::uint32_t) override {
      if (ready && !over) ready();
    }
    std::function<void()> ready;
    bool over = false;  // unwatched; an event of the same turn may still come
  };

  /// Opens the reactors and starts their threads where that has not happened yet. Any thread.
  Result<void> start();
  /// As many different reactors for the next instance. Any thread. Errors: there are not so many.
  Result<std::vector<io::Reactor*>> next_reactors(unsigned count);

  RuntimeOptions options;
  std::mutex mutex;  // of reactors, threads and next
  std::vector<std::unique_ptr<io::Reactor>> reactors;
  io::Reactor* first = nullptr;  // of these; set once, before anybody else's thread knows
  std::vector<std::thread> threads;
  std::size_t next = 0;
  std::map<int, std::unique_ptr<Watch>> watches;  // first reactor's thread
  auth::PasswordPool passwords;                   // joined before the reactors go
  io::TaskPool files;                             // so are these
};

}  // namespace shoal
