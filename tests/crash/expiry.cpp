#include "expiry.hpp"

#include <algorithm>

#include "world.hpp"

namespace shoal::crash {
namespace {

// What this process may see later than the server did it, and what the server may do later than it is due.
constexpr milliseconds kBefore{1'000};
constexpr milliseconds kBehind{500};

}  // namespace

void Brief::act() {
  Random& random = world_.random();
  if (closed_) {
    if (world_.kills != closed_kills_) {
      last_ = world_.killed_at();
      closed_ = false;
    } else if (world_.committed() > last_) {
      closed_ = false;
    }
  }
  if (online() && wanted_ && !world_.calm() && random.permille(8)) {
    goodbye_at_ = Clock::now();
    say_goodbye();
  }
  if (!wanted_ && !wire().is_open() && Clock::now() >= back_at_) wanted_ = true;
}

void Brief::check_present(bool present) {
  constexpr std::chrono::seconds kKept(kExpiry);
  const auto now = Clock::now();
  const auto ms = [](Clock::duration length) {
    return std::to_string(std::chrono::duration_cast<milliseconds>(length).count()) + " ms";
  };
  if (known_ && now < first_ + kKept - kBefore) {
    ++world_.ledger().checks;
    if (!present) fail("missing: its session of 2 s, after " + ms(now - first_));
  }
  if (known_ && opened_at_ > last_ + kKept + kBehind) {
    ++world_.ledger().checks;
    if (present) fail("its session of 2 s is there after " + ms(opened_at_ - last_));
  }
  known_ = true;
  online_at_ = now;
}

void Brief::on_offline(bool online, bool killed) {
  const auto now = Clock::now();
  Random& random = world_.random();
  closed_ = false;
  if (!online) {
    known_ = false;  // CONNECT may have been taken or not
  } else {
    // After a kill the session waits since the server last wrote something.
    first_ = std::max(online_at_, world_.last_acknowledgement());
    if (!killed) first_ = std::min(first_, goodbye_at_);
    last_ = now;
    closed_ = !killed;
    closed_kills_ = world_.kills;
  }
  wanted_ = false;
  back_at_ = now + milliseconds(random.chance(60) ? random.below(600) : random.between(2'600, 3'400));
}

}  // namespace shoal::crash
