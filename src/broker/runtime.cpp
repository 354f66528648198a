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
    if (!first) first = reactors.front().get();
  }
  return {};
}

Result<std::vector<io::Reactor*>> Runtime::Impl::next_reactors(unsigned count) {
  if (auto started = start(); !started) return std::move(started).error();
  const std::lock_guard lock(mutex);
  if (count > reactors.size()) {
    return Error{ErrorCode::invalid_argument, "threads = " + std::to_string(count) + " is more than the runtime's " +
                                                  std::to_string(reactors.size())};
  }
  std::vector<io::Reactor*> some;
  for (unsigned i = 0; i < count; ++i) some.push_back(reactors[next++ % reactors.size()].get());
  return some;
}

Runtime::Runtime(RuntimeOptions options) : impl_(std::make_unique<Impl>(options)) {}
Runtime::~Runtime() = default;

void Runtime::set_threads(unsigned threads) {
  const std::lock_guard lock(impl_->mutex);
  impl_->options.threads = std::clamp(threads, impl_->options.threads, 256u);
}

Result<void> Runtime::run() {
  if (!impl_->options.use_calling_thread) {
    return Error{ErrorCode::invalid_argument, "Runtime::run needs use_calling_thread"};
  }
  if (auto started = impl_->start(); !started) return started;
  impl_->first->run();
  return {};
}

void Runtime::stop() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->options.use_calling_thread && impl_->first) impl_->first->stop();
}

Result<void> Runtime::watch(int fd, std::function<void()> ready) {
  if (auto started = impl_->start(); !started) return started;
  auto watch = std::make_unique<Impl::Watch>(std::move(ready));
  if (auto added = impl_->first->add(fd, EPOLLIN, *watch); !added) return added;
  impl_->watches[fd] = std::move(watch);
  return {};
}

void Runtime::unwatch(int fd) {
  const auto found = impl_->watches.find(fd);
  if (found == impl_->watches.end()) return;
  impl_->first->remove(fd);
  found->second->over = true;
  // Its callback may be what is running.
  impl_->first->dispose(std::shared_ptr<Impl::Watch>(std::move(found->second)));
  impl_->watches.erase(found);
}

}  // namespace shoal
