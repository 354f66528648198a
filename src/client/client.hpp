#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "client/protocol.hpp"
#include "io/reactor.hpp"
#include "io/socket.hpp"

namespace shoal::client {

/// One connection to an MQTT server over TCP: `Protocol` on a reactor. A resource of the reactor's
/// thread; all but `connect` are to be called within turns (events, timers, posted tasks); not to be
/// destroyed from within its own events. It does not connect again by itself.
class Client final : private io::EventHandler, private io::TurnEnd, private io::Timer {
 public:
  Client(io::Reactor& reactor, Options options, Events& events);
  /// Closes without a word, so that the server publishes the will.
  ~Client();

  /// Tries the addresses one after the other. Once. Error: invalid_argument (options), and then
  /// nothing else happens; everything later is told by `Events::on_end`.
  Result<void> connect(std::vector<io::Endpoint> endpoints);

  bool connected() const { return protocol_.connected(); }
  const std::string& client_id() const { return options_.client_id; }
  /// See Protocol for these.
  Result<std::uint16_t> publish(const Outgoing& message);
  Result<std::uint16_t> subscribe(std::span<const mqtt::FilterEntry> filters);
  Result<std::uint16_t> unsubscribe(std::span<const mqtt::FilterEntry> filters);
  /// TCP acknowledges what has arrived without its usual delay, once.
  void acknowledge_now();
  /// Sends what is waiting and DISCONNECT, then closes; `on_end` follows.
  void disconnect();

 private:
  void on_events(std::uint32_t events) override;
  void on_turn_end() override;
  void on_deadline(base::Time now) override;

  void connect_next(std::string last_error);
  void read();
  void flush();
  /// What has to follow every use of the protocol.
  void settle();
  void close();

  io::Reactor& reactor_;
  const Options options_;
  Protocol protocol_;
  std::vector<io::Endpoint> endpoints_;
  std::size_t next_endpoint_ = 0;
  base::UniqueFd fd_;
  bool established_ = false;
  bool waits_for_room_ = false;  // in the socket
  bool shut_ = false;
};

}  // namespace shoal::client
