#pragma once

#include <cstdint>

#include "io/reactor.hpp"
#include "io/socket.hpp"

namespace shoal::broker {

class Instance;

/// A listening socket. Accepts as fast as the instance's limits allow; what it does not accept waits
/// in the kernel's queue.
class Listener final : private io::EventHandler, private io::Timer {
 public:
  Listener(Instance& instance, base::UniqueFd fd);
  ~Listener() { close(); }

  Result<void> open();
  /// Accepts no more and frees the port. Idempotent.
  void close();
  std::uint16_t port() const { return port_; }

 private:
  void on_events(std::uint32_t events) override;
  void on_deadline(base::Time now) override;
  void pause(base::Duration length);

  Instance& instance_;
  base::UniqueFd fd_;
  std::uint16_t port_;
};

/// Tokens that come back at a steady rate, as many as `rate` saved up.
class RateLimit {
 public:
  explicit RateLimit(std::uint32_t per_second) : per_second_(per_second), tokens_(per_second) {}

  /// Takes one; false when there is none yet.
  bool take(base::Time now);
  /// Until there is a token.
  base::Duration wait() const { return base::milliseconds(1 + 1000 / per_second_); }

 private:
  std::uint32_t per_second_;
  double tokens_;
  base::Time last_{};
};

}  // namespace shoal::broker
