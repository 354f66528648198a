#include "conversation/program.hpp"

#include <algorithm>

#include "mqtt/encode.hpp"
#include "mqtt/topic_name.hpp"

namespace shoal::fuzz {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::PropertyPlace;
using mqtt::Version;

namespace {

constexpr Version kVersions[] = {Version::v5, Version::v3_1_1, Version::v5, Version::v3_1};
constexpr std::uint32_t kExpiries[] = {0, 1, 10, 50, UINT32_MAX};
constexpr int kTimes_ms[] = {0, 1, 20, 100, 500, 1'000, 1'500, 5'000, 10'000, 60'000};

}  // namespace

// Two bytes. Each bit that is set, besides the first two, makes a limit so small that it is reached.
BrokerOptions Program::options() {
  const unsigned low = byte();
  const unsigned bits = low | byte() << 8;
  const auto small = [&](int bit) { return (bits >> bit & 1) != 0; };
  BrokerOptions options;
  options.auth.anonymous = true;
  options.queue_full = static_cast<QueueFull>(bits % 3);
  Limits& limits = options.limits;
  limits.session_expiry_s = 100;
  limits.packet_size_bytes = small(2) ? 300 : 20'000;
  limits.output_bytes = small(3) ? 100 : 4'000;
  if (small(4)) limits.inflight = 2;
  if (small(5)) limits.receive_maximum = 2;
  if (small(6)) limits.queued_messages = 4;
  if (small(7)) limits.queued_bytes = 300;
  if (small(8)) limits.queued_bytes_total = 3'000;
  if (small(9)) limits.sessions = 2;
  if (small(10)) limits.connections = 2;
  if (small(11)) limits.subscriptions = 2;
  if (small(12)) limits.retained_messages = 2;
  if (small(13)) limits.retained_bytes = 2'000;
  if (small(14)) limits.topic_levels = 2, limits.topic_bytes = 12;
  if (small(15)) limits.topic_aliases = 1, limits.keep_alive_max_s = 5;
  return options;
}

void Program::run() {
  const bool stored = !done() && (*data_ & 1) != 0;
  Bed bed(options(), stored);
  while (!done()) step(bed);
  bed.finish(serial_ % 2 == 0);
}

void Program::step(Bed& bed) {
  const unsigned first = byte();
  const unsigned command = first & 0x0f;
  const std::size_t place = first >> 4 & 3;
  const bool oddly = (first & kOddly) != 0;
  Peer* const peer = bed.peer(place);
  switch (command) {
    case kConnect: connect(bed, place, oddly); break;
    case kDrop:
      if (peer) peer->drop();
      break;
    case kRead: {
      const unsigned how = byte();
      if (!peer) break;
      if (how < 2) peer->stall(how == 0);
      else peer->trickle(how);
      break;
    }
    case kTime: bed.advance(base::milliseconds(pick(kTimes_ms))); break;
    case kCredentials: {
      const unsigned how = byte();
      if (how >= 0x80) {
        bed.verified((how & 1) != 0);
      } else {
        bed.authority().decision = static_cast<auth::Decision>(how % 3);
        bed.authority().takes_more = (how & 0x40) == 0;
      }
      break;
    }
    case kHost: host(bed); break;
    case kRaw: {
      const std::size_t wanted = byte();
      const std::size_t size = std::min(wanted, static_cast<std::size_t>(end_ - data_));
      if (!peer) bed.open(place);
      bed.peer(place)->send({data_, size});
      data_ += size;
      break;
    }
    default:
      if (peer) send(*peer, packet(command, *peer), oddly);
  }
  if ((first & kSameTurn) == 0) bed.turn();
}

// The packet as it is, with a byte changed, or all but its end (which whatever follows replaces).
void Program::send(Peer& peer, std::vector<std::uint8_t> bytes, bool oddly) {
  if (oddly && !bytes.empty()) {
    const unsigned how = byte();
    const std::size_t at = (how >> 1) % bytes.size();
    if ((how & 1) != 0) bytes[at] ^= static_cast<std::uint8_t>(byte());
    else bytes.resize(at);
  }
  peer.send(bytes);
}

// How: version 2 bits, clean, will, client id 2 bits, properties, the same connection once more.
void Program::connect(Bed& bed, std::size_t place, bool oddly) {
  const unsigned how = byte();
  mqtt::Connect packet;
  packet.version = kVersions[how & 3];
  packet.clean_start = (how & 4) != 0;
  packet.client_id = kIds[how >> 4 & 3];
  mqtt::PropertyWriter properties;
  mqtt::PropertyWriter will_properties;
  packet.user_name = "user";
  packet.password = "password";
  if ((how & 8) != 0) {
    mqtt::Publish message = publish(will_properties, PropertyPlace::will);
    if (message.topic.empty()) message.topic = "a";
    packet.will = mqtt::Will{message.topic, message.payload, message.qos, message.retain, {}};
    if (const unsigned delay_s = byte() % 8; delay_s != 0) {
      will_properties.number(PropertyId::will_delay_interval, delay_s * delay_s);
    }
    packet.will->properties = will_properties.view(PropertyPlace::will);
  }
  if ((how & 0x40) != 0) {
    const unsigned which = byte();
    const auto expiry_s = pick(kExpiries);
    if ((which & 1) != 0) properties.number(PropertyId::session_expiry_interval, expiry_s);
    if ((which & 2) != 0) properties.number(PropertyId::receive_maximum, 1 + byte() % 4);
    if ((which & 4) != 0) properties.number(PropertyId::maximum_packet_size, 1 + 2 * byte());
    if ((which & 8) != 0) properties.number(PropertyId::topic_alias_maximum, byte() % 4);
    if ((which & 16) != 0) properties.number(PropertyId::request_problem_information, byte() % 2);
    if ((which & 32) != 0) packet.keep_alive_s = static_cast<std::uint16_t>(byte() % 16);
    if ((which & 64) != 0) properties.number(PropertyId::request_response_information, byte() % 2);
    if ((which & 128) != 0) properties.text(PropertyId::authentication_method, "m");
  }
  packet.properties = properties.view(PropertyPlace::connect);
  std::vector<std::uint8_t> bytes;
  mqtt::encode(packet, packet.version, bytes);
  const bool again = (how & 0x80) != 0 && bed.peer(place);
  send(again ? *bed.peer(place) : bed.open(place), std::move(bytes), oddly);
}

// How: QoS 2 bits, retain, dup, properties; topic; size.
mqtt::Publish Program::publish(mqtt::PropertyWriter& properties, PropertyPlace place) {
  const unsigned how = byte();
  mqtt::Publish packet;
  packet.qos = std::min<std::uint8_t>(how & 3, 2);
  packet.retain = (how & 4) != 0;
  packet.dup = (how & 8) != 0 && packet.qos != 0;
  if (packet.qos != 0) packet.id = static_cast<std::uint16_t>(1 + (how >> 6));
  packet.topic = pick(kTopics);
  const unsigned size = byte();
  payload_ = size == 0 ? "" : std::to_string(++serial_);
  if (size >= 0xf0) payload_.resize((size - 0xef) * 1'000, '.');
  else payload_.resize(payload_.empty() ? 0 : std::max<std::size_t>(payload_.size(), size), '.');
  if ((how & 0x10) != 0) {
    const unsigned which = place == PropertyPlace::publish ? byte() : byte() & 0x7d;
    if ((which & 1) != 0) properties.number(PropertyId::message_expiry_interval, byte() % 12);
    if ((which & 2) != 0) properties.number(PropertyId::topic_alias, 1 + byte() % 4);
    if ((which & 4) != 0) properties.user("name", "value").user("name", std::to_string(serial_));
    if ((which & 8) != 0) properties.number(PropertyId::payload_format_indicator, byte() % 2);
    if ((which & 16) != 0) properties.text(PropertyId::response_topic, "answers/to");
    if ((which & 32) != 0) properties.text(PropertyId::correlation_data, "\xff");
    if ((which & 64) != 0) properties.text(PropertyId::content_type, "text");
    if ((which & 128) != 0) properties.number(PropertyId::subscription_identifier, 1 + byte());
  }
  packet.payload = base::as_bytes(payload_);
  return packet;
}

std::vector<std::uint8_t> Program::packet(unsigned command, Peer& peer) {
  const Version version = peer.version();
  mqtt::PropertyWriter properties;
  std::vector<std::uint8_t> filters;
  mqtt::Packet packet = mqtt::Pingreq{};
  switch (command) {
    case kPublish: {
      mqtt::Publish message = publish(properties, PropertyPlace::publish);
      message.properties = properties.view(PropertyPlace::publish);
      packet = message;
      break;
    }
    case kSubscribe:
    case kUnsubscribe: {
      const bool subscribe = command == kSubscribe;
      const unsigned how = byte();  // id, more filters, subscription id
      if (subscribe && how >= 0x80) properties.number(PropertyId::subscription_identifier, 1 + (how & 3));
      for (unsigned count = 1 + (how >> 2 & 3); count > 0; --count) {
        const std::string_view filter = pick(kFilters);
        mqtt::SubscriptionOptions options;
        if (subscribe) options = mqtt::SubscriptionOptions::from_byte(static_cast<std::uint8_t>(byte()));
        options.qos = std::min<std::uint8_t>(options.qos, 2);
        options.retain_handling = std::min<std::uint8_t>(options.retain_handling, 2);
        options.no_local &= !mqtt::is_shared(filter);
        if (version != Version::v5) options = {.qos = options.qos};
        mqtt::append_filter(filters, {filter, options}, subscribe);
      }
      const auto id = static_cast<std::uint16_t>(1 + (how & 3));
      if (subscribe) packet = mqtt::Subscribe{id, properties.view(PropertyPlace::subscribe), {filters, true}};
      else packet = mqtt::Unsubscribe{id, {}, {filters, false}};
      break;
    }
    case kAnswer: {
      const unsigned how = byte();
      mqtt::Ack ack;
      ack.id = peer.session() ? peer.session()->unanswered(ack.type, how & 0x7f) : std::uint16_t{0};
      if (ack.id == 0) return {};
      const bool error = how >= 0x80 && ack.type != PacketType::pubcomp && version == Version::v5;
      if (error) ack.code = mqtt::ReasonCode::quota_exceeded;
      packet = ack;
      break;
    }
    case kAck: {
      const unsigned how = byte();
      mqtt::Ack ack;
      ack.type = static_cast<PacketType>(static_cast<unsigned>(PacketType::puback) + (how & 3));
      ack.id = static_cast<std::uint16_t>(how >> 2 & 15);
      if (how >= 0x80) ack.code = static_cast<mqtt::ReasonCode>(byte());
      packet = ack;
      break;
    }
    case kRelease: {
      const std::uint16_t id = peer.unreleased(byte());
      if (id == 0) return {};
      packet = mqtt::Ack{PacketType::pubrel, id, {}, {}};
      break;
    }
    case kDisconnect: {
      const unsigned how = byte();
      const auto expiry_s = pick(kExpiries);
      if ((how & 1) != 0) properties.number(PropertyId::session_expiry_interval, expiry_s);
      const auto code = static_cast<mqtt::ReasonCode>((how & 2) != 0 ? 4 : (how & 4) != 0 ? how : 0);
      packet = mqtt::Disconnect{code, properties.view(PropertyPlace::disconnect)};
      break;
    }
    case kAuth: packet = mqtt::Auth{static_cast<mqtt::ReasonCode>(byte()), {}}; break;
    default: break;
  }
  std::vector<std::uint8_t> bytes;
  mqtt::encode(packet, version, bytes);
  return bytes;
}

void Program::host(Bed& bed) {
  const unsigned how = byte();
  if (how >= 0xec && how < 0xf0) return bed.restart();
  if (how >= 0xf0) return bed.subscribe(how & 1 ? "a/#" : "b", static_cast<Qos>(how >> 1 & 1), (how & 4) != 0);
  mqtt::PropertyWriter none;
  const mqtt::Publish message = publish(none, PropertyPlace::publish);
  bed.publish({.topic = message.topic,
               .payload = base::as_text(message.payload),
               .qos = static_cast<Qos>(message.qos),
               .retain = message.retain});
}

}  // namespace shoal::fuzz
