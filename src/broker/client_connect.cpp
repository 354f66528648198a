#include <algorithm>

#include "broker/client.hpp"
#include "broker/shard.hpp"
#include "mqtt/topic_name.hpp"
#include "mqtt/utf8.hpp"
#include "mqtt/varint.hpp"

// The first packet: from CONNECT to CONNACK.

namespace shoal::broker {

using mqtt::PropertyId;
using mqtt::ReasonCode;
using mqtt::Version;

namespace {

// Properties of the will that go on to subscribers (3.1.3.2).
base::Bytes will_properties(const mqtt::Properties& properties, mqtt::PropertyWriter& scratch) {
  scratch.clear();
  properties.each([&](PropertyId id, base::Bytes value) {
    if (id != PropertyId::will_delay_interval && id != PropertyId::message_expiry_interval) scratch.copy(id, value);
  });
  return scratch.raw();
}

std::size_t connack_size(std::size_t properties) {
  const std::size_t body = 2 + mqtt::varint_size(static_cast<std::uint32_t>(properties)) + properties;
  return 1 + mqtt::varint_size(static_cast<std::uint32_t>(body)) + body;
}

constexpr std::uint64_t kConnectWork = 200;  // units of `session::Work`

}  // namespace

// Before anything of it counts here: the shard of its session handles it as if it had come there.
bool Client::belongs_elsewhere(const mqtt::Frame& frame) {
  if (frame.type != mqtt::PacketType::connect) return false;
  const auto packet = mqtt::decode_connect(frame);
  if (!packet || packet->client_id.empty() || shard_.shard_of(packet->client_id) == shard_.number()) return false;
  moves_to_ = static_cast<std::uint8_t>(shard_.shard_of(packet->client_id));
  state_ = State::ended;
  shard_.entered(*this);
  shard_.context().timers.cancel(*this);
  return true;
}

void Client::on_connect(const mqtt::Frame& frame) {
  const auto decoded = mqtt::decode_connect(frame);
  if (!decoded) {
    // A version that is not spoken here gets an answer it can read (MQTT-3.1.2-2); so does a 5.0
    // client whose packet is wrong behind the level. The rest is closed without one.
    const bool foreign = decoded.error().code == ReasonCode::unsupported_protocol_version;
    const bool named_mqtt = base::as_text(frame.body).starts_with(std::string_view("\0\4MQTT", 6));
    const unsigned level = named_mqtt && frame.body.size() > 6 ? frame.body[6] : 0u;
    if (!foreign && level != 5) return fail(decoded.error());
    // Older versions and bridges (the top bit set) read the 3.1.1 form, later ones that of 5.0.
    link_.version = level >= 5 && level < 0x80 ? Version::v5 : Version::v3_1_1;
    return refuse(decoded.error().code, decoded.error().what);
  }
  const mqtt::Connect& packet = *decoded;
  shard_.budget().work.add(kConnectWork);
  link_.version = packet.version;
  link_.packet_size_max = packet.properties.number(PropertyId::maximum_packet_size, UINT32_MAX);
  problem_information_ = packet.properties.number(PropertyId::request_problem_information, 1) != 0;
  shard_.entered(*this);
  state_ = State::authenticating;
  if (shard_.shutting_down()) return refuse(ReasonCode::server_unavailable, "shutting down", packet.client_id);
  if (packet.properties.has(PropertyId::authentication_method)) {
    return refuse(ReasonCode::bad_authentication_method, "authentication method not supported", packet.client_id);
  }
  const auth::Verdict verdict = shard_.context().authority.check(packet.user_name, packet.password);
  switch (verdict.decision) {
    case auth::Decision::accepted: return admit(packet);
    case auth::Decision::refused:
      ++shard_.counters().auth_failures;
      return refuse(ReasonCode::bad_user_name_or_password, verdict.reason, packet.client_id);
    case auth::Decision::needs_hash: break;
  }
  const bool room = shard_.counters().lasting_input_now + frame.body.size() <= shard_.lasting_input_max();
  const std::uint64_t number = shard_.verify_later(*this);
  verifying_.reset(new Verifying{number, {}});
  if (!room || !shard_.context().authority.verify(number, *packet.user_name, *packet.password)) {
    shard_.hit(room ? Bound::passwords : Bound::input_bytes_total, packet.client_id);
    return refuse(ReasonCode::server_busy, "too many passwords to verify", packet.client_id);
  }
  verifying_->connect.assign(frame.body.begin(), frame.body.end());
  keep_input(static_cast<std::ptrdiff_t>(frame.body.size()));
}

void Client::authenticated(bool accepted, std::string_view reason) {
  if (state_ != State::authenticating) return;
  const std::vector<std::uint8_t> body = std::move(verifying_->connect);
  verifying_.reset();
  keep_input(-static_cast<std::ptrdiff_t>(body.size()));
  const auto packet = mqtt::decode_connect({.type = mqtt::PacketType::connect, .flags = 0, .body = body});
  if (accepted) {
    admit(*packet);
  } else {
    ++shard_.counters().auth_failures;
    refuse(ReasonCode::bad_user_name_or_password, reason, packet->client_id);
  }
  if (state_ == State::connected) transport_.resume();
}

// What can be said of the CONNECT by itself: refuses it or returns true.
bool Client::acceptable(const mqtt::Connect& packet) {
  const auto refuse_it = [&](ReasonCode code, std::string_view why) {
    refuse(code, why, packet.client_id.substr(0, shard_.limits().client_id_bytes));
    return false;
  };
  if (packet.client_id.empty() && !v5() && !(packet.version == Version::v3_1_1 && packet.clean_start)) {
    return refuse_it(ReasonCode::client_identifier_not_valid, "client id is empty");  // MQTT-3.1.3-8 (3.1.1)
  }
  if (packet.client_id.size() > shard_.limits().client_id_bytes) {
    shard_.hit(Bound::client_id_bytes, transport_.peer());
    return refuse_it(ReasonCode::client_identifier_not_valid, "client id is too long");
  }
  if (!packet.will) return true;
  const mqtt::Will& will = *packet.will;
  if (!shard_.router().topic_within_limits(will.topic)) {
    shard_.hit(Bound::topic, packet.client_id);
    return refuse_it(ReasonCode::topic_name_invalid, "will topic is too long");
  }
  if (mqtt::is_server_topic(will.topic)) {
    return refuse_it(ReasonCode::not_authorized, "only the server publishes to the will's topic");
  }
  if (will.properties.number(PropertyId::payload_format_indicator) == 1 &&
      !mqtt::is_utf8_payload(base::as_text(will.payload))) {
    return refuse_it(ReasonCode::payload_format_invalid, "will is not UTF-8 as it says");
  }
  return true;
}

void Client::admit(const mqtt::Connect& packet) {
  if (!acceptable(packet)) return;
  const Limits& limits = shard_.limits();
  SessionTable& sessions = shard_.sessions();
  const bool assigned = packet.client_id.empty();
  std::string client_id = assigned ? shard_.assign_client_id() : std::string(packet.client_id);
  keep_alive_s_ = packet.keep_alive_s;
  if (v5() && limits.keep_alive_max_s != 0 && (keep_alive_s_ == 0 || keep_alive_s_ > limits.keep_alive_max_s)) {
    keep_alive_s_ = limits.keep_alive_max_s;
  }
  if (v5() &&
      connack_size(connack_properties(packet, assigned ? client_id : "").raw().size()) > link_.packet_size_max) {
    return refuse(ReasonCode::packet_too_large, "maximum packet size is too small for CONNACK", client_id);
  }
  sessions.catch_up(client_id);
  ClientSession* const existing = sessions.find(client_id);
  const bool takes_over = existing && existing->client;
  // Before anything is changed: a refused CONNECT leaves everything as it is. A client in the limit can
  // always replace itself.
  if (!takes_over && shard_.total(Figure::connections) >= limits.connections) {
    shard_.hit(Bound::connections, client_id);
    return refuse(ReasonCode::quota_exceeded, "too many connections", client_id);
  }
  if (!existing && shard_.total(Figure::sessions) >= limits.sessions) {
    shard_.hit(Bound::sessions, client_id);
    return refuse(ReasonCode::quota_exceeded, "too many sessions", client_id);
  }
  if (packet.will && shard_.router().exhausted()) {
    shard_.hit(Bound::queued_bytes_total, client_id);
    return refuse(ReasonCode::quota_exceeded, "no memory for a will", client_id);
  }
  if (!existing && shard_.store_full() && (granted_expiry(packet) != 0 || packet.will)) {
    shard_.hit(Bound::disk, client_id);
    return refuse(ReasonCode::quota_exceeded, "the disk is full", client_id);
  }
  const std::uint64_t position = shard_.journal_position();
  if (takes_over) existing->client->end(ReasonCode::session_taken_over, "session taken over");  // MQTT-3.1.4-3
  if (packet.clean_start) {
    if (ClientSession* const kept = sessions.find(client_id)) sessions.end(*kept);  // MQTT-3.1.2-4
  }
  session_ = sessions.find(client_id);
  const bool present = session_ != nullptr;
  if (present) sessions.resumed(*session_);
  else session_ = &sessions.create(client_id);

  state_ = State::connected;
  connected_since_ = shard_.now();
  if (packet.user_name) user_ = std::make_unique<std::string>(*packet.user_name);
  ShardCounters& counters = shard_.counters();
  ++counters.connected;
  counters.connections_max = std::max(counters.connections_max, ++counters.connections_now);
  shard_.tell(Figure::connections);
  shard_.tell(Figure::sessions);
  session_->client = this;
  const std::uint32_t expiry_s = granted_expiry(packet);
  expiry_was_zero_ = packet.properties.number(PropertyId::session_expiry_interval) == 0;
  link_.receive_maximum = static_cast<std::uint16_t>(packet.properties.number(PropertyId::receive_maximum, UINT16_MAX));
  const std::uint32_t aliases = packet.properties.number(PropertyId::topic_alias_maximum);
  if (aliases != 0 && limits.topic_aliases != 0) {
    link_.aliases = std::make_unique<session::SentAliases>(
        static_cast<std::uint16_t>(std::min<std::uint32_t>(aliases, limits.topic_aliases)));
  }
  arm_keep_alive();
  store_will(packet);
  session_->protocol.attach(link_, expiry_s);
  shard_.store_session(*session_);
  mqtt::Connack connack;
  connack.session_present = present && packet.version != Version::v3_1;
  if (v5()) {
    const std::string_view id = assigned ? std::string_view(session_->protocol.client_id()) : std::string_view();
    connack.properties = connack_properties(packet, id).view(mqtt::PropertyPlace::connack);
  }
  write(connack, std::max(shard_.told_since(position), session_->protocol.pending()));
  shard_.router().shared().connected(*session_);
  if (present && shard_.router().own_wanted()) shard_.sys().wanted();
  session_->pump(shard_.router().scratch(), shard_.now());
  log_connected(packet, present);
}

void Client::log_connected(const mqtt::Connect& packet, bool present) {
  shard_.log_limited(LogLevel::info, "client connected",
                     {{"client", session_->protocol.client_id()},
                      {"address", transport_.peer()},
                      {"version", to_string(packet.version)},
                      {"user", packet.user_name.value_or("")},
                      {"clean", packet.clean_start ? 1 : 0},
                      {"resumed", present ? 1 : 0},
                      {"keep_alive_s", keep_alive_s_}});
}

// 5.0 asks for seconds; before, a session that is not clean is kept as long as the instance keeps any.
std::uint32_t Client::granted_expiry(const mqtt::Connect& packet) const {
  const std::uint32_t most = shard_.limits().session_expiry_s;
  if (v5()) return std::min(packet.properties.number(PropertyId::session_expiry_interval), most);
  return packet.clean_start ? 0 : most;
}

void Client::store_will(const mqtt::Connect& packet) {
  if (!packet.will) return;
  const mqtt::Will& will = *packet.will;
  auto stored = std::make_unique<session::StoredWill>();
  stored->message = shard_.router().messages().make(
      will.topic, will.payload, will_properties(will.properties, shard_.property_scratch()), will.qos, base::kNever);
  stored->delay_s = will.properties.number(PropertyId::will_delay_interval);
  if (will.properties.has(PropertyId::message_expiry_interval)) {
    stored->expiry_s = will.properties.number(PropertyId::message_expiry_interval);
  }
  stored->retain = will.retain;
  session_->protocol.will = std::move(stored);
}

// In the shard's scratch.
mqtt::PropertyWriter& Client::connack_properties(const mqtt::Connect& packet, std::string_view assigned_id) {
  const Limits& limits = shard_.limits();
  mqtt::PropertyWriter& properties = shard_.property_scratch();
  properties.clear();
  const std::uint32_t expiry_s = granted_expiry(packet);
  if (expiry_s != packet.properties.number(PropertyId::session_expiry_interval)) {
    properties.number(PropertyId::session_expiry_interval, expiry_s);
  }
  if (receive_maximum_ != UINT16_MAX) properties.number(PropertyId::receive_maximum, receive_maximum_);
  properties.number(PropertyId::maximum_packet_size, packet_size_max_);
  if (!assigned_id.empty()) properties.text(PropertyId::assigned_client_identifier, assigned_id);
  if (limits.topic_aliases != 0) properties.number(PropertyId::topic_alias_maximum, limits.topic_aliases);
  if (keep_alive_s_ != packet.keep_alive_s) properties.number(PropertyId::server_keep_alive, keep_alive_s_);
  const std::string& information = shard_.options().response_information;
  const bool asked = packet.properties.number(PropertyId::request_response_information) == 1;  // MQTT-3.1.2-28
  if (asked && !information.empty() &&
      connack_size(properties.raw().size() + 3 + information.size()) <= link_.packet_size_max) {
    properties.text(PropertyId::response_information, information);
  }
  return properties;
}

void Client::refuse(ReasonCode code, std::string_view why, std::string_view client_id) {
  ++shard_.counters().refused;
  shard_.log_limited(
      LogLevel::warn, "client refused",
      {{"client", client_id}, {"address", transport_.peer()}, {"reason", why}, {"code", static_cast<unsigned>(code)}});
  const auto return_code = mqtt::to_return_code(code);
  if (v5() || return_code) {
    mqtt::Connack connack;
    connack.code = v5() ? static_cast<std::uint8_t>(code) : static_cast<std::uint8_t>(*return_code);
    // Not which of both was wrong: that is for the log.
    const bool secret = code == ReasonCode::bad_user_name_or_password;
    if (!secret) connack.properties = reason(why, mqtt::PropertyPlace::connack);
    write(connack);
  }
  lingers_ = true;
  finish(why);
}

void Client::arm_keep_alive() {
  if (keep_alive_s_ == 0) shard_.context().timers.cancel(*this);
  else shard_.context().timers.arm(*this, shard_.now() + base::milliseconds(keep_alive_s_ * 1500));
}

}  // namespace shoal::broker
