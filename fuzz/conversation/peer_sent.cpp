#include <algorithm>

#include "conversation/bed.hpp"
#include "conversation/peer.hpp"
#include "mqtt/topic_name.hpp"
#include "target.hpp"

// What the broker has taken from a client, and what it owes for it.

namespace shoal::fuzz {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::Version;

void Peer::took(const mqtt::Frame& frame) {
  bed_.trace(this, "->", frame, hello_.version);
  if (!connect_seen_) {
    check(frame.type == PacketType::connect || client_->ended(), "the first packet is CONNECT");
    connect_seen_ = true;
    if (frame.type != PacketType::connect) return;
    const auto packet = mqtt::decode_connect(frame);
    check(packet || client_->ended(), "a CONNECT that is wrong ends the connection");
    if (packet) took_connect(*packet);
    return;
  }
  const auto decoded = mqtt::decode(frame, hello_.version);
  if (!decoded) return check(client_->ended(), "a packet that is wrong ends the connection");
  check(frame.size <= bed_.limits().packet_size_bytes || client_->ended(), "too large a packet ends the connection");
  switch (frame.type) {
    case PacketType::publish: return took_publish(std::get<mqtt::Publish>(*decoded));
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubcomp:
      if (!session_) return;
      if (session_->acknowledged(std::get<mqtt::Ack>(*decoded))) {
        owed_[PacketType::pubrel].push_back(std::get<mqtt::Ack>(*decoded).id);
      }
      return;
    case PacketType::pubrel:
      taken_.erase(std::get<mqtt::Ack>(*decoded).id);
      owed_[PacketType::pubcomp].push_back(std::get<mqtt::Ack>(*decoded).id);
      return;
    case PacketType::subscribe: {
      const auto& packet = std::get<mqtt::Subscribe>(*decoded);
      subscribes_.push_back(asked(packet.id, packet.properties, packet.filters));
      return;
    }
    case PacketType::unsubscribe: {
      const auto& packet = std::get<mqtt::Unsubscribe>(*decoded);
      unsubscribes_.push_back(asked(packet.id, packet.properties, packet.filters));
      return;
    }
    case PacketType::pingreq: owed_[PacketType::pingresp].push_back(0); return;
    case PacketType::disconnect: return took_disconnect(std::get<mqtt::Disconnect>(*decoded));
    default: check(client_->ended(), "a packet that a client may not send ends the connection");
  }
}

void Peer::took_connect(const mqtt::Connect& packet) {
  const mqtt::Properties& properties = packet.properties;
  hello_.version = packet.version;
  hello_.client_id = packet.client_id;
  hello_.clean = packet.clean_start;
  hello_.problem_information = properties.number(PropertyId::request_problem_information, 1) != 0;
  hello_.expiry_s = properties.number(PropertyId::session_expiry_interval);
  hello_.packet_size_max = properties.number(PropertyId::maximum_packet_size, UINT32_MAX);
  hello_.receive_maximum = static_cast<std::uint16_t>(properties.number(PropertyId::receive_maximum, UINT16_MAX));
  hello_.aliases_max = static_cast<std::uint16_t>(properties.number(PropertyId::topic_alias_maximum));
  hello_.keep_alive_s = packet.keep_alive_s;
  if (packet.will) {
    bed_.published().add(packet.will->topic, packet.will->payload, packet.will->properties, packet.will->qos,
                         packet.will->retain, base::kNever);
  }
}

void Peer::took_publish(const mqtt::Publish& packet) {
  std::string topic(packet.topic);
  if (packet.properties.has(PropertyId::topic_alias)) {
    const std::uint32_t alias = packet.properties.number(PropertyId::topic_alias);
    if (alias == 0 || alias > bed_.limits().topic_aliases) return check(client_->ended(), "topic alias maximum");
    if (topic.empty()) topic = aliases_sent_[alias];
    else aliases_sent_[alias] = topic;
  }
  if (topic.empty()) return check(client_->ended(), "an alias that was not set ends the connection");
  check(!packet.properties.has(PropertyId::subscription_identifier) || client_->ended(),
        "no subscription identifier from a client");
  base::Time expires = base::kNever;
  if (packet.properties.has(PropertyId::message_expiry_interval)) {
    const base::Duration lasts = base::seconds(packet.properties.number(PropertyId::message_expiry_interval));
    expires = bed_.now() + std::max(lasts, base::Duration(1));  // 0: for this moment
  }
  bed_.published().add(topic, packet.payload, packet.properties, packet.qos, packet.retain, expires);
  if (packet.qos == 1) owed_[PacketType::puback].push_back(packet.id);
  if (packet.qos == 2) {
    owed_[PacketType::pubrec].push_back(packet.id);
    taken_.insert(packet.id);
    check(taken_.size() <= bed_.limits().receive_maximum || client_->ended(), "the server's receive maximum");
  }
}

void Peer::took_disconnect(const mqtt::Disconnect& packet) {
  check(client_->ended(), "DISCONNECT ends the connection");
  if (!packet.properties.has(PropertyId::session_expiry_interval)) return;
  last_expiry_s_ = packet.properties.number(PropertyId::session_expiry_interval);
}

Peer::Asked Peer::asked(std::uint16_t id, const mqtt::Properties& properties, mqtt::FilterList filters) const {
  Asked asked;
  asked.id = id;
  asked.subscription_id = properties.number(PropertyId::subscription_identifier);
  mqtt::FilterEntry entry;
  while (filters.next(entry)) asked.filters.emplace_back(entry.filter, entry.options.qos);
  return asked;
}

}  // namespace shoal::fuzz
