#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/client.hpp"
#include "conversation/session_model.hpp"

namespace shoal::fuzz {

class Bed;

/// One connection to a bed. It gives the broker bytes packet by packet, knows from each what has to
/// follow, and checks everything the broker says as soon as it is written.
class Peer final : public broker::Transport {
 public:
  explicit Peer(Bed& bed);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void send(base::Bytes bytes);
  /// The connection breaks.
  void drop();
  /// From now on nothing leaves the link: a reader that does not read. Off: it catches up.
  void stall(bool on);
  /// A stalled reader takes some bytes.
  void trickle(std::size_t bytes);

  /// Looks at what the broker has written since the last look.
  void look();
  /// After a turn: what has ended goes, and nobody waits for nothing.
  void settle();
  /// When the broker has to have ended it, as things are.
  base::Time due() const;

  bool gone() const { return !client_; }
  bool live() const { return client_ && !client_->ended(); }
  bool connected() const { return live() && client_->connected(); }
  bool half_open() const { return live() && !connect_seen_; }
  /// Its own bytes wait because it does not read.
  bool congested() const { return live() && client_->link().congested(); }
  mqtt::Version version() const { return hello_.version; }
  SessionModel* session() { return session_; }
  /// A QoS 2 identifier the broker has taken and this client not released, or 0.
  std::uint16_t unreleased(std::size_t nth) const;

 private:
  // What CONNECT said.
  struct Hello {
    mqtt::Version version = mqtt::Version::v5;
    std::string client_id;
    bool clean = true;
    bool problem_information = true;
    std::uint32_t expiry_s = 0;
    std::uint32_t packet_size_max = UINT32_MAX;
    std::uint16_t receive_maximum = UINT16_MAX;
    std::uint16_t aliases_max = 0;
    std::uint16_t keep_alive_s = 0;
  };
  // A SUBSCRIBE or UNSUBSCRIBE that waits for its answer.
  struct Asked {
    std::uint16_t id = 0;
    std::uint32_t subscription_id = 0;
    std::vector<std::pair<std::string, std::uint8_t>> filters;  // with the QoS
  };

  void flush() override;
  void resume() override { feed(); }
  std::string peer() const override { return "192.0.2.1:50000"; }

  void feed();
  void ended();
  void consume(std::size_t bytes);

  // What the broker took: peer_sent.cpp
  void took(const mqtt::Frame& frame);
  void took_connect(const mqtt::Connect& packet);
  void took_publish(const mqtt::Publish& packet);
  void took_disconnect(const mqtt::Disconnect& packet);
  Asked asked(std::uint16_t id, const mqtt::Properties& properties, mqtt::FilterList filters) const;

  // What the broker said: peer_got.cpp
  void got(const mqtt::Frame& frame);
  void got_connack(const mqtt::Connack& packet);
  void got_publish(const mqtt::Publish& packet);
  void got_ack(const mqtt::Ack& packet);
  void got_subscription_ack(const mqtt::SubscriptionAck& packet);
  void got_disconnect(const mqtt::Disconnect& packet);
  std::string resolve(const mqtt::Publish& packet);
  void answers(mqtt::PacketType type, std::uint16_t id);

  Bed& bed_;
  std::unique_ptr<broker::Client> client_;
  Hello hello_;
  SessionModel* session_ = nullptr;
  std::vector<std::uint8_t> input_;  // not taken by the broker yet
  std::size_t looked_ = 0;           // of what is in the link
  bool stalled_ = false;
  bool connect_seen_ = false;
  bool connack_seen_ = false;
  bool last_seen_ = false;  // nothing may follow
  bool flushed_end_ = false;
  std::optional<std::uint32_t> last_expiry_s_;  // of the client's DISCONNECT
  base::Time opened_;
  base::Time last_input_;
  base::Time paused_{};                                         // last seen so
  std::map<mqtt::PacketType, std::deque<std::uint16_t>> owed_;  // answers, in this order
  std::deque<Asked> subscribes_;
  std::deque<Asked> unsubscribes_;
  std::set<std::uint16_t> taken_;  // QoS 2 identifiers, on this connection
  std::map<std::uint32_t, std::string> aliases_sent_;
  std::map<std::uint32_t, std::string> aliases_got_;
};

}  // namespace shoal::fuzz
