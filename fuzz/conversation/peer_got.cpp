#include <algorithm>
#include <chrono>

#include "conversation/bed.hpp"
#include "conversation/peer.hpp"
#include "mqtt/topic_name.hpp"
#include "target.hpp"

// What the broker says to a client: only what a server may say, only when it may.

namespace shoal::fuzz {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ReasonCode;
using mqtt::Version;

void Peer::got(const mqtt::Frame& frame) {
  bed_.trace(this, "<-", frame, client_->link().version);
  check(!last_seen_, "nothing follows the last packet");
  check(frame.size <= hello_.packet_size_max, "the client's maximum packet size");
  check((frame.type == PacketType::connack) == !connack_seen_, "CONNACK comes first and once");
  const Version version = client_->link().version;
  check(!connack_seen_ || version == hello_.version, "the version stays");
  const auto decoded = mqtt::decode(frame, version);
  check(static_cast<bool>(decoded), "what the broker says is well-formed");
  switch (frame.type) {
    case PacketType::connack: return got_connack(std::get<mqtt::Connack>(*decoded));
    case PacketType::publish: return got_publish(std::get<mqtt::Publish>(*decoded));
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp: return got_ack(std::get<mqtt::Ack>(*decoded));
    case PacketType::suback:
    case PacketType::unsuback: return got_subscription_ack(std::get<mqtt::SubscriptionAck>(*decoded));
    case PacketType::pingresp: return answers(PacketType::pingresp, 0);
    case PacketType::disconnect: return got_disconnect(std::get<mqtt::Disconnect>(*decoded));
    default: check(false, "a packet that only a client sends");
  }
}

void Peer::got_connack(const mqtt::Connack& packet) {
  connack_seen_ = true;
  if (packet.code != 0) {
    last_seen_ = true;
    check(client_->ended(), "who is refused is closed");
    return;
  }
  const mqtt::Properties& properties = packet.properties;
  const bool v5 = hello_.version == Version::v5;
  const std::string_view assigned = properties.text(PropertyId::assigned_client_identifier);
  check(assigned.empty() || hello_.client_id.empty(), "no other name for a client that has one");
  check(!assigned.empty() || !hello_.client_id.empty() || !v5, "a client without a name gets one");
  if (!assigned.empty()) hello_.client_id = assigned;
  else if (hello_.client_id.empty()) hello_.client_id = bed_.unnamed();
  hello_.keep_alive_s =
      static_cast<std::uint16_t>(properties.number(PropertyId::server_keep_alive, hello_.keep_alive_s));
  std::uint32_t expiry_s = properties.number(PropertyId::session_expiry_interval, hello_.expiry_s);
  check(expiry_s <= hello_.expiry_s, "a session is not kept for longer than asked");
  if (!v5) expiry_s = hello_.clean ? 0 : bed_.limits().session_expiry_s;
  check(expiry_s <= bed_.limits().session_expiry_s, "a session is not kept for longer than the limit");

  last_input_ = bed_.now();
  bool present = false;
  session_ = &bed_.take_over(hello_.client_id, hello_.clean, present);
  check(packet.session_present == (present && hello_.version != Version::v3_1), "session present");
  session_->peer = this;
  session_->expiry_s = expiry_s;
  session_->ends = base::kNever;
  session_->attached(hello_.packet_size_max != UINT32_MAX, bed_.stored());
}

void Peer::got_publish(const mqtt::Publish& packet) {
  const std::string topic = resolve(packet);
  check(!packet.topic.empty() || packet.properties.has(PropertyId::topic_alias), "a message has a topic");
  if (!session_) return check(client_->ended(), "a message needs a session");
  // Messages need not wait for the SUBACK that waits for the store.
  for (const Asked& asked : subscribes_) {
    for (const auto& [filter, qos] : asked.filters) session_->expects(filter, qos, asked.subscription_id);
  }
  session_->allowed(topic, packet);
  if (topic.starts_with("$SYS/")) {
    check(!packet.retain || packet.qos <= 2, "the broker's own messages");
  } else {
    const Published::Facts* const facts = bed_.published().find(topic, packet, hello_.version);
    check(facts != nullptr, "a message that somebody has published");
    check(packet.qos <= facts->qos_max, "not more than the publisher's QoS");
    check(!packet.retain || facts->retain, "retain only for what was retained");
    const base::Time now = bed_.now();
    check(packet.dup || now < facts->expires_max, "an expired message does not leave");
    if (packet.properties.has(PropertyId::message_expiry_interval)) {
      const std::uint32_t left_s = packet.properties.number(PropertyId::message_expiry_interval);
      const base::Time since = left_s == 0 ? now : now + base::seconds(left_s - 1);
      check(facts->expires_max == base::kNever || packet.dup || since < facts->expires_max,
            "the time that is left shrinks");
    } else {
      check(hello_.version != Version::v5 || !facts->always_expires, "a message expiry is passed on");
    }
  }
  if (packet.qos == 0) return;
  session_->published(packet, Published::key(topic, packet.payload, packet.properties, Version::v3_1_1),
                      hello_.receive_maximum, bed_.limits().inflight);
}

std::string Peer::resolve(const mqtt::Publish& packet) {
  if (!packet.properties.has(PropertyId::topic_alias)) return std::string(packet.topic);
  const std::uint32_t alias = packet.properties.number(PropertyId::topic_alias);
  check(alias != 0 && alias <= hello_.aliases_max, "the client's topic alias maximum");
  if (!packet.topic.empty()) aliases_got_[alias] = packet.topic;
  check(!aliases_got_[alias].empty(), "an alias is set before it is used");
  return aliases_got_[alias];
}

// Answers come in the order of the questions.
void Peer::answers(PacketType type, std::uint16_t id) {
  std::deque<std::uint16_t>& owed = owed_[type];
  check(!owed.empty() && owed.front() == id, "an answer to a packet, in order");
  owed.pop_front();
}

void Peer::got_ack(const mqtt::Ack& packet) {
  if (!hello_.problem_information) check(packet.properties.empty(), "no problem information where none is wanted");
  if (packet.type == PacketType::pubrel) {
    std::deque<std::uint16_t>& owed = owed_[PacketType::pubrel];
    if (!owed.empty() && owed.front() == packet.id) return owed.pop_front();
    check(session_ != nullptr, "PUBREL needs a session");
    return session_->released(packet.id);
  }
  answers(packet.type, packet.id);
  if (packet.type == PacketType::pubrec && is_error(packet.code)) taken_.erase(packet.id);
}

void Peer::got_subscription_ack(const mqtt::SubscriptionAck& packet) {
  if (!hello_.problem_information) check(packet.properties.empty(), "no problem information where none is wanted");
  const bool subscribe = packet.type == PacketType::suback;
  std::deque<Asked>& waiting = subscribe ? subscribes_ : unsubscribes_;
  check(!waiting.empty() && waiting.front().id == packet.id, "SUBACK and UNSUBACK in order");
  const Asked asked = std::move(waiting.front());
  waiting.pop_front();
  const bool codes = subscribe || hello_.version == Version::v5;
  check(packet.codes.size() == (codes ? asked.filters.size() : 0), "a code for every filter");
  if (!session_) return;
  for (std::size_t i = 0; i < asked.filters.size(); ++i) {
    const auto& [filter, qos] = asked.filters[i];
    const std::uint8_t code = codes ? packet.codes[i] : std::uint8_t{0};
    if (!subscribe && code == 0) session_->removed(filter);
    if (!subscribe || code > 2) continue;
    check(code <= qos, "not more than the QoS that was asked for");
    check(mqtt::is_shared(filter) ? mqtt::split_shared(filter).has_value() : mqtt::is_topic_filter(filter),
          "only filters are granted");
    session_->granted(filter, code, asked.subscription_id);
    if (hello_.version == Version::v3_1) session_->lose_filters();  // its SUBACK knows no failure
  }
}

void Peer::got_disconnect(const mqtt::Disconnect& packet) {
  last_seen_ = true;
  check(hello_.version == Version::v5, "DISCONNECT from a server exists from 5.0 on");
  check(client_->ended(), "DISCONNECT is the end");
  check(packet.code != ReasonCode::disconnect_with_will, "a reason a server may give");
  check(!packet.properties.has(PropertyId::session_expiry_interval), "no session expiry from a server");
  if (packet.code == ReasonCode::keep_alive_timeout) {
    check(bed_.now() >= last_input_ + base::milliseconds(hello_.keep_alive_s * 1500), "keep alive, not too early");
  }
}

}  // namespace shoal::fuzz
