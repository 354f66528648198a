#include "client.hpp"

#include <algorithm>

#include "mqtt/encode.hpp"
#include "world.hpp"

namespace shoal::crash {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::PropertyPlace;
using mqtt::ReasonCode;

void Client::fail(const std::string& what) const { world_.fail("client " + options_.id + ": " + what); }

void Client::work() {
  if (wanted_ && !wire_.is_open()) open();
  wire_.flush();
}

void Client::open() {
  wire_.open(world_.server().port());
  on_opening();
  mqtt::PropertyWriter properties;
  mqtt::PropertyWriter will_properties;
  mqtt::Connect connect;
  connect.version = options_.version;
  connect.clean_start = options_.clean;
  connect.client_id = options_.id;
  if (v5()) {
    if (options_.expiry_s != 0) properties.number(PropertyId::session_expiry_interval, options_.expiry_s);
    if (receive_maximum_ != 0) properties.number(PropertyId::receive_maximum, receive_maximum_);
    connect.properties = properties.view(PropertyPlace::connect);
  }
  if (will_) {
    mqtt::Will will;
    will.topic = will_->topic;
    will.payload = base::as_bytes(will_->payload);
    will.qos = will_->qos;
    if (v5() && will_->delay_s != 0) {
      will_properties.number(PropertyId::will_delay_interval, will_->delay_s);
      will.properties = will_properties.view(PropertyPlace::will);
    }
    connect.will = will;
  }
  wire_.put(connect, options_.version);
}

void Client::lost(bool killed) {
  const bool was_online = online_;
  wire_.close();
  online_ = leaving_ = false;
  asked_.clear();
  open_.clear();
  acks_.clear();
  for (Flight& flight : flights_) flight.again = true;
  on_offline(was_online, killed);
}

void Client::read() {
  if (!wire_.read([this](const mqtt::Frame& frame) { on_frame(frame); })) {
    const bool killed = world_.server().struck();
    if (!leaving_ && !killed && world_.server().running()) fail("the server closed the connection");
    lost(killed);
  }
}

bool Client::read_rest(bool loses_it) {
  if (!wire_.is_open()) return true;
  if (!(loses_it && online_) && wire_.read([this](const mqtt::Frame& frame) { on_frame(frame); })) return !online_;
  lost(true);
  return true;
}

void Client::say_goodbye() {
  if (!online_ || leaving_) return;
  leaving_ = true;
  wanted_ = false;
  wire_.put(mqtt::Disconnect{}, options_.version);
}

void Client::hang_up() {
  wanted_ = false;
  if (wire_.is_open()) lost(false);
}

void Client::on_frame(const mqtt::Frame& frame) {
  world_.came(frame.type);
  const auto packet = mqtt::decode(frame, options_.version);
  if (!packet) fail("the server sent a malformed packet: " + std::string(packet.error().what));
  std::visit([this](const auto& known) { on(known); }, *packet);
}

void Client::check_present(bool present) {
  if (present && options_.clean) fail("session present after a clean start");
  if (!present && acknowledged_ && !options_.clean) fail("missing: its session, which the server had acknowledged");
}

void Client::on(const mqtt::Connack& packet) {
  if (packet.code != 0) fail("CONNACK says " + std::to_string(packet.code));
  check_present(packet.session_present);
  if (!packet.session_present) {
    flights_.clear();
    taken_.clear();
  }
  acknowledged_ = true;
  online_ = true;
  resend();
  on_online(packet.session_present);
}

// MQTT-4.4.0-1: PUBLISH and PUBREL, in the order in which they were sent.
void Client::resend() {
  for (const Flight& flight : flights_) {
    if (flight.released) send_ack(PacketType::pubrel, flight.id);
    else send(flight);
  }
}

std::uint16_t Client::next_id() {
  const auto in_use = [&](std::uint16_t id) {
    return id == 0 || asked_.contains(id) ||
           std::any_of(flights_.begin(), flights_.end(), [&](const Flight& flight) { return flight.id == id; });
  };
  do ++last_id_;
  while (in_use(last_id_));
  return last_id_;
}

void Client::send(const Flight& flight) {
  mqtt::Publish packet;
  packet.topic = flight.topic;
  packet.payload = base::as_bytes(flight.payload);
  packet.id = flight.id;
  packet.qos = flight.qos;
  packet.retain = flight.retain;
  packet.dup = flight.again;
  wire_.put(packet, options_.version);
}

void Client::send_ack(PacketType type, std::uint16_t id, ReasonCode code) {
  wire_.put(mqtt::Ack{.type = type, .id = id, .code = code, .properties = {}}, options_.version);
}

void Client::publish(std::string topic, std::string payload, std::uint8_t qos, bool retain, std::uint64_t sequence) {
  flights_.push_back({.id = next_id(),
                      .topic = std::move(topic),
                      .payload = std::move(payload),
                      .qos = qos,
                      .retain = retain,
                      .sequence = sequence,
                      .sent = Clock::now()});
  send(flights_.back());
}

std::uint16_t Client::subscribe(const std::vector<FilterWanted>& filters, std::uint32_t identifier) {
  std::vector<std::uint8_t> raw;
  for (const FilterWanted& wanted : filters) {
    mqtt::SubscriptionOptions options;
    options.qos = wanted.qos;
    mqtt::append_filter(raw, {wanted.filter, options}, true);
  }
  mqtt::PropertyWriter properties;
  mqtt::Subscribe packet;
  packet.id = next_id();
  packet.filters = mqtt::FilterList(raw, true);
  if (v5() && identifier != 0) {
    properties.number(PropertyId::subscription_identifier, identifier);
    packet.properties = properties.view(PropertyPlace::subscribe);
  }
  asked_.insert(packet.id);
  wire_.put(packet, options_.version);
  return packet.id;
}

std::uint16_t Client::unsubscribe(const std::vector<std::string>& filters) {
  std::vector<std::uint8_t> raw;
  for (const std::string& filter : filters) mqtt::append_filter(raw, {filter, {}}, false);
  mqtt::Unsubscribe packet;
  packet.id = next_id();
  packet.filters = mqtt::FilterList(raw, false);
  asked_.insert(packet.id);
  wire_.put(packet, options_.version);
  return packet.id;
}

void Client::on(const mqtt::SubscriptionAck& packet) {
  if (asked_.erase(packet.id) == 0) fail("the server acknowledged what it was not asked");
  for (const std::uint8_t code : packet.codes) {
    if (code >= 0x80) fail("a subscription was refused: " + std::to_string(code));
  }
  if (packet.type == PacketType::suback) on_suback(packet.id, packet.codes);
  else on_unsuback(packet.id);
}

void Client::on(const mqtt::Disconnect& packet) {
  fail("the server says DISCONNECT " + std::to_string(static_cast<unsigned>(packet.code)));
}

// MQTT-4.3.3-10: a QoS 2 message is new unless its identifier is taken, on whatever connection that was.
void Client::on(const mqtt::Publish& packet) {
  if (packet.qos == 0) return on_message(packet);
  if (!open_.insert(packet.id).second) fail("packet identifier " + std::to_string(packet.id) + " is in use");
  if (receive_maximum_ != 0 && open_.size() > receive_maximum_) fail("more in flight than the receive maximum");
  if (packet.qos == 1) {
    acks_.push_back({.type = PacketType::puback, .id = packet.id, .code = {}, .properties = {}});
    return on_message(packet);
  }
  acks_.push_back({.type = PacketType::pubrec, .id = packet.id, .code = {}, .properties = {}});
  std::string content = std::string(packet.topic) + ' ' + std::string(base::as_text(packet.payload).substr(0, 40));
  const auto [found, is_new] = taken_.emplace(packet.id, content);
  if (is_new) return on_message(packet);
  if (found->second != content) {
    fail("packet identifier " + std::to_string(packet.id) + " came with '" + content + "', but PUBREL is due for '" +
         found->second + "'");
  }
}

void Client::send_acks(std::size_t most) {
  for (; online_ && most != 0 && !acks_.empty(); --most) {
    const mqtt::Ack ack = acks_.front();
    acks_.pop_front();
    if (ack.type != PacketType::pubrec) open_.erase(ack.id);
    wire_.put(ack, options_.version);
  }
}

void Client::on(const mqtt::Ack& packet) {
  if (packet.type == PacketType::pubrel) {
    const bool known = taken_.erase(packet.id) != 0;
    const ReasonCode code = known || !v5() ? ReasonCode::success : ReasonCode::packet_identifier_not_found;
    acks_.push_back({.type = PacketType::pubcomp, .id = packet.id, .code = code, .properties = {}});
    return;
  }
  const auto flight =
      std::find_if(flights_.begin(), flights_.end(), [&](const Flight& one) { return one.id == packet.id; });
  const bool fits = flight != flights_.end() && (packet.type == PacketType::puback) == (flight->qos == 1) &&
                    (packet.type != PacketType::pubcomp || flight->released);
  if (!fits) fail(std::string(mqtt::to_string(packet.type)) + " for what is not in flight");
  const bool forgotten = packet.type == PacketType::pubcomp && flight->again;  // 0x92 is right then
  if (mqtt::is_error(packet.code) && !(forgotten && packet.code == ReasonCode::packet_identifier_not_found)) {
    fail("a message was refused: " + std::to_string(static_cast<unsigned>(packet.code)));
  }
  if (packet.type != PacketType::pubcomp && !flight->released) {
    world_.acknowledged(flight->sent);
    on_acknowledged(*flight);
  }
  if (packet.type != PacketType::pubrec) {
    flights_.erase(flight);
    return;
  }
  flight->released = true;
  send_ack(PacketType::pubrel, packet.id);
}

}  // namespace shoal::crash
