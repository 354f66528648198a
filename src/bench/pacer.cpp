#include "bench/pacer.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace shoal::bench {

Pacer::Pacer(io::Reactor& reactor, Pace pace, base::Time end, Due due)
    : reactor_(reactor),
      pace_(pace),
      end_(end),
      due_(std::move(due)),
      // The reactor's own deadlines are whole milliseconds.
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (!timer_) {
    works_ = Error{ErrorCode::io, std::string("a timer cannot be set up: ") + std::strerror(errno)};
    return;
  }
  works_ = reactor_.add(timer_.get(), EPOLLIN, *this);
  arm(pace_.due(0));
}

Pacer::~Pacer() {
  if (timer_) reactor_.remove(timer_.get());
}

void Pacer::arm(base::Time at) {
  const auto ns = std::max<std::int64_t>(1, at.time_since_epoch().count());
  itimerspec when{};
  when.it_value.tv_sec = ns / 1'000'000'000;
  when.it_value.tv_nsec = ns % 1'000'000'000;
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Pacer::on_events(std::uint32_t) {
  std::uint64_t times;
  [[maybe_unused]] const ssize_t got = ::read(timer_.get(), &times, sizeof times);
  const base::Time now = io::Reactor::read_clock();
  for (; !ended() && pace_.due(next_) <= now; ++next_) due_(next_, pace_.due(next_), now);
  if (!ended()) arm(pace_.due(next_));
}

}  // namespace shoal::bench
