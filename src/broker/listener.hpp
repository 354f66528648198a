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

}  // namespace shoal::broker
