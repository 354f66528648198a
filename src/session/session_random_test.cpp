// A session, a client and a network that loses what is under way when a connection breaks: thousands of
// random histories, each checked against what MQTT promises. A failing run is named by its seed.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "mqtt/decode.hpp"
#include "mqtt/varint.hpp"
#include "session/session.hpp"

namespace shoal::session {
namespace {

using mqtt::PacketType;
using mqtt::ReasonCode;
using mqtt::Version;

struct Sent {
  std::uint8_t qos = 0;
  std::vector<std::uint32_t> ids;
  bool expires = false;
  bool large = false;
  bool written = false;   // a PUBLISH of it left the server
  bool refused = false;   // by the client, in PUBREC
  bool given_up = false;  // its identifier may have been freed without an acknowledgement
  int received = 0;       // times the client's application saw it
};

class World {
 public:
  explicit World(unsigned seed) : random_(seed) { budget_.inflight_max = static_cast<std::uint16_t>(1 + below(30)); }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      switch (below(12)) {
        case 0:
        case 1:
        case 2:
        case 3: publish(); break;
        case 4:
        case 5: flush(below(400)); break;
        case 6:
        case 7: receive(1 + below(5)); break;
        case 8:
        case 9: acknowledge(1 + below(5)); break;
        case 10: now_ += base::milliseconds(below(1500)); break;
        default: link_&& below(3) == 0 ? disconnect() : connect(); break;
      }
      if (testing::Test::HasFatalFailure()) return;
    }
    disconnect();
    connect();
    link_->packet_size_max = UINT32_MAX;
    link_->out_bytes_max = 1'000'000;
    do {
      flush(SIZE_MAX);
      receive(100);
      acknowledge(100);
    } while (!testing::Test::HasFatalFailure() && (!link_->out.empty() || !wire_.empty() || !acks_.empty()));
    finished();
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }

