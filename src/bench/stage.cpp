#include "bench/stage.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "bench/scatter.hpp"

namespace shoal::bench {
namespace {

constexpr base::Duration kLineEvery = base::seconds(1);
constexpr std::uint64_t kBusyMessages = 64;

std::uint32_t draw_run(base::Time now) {
  const auto time = static_cast<std::uint64_t>(now.time_since_epoch().count());
  return static_cast<std::uint32_t>(scatter(time ^ static_cast<std::uint64_t>(::getpid()) << 32));
}

}  // namespace

Stage::Stage(io::Reactor& reactor, const Settings& settings)
    : reactor_(reactor),
      settings_(settings),
      run_(draw_run(io::Reactor::read_clock())),
      root_(fmt::format("b{:08x}", run_)) {
  reactor_.adopt_thread();
  shown_ = io::Reactor::read_clock();
  next_line_ = shown_ + kLineEvery;
}

std::string Stage::new_client_id() { return fmt::format("{}{:05x}", root_, client_ids_++); }

void Stage::fail(const std::string& why) {
  if (failure_.empty()) failure_ = why;
}

void Stage::nap(base::Duration duration, std::function<std::uint64_t()> messages) {
  nap_ = duration;
  messages_ = std::move(messages);
}

Stage::Waited Stage::wait(const std::function<bool()>& done, base::Time limit, unsigned interrupts) {
  limit_ = limit;
  reactor_.timers().arm(*this, std::min(limit_, next_line_));
  while (true) {
    if (done()) return Waited::done;
    if (failed() || interrupts_ >= interrupts) return Waited::stopped;
    if (io::Reactor::read_clock() >= limit) return Waited::late;
    if (nap_ > base::Duration::zero()) rest();
    reactor_.turn();
  }
}

void Stage::linger(base::Duration length) {
  wait([] { return false; }, io::Reactor::read_clock() + length, 2);
}

void Stage::rest() {
  const std::uint64_t messages = messages_();
  const std::uint64_t brought = messages - messages_before_;
  messages_before_ = messages;
  if (brought < kBusyMessages) std::this_thread::sleep_for(nap_);
}

void Stage::on_deadline(base::Time now) {
  if (now >= next_line_) {
    const double seconds = std::chrono::duration<double>(now - shown_).count();
    shown_ = now;
    next_line_ = now + kLineEvery;
    if (line_ && settings_.progress) settings_.progress(line_(seconds));
  }
  reactor_.timers().arm(*this, limit_ > now ? std::min(limit_, next_line_) : next_line_);
}

}  // namespace shoal::bench
