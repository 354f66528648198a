#include "io/reactor.hpp"

#include <malloc.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <utility>

namespace shoal::io {
namespace {

Error system_error(const char* what) {
  const ErrorCode code = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOSPC
                             ? ErrorCode::resource_exhausted
                             : ErrorCode::io;
  return {code, std::string(what) + ": " + std::strerror(errno)};
}

}  // namespace

base::Time Reactor::read_clock() { return std::chrono::steady_clock::now(); }

Result<std::unique_ptr<Reactor>> Reactor::open(Pulse* pulse) {
  std::unique_ptr<Reactor> reactor(new Reactor());
  if (pulse) reactor->pulse_ = pulse;
  reactor->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!reactor->epoll_) return system_error("epoll cannot be set up");
  reactor->wakeup_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!reactor->wakeup_) return system_error("eventfd cannot be set up");
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (::epoll_ctl(reactor->epoll_.get(), EPOLL_CTL_ADD, reactor->wakeup_.get(), &event) != 0) {
    return system_error("epoll cannot watch the mailbox");
  }
  reactor->now_ = read_clock();
  // Pages of it are used as reads need them; an idle reactor owns none.
  reactor->scratch_ = std::make_unique_for_overwrite<std::uint8_t[]>(kScratchBytes);
  return reactor;
}

Reactor::~Reactor() = default;

void Reactor::run() {
  thread_ = std::this_thread::get_id();
  {
    const std::lock_guard lock(mailbox_mutex_);
    ended_ = false;
  }
  while (!stopping_.load(std::memory_order_acquire)) turn();
  run_mailbox(true);
  end_turn();
  stopping_ = false;
}

void Reactor::stop() {
  stopping_.store(true, std::memory_order_release);
  wake();
}

void Reactor::turn() {
  int timeout = -1;
  if (!ends_.empty()) {
    timeout = 0;  // asked for at the end of the last turn, or before `run`
  } else if (const base::Time next = timers_.next(); next != base::kNever) {
    const auto left = std::chrono::ceil<base::milliseconds>(next - read_clock()).count();
    timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
  }
  if (!may_sleep()) timeout = 0;
  std::array<epoll_event, 256> events;
  if (timeout != 0) pulse_->busy_since.store(0, std::memory_order_relaxed);
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
  if (!inboxes_.empty()) sleeping_.store(false, std::memory_order_relaxed);
  now_ = served_since_ = read_clock();
  pulse_->busy_since.store(now_.time_since_epoch().count(), std::memory_order_relaxed);
  bool mail = false;
  dispatching_ = true;
  for (std::size_t i = 0; i < inboxes_.size(); ++i) {
    if (inboxes_[i]->has_mail()) inboxes_[i]->on_mail();
  }
  for (int i = 0; i < count; ++i) {
    if (auto* handler = static_cast<EventHandler*>(events[i].data.ptr)) handler->on_events(events[i].events);
    else mail = true;
  }
  timers_.run(now_);
  dispatching_ = false;
  disposed_.clear();
  if (mail) run_mailbox();
  end_turn();
  serve(nullptr);
}

// Who puts something into an inbox looks at `sleeping_` after that, and this looks at the inboxes after it has said
// that it sleeps: one of them sees the other.
bool Reactor::may_sleep() {
  if (inboxes_.empty()) return true;
  sleeping_.store(true);
  return std::none_of(inboxes_.begin(), inboxes_.end(), [](const Inbox* inbox) { return inbox->has_mail(); });
}

void Reactor::serve_another(Guest* guest) {
  // The only guest has the turn from its beginning, without a look at the clock.
  const bool alone = !served_now_ && guests_ == 1;
  const base::Time now = alone ? served_since_ : read_clock();
  if (served_now_) served_now_->served_ += now - served_since_;
  served_now_ = guest;
  served_since_ = now;
  pulse_->broker.store(guest ? guest->id_ : 0, std::memory_order_relaxed);
}

void Reactor::end_turn() {
  dispatching_ = true;
  ending_.swap(ends_);
  // Last come, first served: who has asked for it since the turn before has most to do.
  for (std::size_t i = ending_.size(); i-- > 0;) {
    TurnEnd* const who = std::exchange(ending_[i], nullptr);
    if (!who) continue;
    who->enlisted_ = false;
    who->on_turn_end();
  }
  ending_.clear();
  dispatching_ = false;
  disposed_.clear();
}

void Reactor::dispose(std::shared_ptr<void> object) {
  if (dispatching_) disposed_.push_back(std::move(object));
}

void Reactor::release_memory() {
  if (!release_.armed()) timers_.arm(release_, std::max(now_, release_.next));
}

// Not more often: it takes the longer the more pieces the free memory is in, and others of the process may do the same.
void Reactor::Release::on_deadline(base::Time now) {
  next = now + base::seconds(1);
  reactor_.chunks_.trim();
  reactor_.timers_.shrink();
  // Whole pages of the buffer, which nobody reads from now.
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(reactor_.scratch_.get()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(reactor_.scratch_.get()) + kScratchBytes) / page * page;
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  ::malloc_trim(0);
}

void Reactor::forget(TurnEnd& who) {
  if (!who.enlisted_) return;
  who.enlisted_ = false;
  for (auto* list : {&ends_, &ending_}) std::replace(list->begin(), list->end(), &who, static_cast<TurnEnd*>(nullptr));
  std::erase(ends_, nullptr);
}

void Reactor::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wakeup_.get(), &one, sizeof one);
}

void Reactor::post(Task task) {
  bool first;
  {
    const std::lock_guard lock(mailbox_mutex_);
    first = mailbox_.empty();
    mailbox_.push_back(std::move(task));
  }
  if (first) wake();
}

bool Reactor::call(const Task& task) {
  if (on_loop_thread()) {
    // Outside of turns (before `run`) the clock stands still otherwise.
    if (ends_.empty() && ending_.empty()) now_ = read_clock();
    task();
    return true;
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  const auto run_and_tell = [&] {
    task();
    // Under the lock: the waiter's stack must not go before notify has returned.
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_one();
  };
  bool first;
  {
    const std::lock_guard lock(mailbox_mutex_);
    if (ended_) return false;
    first = mailbox_.empty();
    mailbox_.push_back(run_and_tell);
  }
  if (first) wake();
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
  return true;
}

void Reactor::run_mailbox(bool last) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wakeup_.get(), &count, sizeof count);
  {
    const std::lock_guard lock(mailbox_mutex_);
    reading_.swap(mailbox_);
    ended_ = last;
  }
  for (Task& task : reading_) {
    serve(nullptr);
    task();
  }
  reading_.clear();
}

Result<void> Reactor::add(int fd, std::uint32_t events, EventHandler& handler) {
  epoll_event event{.events = events, .data = {.ptr = &handler}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return system_error("epoll cannot watch a descriptor");
  return {};
}

void Reactor::modify(int fd, std::uint32_t events, EventHandler& handler) {
  epoll_event event{.events = events, .data = {.ptr = &handler}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Reactor::remove(int fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

}  // namespace shoal::io
