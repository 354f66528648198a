#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "mqtt/packet.hpp"

namespace shoal::client {

/// Why a connection is over.
struct End {
  enum class Why {
    done,            ///< as asked by `disconnect`
    refused,         ///< CONNACK said no
    disconnected,    ///< the server's DISCONNECT (5.0)
    lost,            ///< the network failed, or the server closed without a word
    timeout,         ///< no CONNACK, or no answer to a ping
    protocol_error,  ///< the server sent what it must not
  };
  Why why = Why::done;
  std::string message{};  ///< one line for a person; empty when done
};

/// Who wants to know what a client hears. Called on the reactor's thread; all but `on_end` may use the
/// client, none may destroy it. Views are valid during the call.
class Events {
 public:
  /// Bytes have come in, at this moment; what they say follows.
  virtual void on_received(base::Time) {}
  virtual void on_connected(const mqtt::Connack& connack) = 0;
  /// Acknowledged when it returns.
  virtual void on_message(const mqtt::Publish&) {}
  /// A QoS 1 or 2 message is acknowledged, or refused with an error code (5.0).
  virtual void on_published(std::uint16_t /*id*/, mqtt::ReasonCode) {}
  /// A code per filter: the granted QoS, or 0x80 and more.
  virtual void on_subscribed(std::uint16_t /*id*/, base::Bytes /*codes*/) {}
  virtual void on_unsubscribed(std::uint16_t /*id*/) {}
  /// There is room again after a `resource_exhausted`.
  virtual void on_room() {}
  /// The last call. Exactly one after `start`.
  virtual void on_end(const End& end) = 0;

 protected:
  ~Events() = default;
};

}  // namespace shoal::client
