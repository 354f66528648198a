#include "wills.hpp"

#include "world.hpp"

namespace shoal::crash {
namespace {

// Besides its delay: for a restart or some.
constexpr milliseconds kMargin{15'000};

}  // namespace

std::string WillBook::missing() const {
  for (const auto& [payload, life] : lives) {
    if (life.must && !life.came) return "the will " + payload + " of round " + std::to_string(life.round);
  }
  return {};
}

void WillWatcher::act() {
  send_acks();
  const auto now = Clock::now();
  for (const auto& [payload, life] : book_.lives) {
    if (life.must && !life.came && now > life.until) {
      fail("missing: the will " + payload + " of round " + std::to_string(life.round));
    }
  }
}

void WillWatcher::on_online(bool) {
  if (!subscribed_) subscribe({{"w/#", 2}});
}

void WillWatcher::on_message(const mqtt::Publish& message) {
  const std::string payload(base::as_text(message.payload));
  const auto found = book_.lives.find(payload);
  if (found == book_.lives.end()) fail("a will that nobody has: " + payload);
  WillBook::Life& life = found->second;
  if (life.came) fail("twice: the will " + payload + " of round " + std::to_string(life.round));
  if (life.never) fail("the will " + payload + " of a client that had said DISCONNECT");
  life.came = true;
  ++world_.ledger().checks;
}

void WillOwner::on_opening() {
  will_ = WillWanted{
      .topic = "w/" + id(), .payload = id() + "#" + std::to_string(number_++), .qos = 2, .delay_s = delay_s_};
  book_.lives[will_->payload] = {.round = world_.round};
  said_goodbye_ = closed_ = false;
}

void WillOwner::act() {
  Random& random = world_.random();
  if (closed_) {
    if (world_.kills != closed_kills_) {
      closed_ = false;  // the DISCONNECT may have been lost
    } else if (world_.committed() > closed_at_) {
      closed_ = false;
      life().never = true;
      ++world_.ledger().checks;
      if (life().came) fail("its will came although it had said DISCONNECT");
    }
  }
  if (stays_away_) {
    if (!life().came) return;
    stays_away_ = false;
    wanted_ = true;
  }
  if (world_.calm()) return;
  if (online() && random.permille(5)) {
    if (random.chance(70)) {
      said_goodbye_ = true;
      say_goodbye();
    } else {
      hang_up();
    }
  } else if (!wanted_ && !wire().is_open() && random.permille(30)) {
    wanted_ = true;
  }
}

void WillOwner::on_offline(bool online, bool killed) {
  if (!online) return;  // CONNECT may have been taken or not: its will comes or does not
  if (said_goodbye_) {
    closed_ = !killed;
    closed_at_ = Clock::now();
    closed_kills_ = world_.kills;
    return;
  }
  // One with a delay goes when its client comes back in time (MQTT-3.1.3-9).
  if (delay_s_ != 0) {
    if (!world_.random().chance(50)) return;
    stays_away_ = true;
    wanted_ = false;
  }
  life().must = true;
  life().until = Clock::now() + std::chrono::seconds(delay_s_) + kMargin;
}

}  // namespace shoal::crash
