#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mqtt/packet.hpp"
#include "wire.hpp"

namespace shoal::crash {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class World;

struct WillWanted {
  std::string topic;
  std::string payload;
  std::uint8_t qos = 0;
  std::uint32_t delay_s = 0;
};

struct ClientOptions {
  std::string id;
  mqtt::Version version = mqtt::Version::v5;
  bool clean = false;             ///< every connection begins a new session
  std::uint32_t expiry_s = 3600;  ///< 5.0
};

/// A message on its way to the server.
struct Flight {
  std::uint16_t id = 0;
  std::string topic;
  std::string payload;
  std::uint8_t qos = 1;
  bool retain = false;
  std::uint64_t sequence = 0;
  bool released = false;  ///< PUBREC came
  bool again = false;     ///< sent on an earlier connection
  Clock::time_point sent{};
};

struct FilterWanted {
  std::string filter;
  std::uint8_t qos = 1;
};

/// One client: its connection and its half of the session state, as MQTT says it has to be kept. What it does is up to
/// who derives from it. Whatever the server does that it must not is a failure of the test.
class Client {
 public:
  Client(World& world, ClientOptions options) : world_(world), options_(std::move(options)) {}
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const std::string& id() const { return options_.id; }
  bool v5() const { return options_.version == mqtt::Version::v5; }
  bool online() const { return online_; }
  /// It wants a connection and does not have it, or does not want the one it has.
  bool unsettled() const { return wanted_ ? !online_ : wire_.is_open(); }
  bool idle() const { return flights_.empty() && asked_.empty(); }
  const std::deque<Flight>& flights() const { return flights_; }
  Wire& wire() { return wire_; }

  /// A moment to do something, before the loop waits for events.
  virtual void act() {}
  /// Connects when that is wanted, sends what there is.
  void work();
  /// Something came, or the connection went.
  void read();
  /// The server was killed: takes what it had sent, or does not get that any more (`loses_it`). False while the
  /// connection is there still; it stays when nobody had accepted it.
  bool read_rest(bool loses_it);

 protected:
  virtual void on_opening() {}
  /// `present`: as CONNACK said it; what must be is checked already by `check_present`.
  virtual void on_online(bool present) { static_cast<void>(present); }
  virtual void check_present(bool present);
  /// The connection is gone. `online`: CONNACK had come. `killed`: with the server.
  virtual void on_offline(bool online, bool killed) { static_cast<void>(online), static_cast<void>(killed); }
  /// A message that is new to this session as far as MQTT can tell.
  virtual void on_message(const mqtt::Publish& message) { static_cast<void>(message); }
  /// It was acknowledged: PUBACK, or PUBREC.
  virtual void on_acknowledged(const Flight& flight) { static_cast<void>(flight); }
  virtual void on_suback(std::uint16_t id, base::Bytes codes) { static_cast<void>(id), static_cast<void>(codes); }
  virtual void on_unsuback(std::uint16_t id) { static_cast<void>(id); }
  virtual void on_pingresp() {}

  void publish(std::string topic, std::string payload, std::uint8_t qos, bool retain, std::uint64_t sequence);
  std::uint16_t subscribe(const std::vector<FilterWanted>& filters, std::uint32_t identifier = 0);
  std::uint16_t unsubscribe(const std::vector<std::string>& filters);
  void ping() { wire_.put(mqtt::Pingreq{}, options_.version); }
  /// Sends that many of the acknowledgements that are due, in their order.
  void send_acks(std::size_t most = SIZE_MAX);
  std::size_t acks_due() const { return acks_.size(); }
  /// Says DISCONNECT and waits for the server to close.
  void say_goodbye();
  /// Closes without a word.
  void hang_up();
  [[noreturn]] void fail(const std::string& what) const;

  World& world_;
  ClientOptions options_;
  bool wanted_ = true;
  std::uint16_t receive_maximum_ = 0;  // 5.0; 0: not said
  std::optional<WillWanted> will_;

 private:
  void open();
  void lost(bool killed);
  void on_frame(const mqtt::Frame& frame);
  void on(const mqtt::Connack& packet);
  void on(const mqtt::Publish& packet);
  void on(const mqtt::Ack& packet);
  void on(const mqtt::SubscriptionAck& packet);
  void on(const mqtt::Disconnect& packet);
  void on(const mqtt::Pingresp&) { on_pingresp(); }
  template <class Other>
  void on(const Other&) {
    fail("the server sent what only clients send");
  }
  std::uint16_t next_id();
  void send(const Flight& flight);
  void send_ack(mqtt::PacketType type, std::uint16_t id, mqtt::ReasonCode code = mqtt::ReasonCode::success);
  void resend();

  Wire wire_;
  bool online_ = false;
  bool leaving_ = false;
  bool acknowledged_ = false;  // the server has said that it has the session
  std::uint16_t last_id_ = 0;
  std::deque<Flight> flights_;
  std::set<std::uint16_t> asked_;               // SUBSCRIBE and UNSUBSCRIBE on this connection
  std::map<std::uint16_t, std::string> taken_;  // QoS 2 messages from PUBLISH to PUBREL
  std::set<std::uint16_t> open_;                // of the receive maximum
  std::deque<mqtt::Ack> acks_;                  // due on this connection
};

}  // namespace shoal::crash
