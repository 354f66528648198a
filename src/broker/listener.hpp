#pragma once

#include <cstdint>
#include <string>

#include "io/reactor.hpp"
#include "io/socket.hpp"

namespace shoal::broker {

class Instance;

/// A listening socket. Accepts as fast as the instance's limits allow; what it does not accept waits
/// in the kernel's queue.
class Listener final : private io::EventHandler, private io::Timer {
 public:
  /// `url`: as in `ListenerOptions`.
  Listener(Instance& instance, base::UniqueFd fd, std::string url);
  ~Listener() { close(); }

  Result<void> open();
  /// Accepts no more and frees the port. Idempotent.
  void close();
  std::uint16_t port() const { return port_; }
  const std::string& url() const { return url_; }
  /// The socket, e.g. to hand it to another process.
  int fd() const { return fd_.get(); }

 private:
  void on_events(std::uint32_t events) override;
  void on_deadline(base::Time now) override;
  void pause(base::Duration length);

  Instance& instance_;
  base::UniqueFd fd_;
  std::string url_;
  std::uint16_t port_;
};

}  // namespace shoal::broker