  void publish() {
    const auto number = static_cast<int>(sent_.size());
    Sent& message = sent_.emplace_back();
    message.qos = static_cast<std::uint8_t>(below(3));
    message.expires = below(6) == 0;
    message.large = below(10) == 0;
    for (std::size_t count = below(6) < 4 ? 0 : 1 + below(3); count > 0; --count) {
      message.ids.push_back(1 + static_cast<std::uint32_t>(below(mqtt::kVarintMax)));
    }
    std::string payload = std::to_string(number) + ";";
    if (message.large) payload.resize(below(2) == 0 ? 300 : 5'000, 'x');
    publication_.start("t", base::as_bytes(payload), {}, message.qos,
                       message.expires ? now_ + base::seconds(1 + below(4)) : base::kNever, now_);
    const Outcome outcome = session_.deliver(publication_, {message.qos, false, message.ids});
    publication_.finish();
    ASSERT_NE(outcome, Outcome::disconnect);
    if (outcome == Outcome::dropped) {
      ASSERT_TRUE(message.qos == 0 || message.large) << number;
    }
  }

  void connect() {
    if (link_) return;
    link_ = std::make_unique<Link>(chunks_);
    link_->version = below(2) == 0 ? Version::v5 : Version::v3_1_1;
    link_->out_bytes_max = below(2) == 0 ? 1'000'000 : 20 + below(400);
    if (link_->version == Version::v5) {
      if (below(2) == 0) link_->receive_maximum = static_cast<std::uint16_t>(1 + below(12));
      if (below(4) == 0) link_->packet_size_max = 200;
    }
    // A message this client cannot take any more counts as delivered (MQTT-3.1.2-25).
    for (const auto& [id, number] : in_flight_) {
      Sent& message = sent_[static_cast<std::size_t>(number)];
      message.given_up |= message.qos == 1 && message.large && link_->packet_size_max == 200;
    }
    session_.attach(*link_, 100);
    session_.pump(scratch_, now_);
  }

  // What is under way in either direction is lost.
  void disconnect() {
    if (!link_) return;
    ASSERT_NO_FATAL_FAILURE(drain(SIZE_MAX));
    session_.detach();
    link_.reset();
    wire_.clear();
    looked_at_ = 0;
    acks_.clear();
    outstanding_.clear();
  }

  void flush(std::size_t most) {
    if (!link_) return;
    ASSERT_NO_FATAL_FAILURE(drain(most));
    session_.pump(scratch_, now_);
  }

  // Server to wire: whole packets are looked at as they leave.
  void drain(std::size_t most) {
    while (most > 0 && !link_->out.empty()) {
      mqtt::Bytes piece;
      ASSERT_EQ(link_->out.peek(&piece, 1), 1u);
      const std::size_t size = std::min(most, piece.size());
      wire_.insert(wire_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(size));
      link_->out.consume(size);
      most -= size;
    }
    for (mqtt::Frame frame; next_frame(looked_at(), frame); looked_at_ += frame.size)
      ASSERT_NO_FATAL_FAILURE(leaves(frame));
  }

  mqtt::Bytes looked_at() { return mqtt::Bytes(wire_).subspan(std::min(looked_at_, wire_.size())); }
  static bool next_frame(mqtt::Bytes bytes, mqtt::Frame& frame) {
    return mqtt::cut_frame(bytes, frame) == mqtt::FrameStatus::complete;
  }

  void leaves(const mqtt::Frame& frame) {
    if (frame.type != PacketType::publish) return;
    const auto packet = mqtt::decode_publish(frame, link_->version);
    ASSERT_TRUE(packet.ok()) << packet.error().what;
    ASSERT_LE(frame.size, link_->packet_size_max);
    sent_[static_cast<std::size_t>(number_of(*packet))].written = true;
    if (packet->qos == 0) return;
    // MQTT-2.2.1-4, MQTT-3.3.1-1: an identifier comes again only with the same message, as a duplicate.
    if (!packet->dup)
      std::erase_if(in_flight_, [&](const auto& entry) { return entry.first == packet->id && given_up(entry.second); });
    const auto [in_use, is_new] = in_flight_.try_emplace(packet->id, number_of(*packet));
    ASSERT_EQ(packet->dup, !is_new);
    ASSERT_EQ(in_use->second, number_of(*packet));
    ASSERT_TRUE(outstanding_.insert(packet->id).second) << "sent twice on one connection (MQTT-4.4.0-1)";
    ASSERT_LE(outstanding_.size(), link_->receive_maximum);  // MQTT-3.3.4-9
  }

  bool given_up(int number) const { return sent_[static_cast<std::size_t>(number)].given_up; }

  static int number_of(const mqtt::Publish& packet) {
    return std::stoi(std::string(base::as_text(packet.payload.first(std::min<std::size_t>(packet.payload.size(), 9)))));
  }

  // Wire to client.
  void receive(std::size_t packets) {
    mqtt::Frame frame;
    while (packets-- > 0 && looked_at_ > 0 && next_frame(wire_, frame)) {
      const auto packet = mqtt::decode(frame, link_->version);
      ASSERT_TRUE(packet.ok()) << packet.error().what;
      if (const auto* publish = std::get_if<mqtt::Publish>(&*packet)) {
        ASSERT_NO_FATAL_FAILURE(client_takes(*publish));
      } else {
        const auto& pubrel = std::get<mqtt::Ack>(*packet);
        ASSERT_EQ(pubrel.type, PacketType::pubrel);
        client_taken_.erase(pubrel.id);
        acks_.push_back({PacketType::pubcomp, pubrel.id, ReasonCode::success, {}});
      }
      wire_.erase(wire_.begin(), wire_.begin() + static_cast<std::ptrdiff_t>(frame.size));
      looked_at_ -= frame.size;
    }
  }

  void client_takes(const mqtt::Publish& packet) {
    const int number = number_of(packet);
    Sent& message = sent_[static_cast<std::size_t>(number)];
    ASSERT_EQ(packet.qos, message.qos);
    if (packet.qos == 2) {
      const bool refuse = link_->version == Version::v5 && below(15) == 0 && !client_taken_.contains(packet.id);
      acks_.push_back({PacketType::pubrec, packet.id, refuse ? ReasonCode::quota_exceeded : ReasonCode::success, {}});
      if (refuse) message.refused = true;
      if (refuse || !client_taken_.insert(packet.id).second) return;
    }
    if (packet.qos == 1) acks_.push_back({PacketType::puback, packet.id, ReasonCode::success, {}});
    if (link_->version == Version::v5) {
      std::vector<std::uint32_t> ids;
      packet.properties.each([&](mqtt::PropertyId id, mqtt::Bytes value) {
        std::uint32_t number_read = 0;
        std::size_t size = 0;
        if (id != mqtt::PropertyId::subscription_identifier) return;
        EXPECT_EQ(mqtt::read_varint(value, number_read, size), mqtt::VarintStatus::ok);
        ids.push_back(number_read);
      });
      ASSERT_EQ(ids, message.ids);
      ASSERT_EQ(packet.properties.has(mqtt::PropertyId::message_expiry_interval), message.expires);
    }
    // MQTT-4.6.0-6: what the application sees for the first time is in order, per class of delivery.
    int& last = packet.qos == 0 ? last_unsure_ : last_sure_;
    if (message.received++ == 0 && !message.refused) {
      ASSERT_GT(number, last);
      last = number;
    }
    ASSERT_TRUE(packet.qos != 2 || message.received == 1) << "QoS 2 message twice";
  }

  // Client to server.
  void acknowledge(std::size_t packets) {
    if (!link_) return;
    while (packets-- > 0 && !acks_.empty()) {
      const mqtt::Ack ack = acks_.front();
      acks_.pop_front();
      ASSERT_TRUE(session_.acknowledge(ack, now_)) << mqtt::to_string(ack.type) << " " << ack.id;
      if (ack.type != PacketType::pubrec || is_error(ack.code)) {
        in_flight_.erase(ack.id);
        outstanding_.erase(ack.id);
      }
      session_.pump(scratch_, now_);
    }
  }

  void finished() {
    EXPECT_EQ(session_.outbound().inflight(), 0u);
    EXPECT_EQ(session_.outbound().queued(), 0u);
    for (const auto& [id, number] : in_flight_) EXPECT_TRUE(given_up(number)) << id;
    EXPECT_TRUE(client_taken_.empty());
    EXPECT_EQ(budget_.messages_now, 0u);
    EXPECT_EQ(budget_.bytes_now, 0u);
    EXPECT_EQ(session_.outbound().queued_bytes(), 0u);
    for (std::size_t i = 0; i < sent_.size(); ++i) {
      const Sent& message = sent_[i];
      const bool may_be_lost =
          message.qos == 0 || message.large || message.refused || (message.expires && !message.written);
      EXPECT_TRUE(message.received > 0 || may_be_lost)
          << "message " << i << " of QoS " << int{message.qos} << " is lost";
    }
  }

  std::mt19937 random_;
  base::Time now_{base::seconds(1000)};
  base::ChunkPool chunks_;
  MessagePool pool_;
  QueueBudget budget_;
  Publication publication_{pool_};
  Publication scratch_{pool_};
  std::unique_ptr<Link> link_;
  Session session_{"client", budget_};

  std::vector<Sent> sent_;
  std::vector<std::uint8_t> wire_;
  std::size_t looked_at_ = 0;               // of the wire, by `leaves`
  std::map<std::uint16_t, int> in_flight_;  // identifier to message, until the flow ends
  std::set<std::uint16_t> outstanding_;     // of these, sent on this connection
  std::set<std::uint16_t> client_taken_;    // QoS 2 messages the client has, not released
  std::deque<mqtt::Ack> acks_;              // on their way to the server
  int last_sure_ = -1;
  int last_unsure_ = -1;
};

TEST(SessionRandom, PromisesHold) {
  for (unsigned seed = 0; seed < 1'500; ++seed) {
    SCOPED_TRACE(seed);
    World(seed).run(300);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace shoal::session
