#include "broker/runtime_impl.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <system_error>

#include "base/signals_blocked.hpp"

namespace shoal {

Runtime::Impl::Impl(RuntimeOptions o) : options(o) { options.threads = std::clamp(options.threads, 1u, 256u); }

Runtime::Impl::~Impl() {
  for (const auto& reactor : reactors) reactor->stop();
  for (std::thread& thread : threads) thread.join();
}

Result<void> Runtime::Impl::start() {
  const std::lock_guard lock(mutex);
  while (reactors.size() < options.threads) {
    const std::size_t number = reactors.size();
    auto reactor = io::Reactor::open(number < options.pulses.size() ? &options.pulses[number] : nullptr);
    if (!reactor) return std::move(reactor).error();
    const bool callers = options.use_calling_thread && reactors.empty();
    if (callers) {
      (*reactor)->adopt_thread();
    } else {
      const base::SignalsBlocked blocked;
      try {
        threads.emplace_back([loop = reactor->get()] { loop->run(); });
      } catch (const std::system_error& error) {
        return Error{ErrorCode::resource_exhausted, std::string("thread cannot be started: ") + error.what()};
      }
    }
    reactors.push_back(std::move(*reactor));
  }
  return {};
}

Result<io::Reactor*> Runtime::Impl::next_reactor() {
  if (auto started = start(); !started) return std::move(started).error();
  const std::lock_guard lock(mutex);
  return reactors[next++ % reactors.size()].get();
}

Runtime::Runtime(RuntimeOptions options) : impl_(std::make_unique<Impl>(options)) {}
Runtime::~Runtime() = default;

Result<void> Runtime::run() {
  if (!impl_->options.use_calling_thread) {
    return Error{ErrorCode::invalid_argument, "Runtime::run needs use_calling_thread"};
  }
  if (auto started = impl_->start(); !started) return started;
  impl_->reactors.front()->run();
  return {};
}

void Runtime::stop() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->options.use_calling_thread && !impl_->reactors.empty()) impl_->reactors.front()->stop();
}

Result<void> Runtime::watch(int fd, std::function<void()> ready) {
  if (auto started = impl_->start(); !started) return started;
  auto watch = std::make_unique<Impl::Watch>(std::move(ready));
  if (auto added = impl_->reactors.front()->add(fd, EPOLLIN, *watch); !added) return added;
  impl_->watches[fd] = std::move(watch);
  return {};
}

void Runtime::unwatch(int fd) {
  const auto found = impl_->watches.find(fd);
  if (found == impl_->watches.end()) return;
  impl_->reactors.front()->remove(fd);
  found->second->over = true;
  // Its callback may be what is running.
  impl_->reactors.front()->dispose(std::shared_ptr<Impl::Watch>(std::move(found->second)));
  impl_->watches.erase(found);
}

}  // namespace shoal
