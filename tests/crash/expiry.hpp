#pragma once

#include "client.hpp"

namespace shoal::crash {

/// Has a session of two seconds, and comes back well before or well after its end.
class Brief : public Client {
 public:
  static constexpr std::uint32_t kExpiry = 2;

  Brief(World& world, std::string id) : Client(world, {.id = std::move(id), .expiry_s = kExpiry}) {}

  void act() override;

 protected:
  void on_opening() override { opened_at_ = Clock::now(); }
  void check_present(bool present) override;
  void on_offline(bool online, bool killed) override;

 private:
  // The session began to wait for its client between these.
  bool known_ = false;
  Clock::time_point first_{};
  Clock::time_point last_{};
  // The server has closed after DISCONNECT; a kill before something later is acknowledged may undo that.
  bool closed_ = false;
  std::uint64_t closed_kills_ = 0;
  Clock::time_point goodbye_at_{};
  Clock::time_point opened_at_{};
  Clock::time_point online_at_{};
  Clock::time_point back_at_{};
};

}  // namespace shoal::crash
