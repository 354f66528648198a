#include "broker/client.hpp"

#include "broker/shard.hpp"
#include "mqtt/encode.hpp"
#include "mqtt/topic_name.hpp"
#include "mqtt/utf8.hpp"

namespace shoal::broker {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ProtocolError;
using mqtt::ReasonCode;

namespace {

// What one client may ask for before others get their turn: some ten milliseconds.
constexpr std::size_t kWorkPerTurn = 200'000;
// Topic levels that one SUBSCRIBE may have looked at for retained messages: some tenths of a second.
constexpr std::size_t kRetainedWorkMax = 20'000'000;

constexpr ProtocolError violated(const char* id, const char* what) { return {ReasonCode::protocol_error, id, what}; }

// Properties of a PUBLISH that go on to subscribers: all but those that belong to this hop (3.3.2.3).
base::Bytes forwardable(const mqtt::Properties& properties, mqtt::PropertyWriter& scratch) {
  const bool hop = properties.has(PropertyId::topic_alias) || properties.has(PropertyId::message_expiry_interval);
  if (!hop) return properties.raw();
  scratch.clear();
  properties.each([&](PropertyId id, base::Bytes value) {
    if (id != PropertyId::topic_alias && id != PropertyId::message_expiry_interval) scratch.copy(id, value);
  });
  return scratch.raw();
}

}  // namespace

Client::Client(Shard& shard, Transport& transport)
    : shard_(shard),
      transport_(transport),
      link_(shard.context().chunks),
      number_(shard.enter(*this)),
      last_packet_(shard.now()),
      aliases_(shard.limits().topic_aliases) {
  link_.out_bytes_max = shard.limits().output_bytes;
  shard.context().timers.arm(*this, shard.now() + base::seconds(shard.limits().connect_timeout_s));
}

Client::~Client() {
  lost("closed");
  shard_.leave(*this);
}

std::size_t Client::receive(base::Bytes bytes) {
  std::size_t used = 0;
  work_ = 0;
  expected_bytes_ = 0;
  mqtt::Frame frame;
  while ((state_ == State::awaiting_connect || state_ == State::connected) && !paused()) {
    const mqtt::FrameStatus status = mqtt::cut_frame(bytes.subspan(used), frame);
    if (status == mqtt::FrameStatus::malformed) {
      fail({ReasonCode::malformed_packet, "MQTT-2.1.4", "fixed header is malformed"});
      break;
    }
    if (frame.size > shard_.limits().packet_size_bytes) {
      ++shard_.counters().limit_hits;
      fail({ReasonCode::packet_too_large, "MQTT-3.1.2-24", "packet is larger than the limit"});
      break;
    }
    if (status == mqtt::FrameStatus::incomplete) {
      // A peer that speaks something else is not waited for.
      if (state_ == State::awaiting_connect && used < bytes.size() &&
          static_cast<PacketType>(bytes[used] >> 4) != PacketType::connect) {
        fail(violated("MQTT-3.1.0-1", "first packet is not CONNECT"));
        break;
      }
      expected_bytes_ = frame.size;
      break;
    }
    used += frame.size;
    last_packet_ = shard_.now();
    if (const Outcome outcome = handle(frame); outcome.code != ReasonCode::success) fail(outcome);
    if (++work_ >= kWorkPerTurn && state_ == State::connected) {
      // After very much the others get about as long.
      const std::size_t rest_ns = work_ > 2 * kWorkPerTurn ? work_ * 10 : 0;
      shard_.pause(*this, std::chrono::nanoseconds(rest_ns));
    }
  }
  return used;
}

Client::Outcome Client::handle(const mqtt::Frame& frame) {
  if (state_ == State::awaiting_connect) {
    if (frame.type != PacketType::connect) {
      return violated("MQTT-3.1.0-1", "first packet is not CONNECT");
    }
    on_connect(frame);
    return kFine;
  }
  switch (frame.type) {
    case PacketType::publish: return on_publish(frame);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp: return on_ack(frame);
    case PacketType::subscribe: return on_subscribe(frame);
    case PacketType::unsubscribe: return on_unsubscribe(frame);
    case PacketType::pingreq: return on_pingreq(frame);
    case PacketType::disconnect: return on_disconnect(frame);
    case PacketType::connect: return violated("MQTT-3.1.0-2", "second CONNECT");
    case PacketType::auth: return violated("MQTT-4.12.0-1", "AUTH without an authentication method");
    case PacketType::connack:
    case PacketType::suback:
    case PacketType::unsuback:
    case PacketType::pingresp: break;
  }
  return violated("MQTT-2.1.2", "packet that only a server sends");
}

Client::Outcome Client::on_publish(const mqtt::Frame& frame) {
  auto decoded = mqtt::decode_publish(frame, link_.version);
  if (!decoded) return decoded.error();
  mqtt::Publish& packet = *decoded;
  Incoming incoming{packet.topic, packet.payload, {}, packet.qos, packet.retain};
  if (!packet.properties.empty()) {
    const mqtt::Properties& properties = packet.properties;
    if (properties.has(PropertyId::subscription_identifier)) {
      return violated("MQTT-3.3.4-6", "subscription identifier from a client");
    }
    if (properties.has(PropertyId::topic_alias)) {
      const auto alias = static_cast<std::uint16_t>(properties.number(PropertyId::topic_alias));
      if (!aliases_.valid(alias)) {
        return {ReasonCode::topic_alias_invalid, "MQTT-3.3.2-9", "topic alias above the maximum"};
      }
      if (packet.topic.empty()) incoming.topic = aliases_.find(alias);
      else aliases_.set(alias, packet.topic);
      if (incoming.topic.empty()) return violated("MQTT-3.3.2-12", "topic alias was not set");
    }
    if (properties.number(PropertyId::payload_format_indicator) == 1 &&
        !mqtt::is_utf8_payload(base::as_text(packet.payload))) {
      return refuse_publish(packet, ReasonCode::payload_format_invalid);
    }
    if (properties.has(PropertyId::message_expiry_interval)) {
      incoming.expires = shard_.now() + base::seconds(properties.number(PropertyId::message_expiry_interval));
    }
    incoming.properties = forwardable(properties, shard_.property_scratch());
  }

  if (packet.qos == 2) {
    switch (session_->protocol.take(packet.id, shard_.limits().receive_maximum)) {
      case session::Inbound::Verdict::route: break;
      case session::Inbound::Verdict::duplicate:
        write_ack(PacketType::pubrec, packet.id, ReasonCode::success);
        return kFine;
      case session::Inbound::Verdict::exceeded:
        ++shard_.counters().limit_hits;
        return {ReasonCode::receive_maximum_exceeded, "MQTT-3.3.4-7", "receive maximum exceeded"};
    }
  }
  const ReasonCode code = shard_.router().publish(incoming, session_, shard_.now());
  work_ += shard_.router().fan_out();
  if (state_ != State::connected) return kFine;  // its own queue overflowed
  shard_.throttle(*this, shard_.router().backlog_percent());
  if (is_error(code)) {
    if (packet.qos == 2) session_->protocol.refuse(packet.id);
    return refuse_publish(packet, code);
  }
  if (packet.qos == 1) write_ack(PacketType::puback, packet.id, code);
  if (packet.qos == 2) write_ack(PacketType::pubrec, packet.id, code);
  return kFine;
}

// 5.0 clients get the code in the acknowledgement. The others would take any acknowledgement for a
// success, so QoS 1 and 2 end the connection (3.3.5, 3.1.1); at QoS 0 nothing was promised.
Client::Outcome Client::refuse_publish(const mqtt::Publish& packet, ReasonCode code) {
  if (packet.qos == 0) {
    if (code == ReasonCode::quota_exceeded) return kFine;
    return {code, "MQTT-3.3.5", "message refused"};
  }
  if (!v5()) return {code, "MQTT-3.3.5-2", "message refused"};
  write_ack(packet.qos == 1 ? PacketType::puback : PacketType::pubrec, packet.id, code);
  return kFine;
}

Client::Outcome Client::on_ack(const mqtt::Frame& frame) {
  const auto packet = mqtt::decode_ack(frame, link_.version);
  if (!packet) return packet.error();
  if (packet->type == PacketType::pubrel) {
    session_->protocol.release(*packet);
    shard_.flush_later(*this);
    return kFine;
  }
  session_->protocol.acknowledge(*packet);
  session_->protocol.pump(shard_.router().scratch(), shard_.now());
  if (!link_.out.empty()) shard_.flush_later(*this);
  return kFine;
}

std::uint8_t Client::subscribe_one(const mqtt::FilterEntry& entry, std::uint32_t id, bool& is_new) {
  const auto answer = [&](ReasonCode code) { return v5() ? static_cast<std::uint8_t>(code) : std::uint8_t{0x80}; };
  if (mqtt::is_shared(entry.filter)) return answer(ReasonCode::shared_subscriptions_not_supported);
  if (!mqtt::is_topic_filter(entry.filter)) return answer(ReasonCode::topic_filter_invalid);
  if (!shard_.router().topic_within_limits(entry.filter)) {
    ++shard_.counters().limit_hits;
    return answer(ReasonCode::topic_filter_invalid);
  }
  if (session_->subscriptions.size() >= shard_.limits().subscriptions &&
      !shard_.router().subscribed(*session_, entry.filter)) {
    ++shard_.counters().limit_hits;
    return answer(ReasonCode::quota_exceeded);
  }
  // Subscribing again and again asks for the retained messages each time: somebody who does not read
  // them gets no more.
  const std::size_t waiting = session_->protocol.outbound().queued_retained();
  if (waiting > shard_.limits().retained_messages || (waiting > 0 && shard_.router().exhausted())) {
    ++shard_.counters().limit_hits;
    return answer(ReasonCode::quota_exceeded);
  }
  is_new = shard_.router().subscribe(*session_, entry.filter, entry.options, id);
  return entry.options.qos;
}

Client::Outcome Client::on_subscribe(const mqtt::Frame& frame) {
  const auto packet = mqtt::decode_subscribe(frame, link_.version);
  if (!packet) return packet.error();
  const std::uint32_t id = packet->properties.number(PropertyId::subscription_identifier);
  std::vector<std::uint8_t> codes;
  std::vector<bool> with_retained;
  mqtt::FilterEntry entry;
  for (mqtt::FilterList filters = packet->filters; filters.next(entry);) {
    bool is_new = false;
    codes.push_back(subscribe_one(entry, id, is_new));
    ++work_;
    const std::uint8_t handling = entry.options.retain_handling;  // MQTT-3.3.1-9 to -11; 0 before 5.0
    with_retained.push_back(codes.back() <= 2 && (handling == 0 || (handling == 1 && is_new)));
  }
  write(mqtt::SubscriptionAck{PacketType::suback, packet->id, codes, {}});
  if (state_ != State::connected) return kFine;  // too large for the client
  std::size_t index = 0;
  for (mqtt::FilterList filters = packet->filters; filters.next(entry); ++index) {
    if (!with_retained[index]) continue;
    // One packet can name a filter thousands of times.
    if (session_->protocol.outbound().queued_retained() > shard_.limits().retained_messages ||
        work_ > kRetainedWorkMax) {
      ++shard_.counters().limit_hits;
      break;
    }
    work_ += shard_.router().queue_retained(*session_, entry.filter, entry.options, id, shard_.now());
  }
  session_->protocol.pump(shard_.router().scratch(), shard_.now());
  return kFine;
}

Client::Outcome Client::on_unsubscribe(const mqtt::Frame& frame) {
  const auto packet = mqtt::decode_unsubscribe(frame, link_.version);
  if (!packet) return packet.error();
  std::vector<std::uint8_t> codes;
  mqtt::FilterEntry entry;
  for (mqtt::FilterList filters = packet->filters; filters.next(entry);) {
    ReasonCode code = ReasonCode::success;
    if (!mqtt::is_shared(entry.filter) && !mqtt::is_topic_filter(entry.filter)) code = ReasonCode::topic_filter_invalid;
    else if (!shard_.router().unsubscribe(*session_, entry.filter)) code = ReasonCode::no_subscription_existed;
    codes.push_back(static_cast<std::uint8_t>(code));
    ++work_;
  }
  write(mqtt::SubscriptionAck{PacketType::unsuback, packet->id, codes, {}});
  return kFine;
}

Client::Outcome Client::on_pingreq(const mqtt::Frame& frame) {
  if (const auto packet = mqtt::decode(frame, link_.version); !packet) return packet.error();
  write(mqtt::Pingresp{});
  return kFine;
}

Client::Outcome Client::on_disconnect(const mqtt::Frame& frame) {
  const auto packet = mqtt::decode_disconnect(frame, link_.version);
  if (!packet) return packet.error();
  if (packet->properties.has(PropertyId::session_expiry_interval)) {
    const std::uint32_t expiry_s = packet->properties.number(PropertyId::session_expiry_interval);
    if (expiry_was_zero_ && expiry_s != 0) {
      return violated("MQTT-3.14.2.2.2", "session expiry of 0 raised in DISCONNECT");
    }
    session_->protocol.set_expiry_s(std::min(expiry_s, shard_.limits().session_expiry_s));
  }
  if (packet->code == ReasonCode::success) session_->protocol.will.reset();  // MQTT-3.14.4-3, MQTT-3.1.2-8
  finish(packet->code == ReasonCode::success ? "disconnected" : to_string(packet->code));
  return kFine;
}

void Client::write_ack(PacketType type, std::uint16_t id, ReasonCode code) {
  link_.out.commit(mqtt::encode_ack(link_.out.reserve(mqtt::kAckSizeMax), type, id, code, link_.version));
  shard_.flush_later(*this);
}

void Client::write(const mqtt::Packet& packet) {
  std::vector<std::uint8_t>& bytes = shard_.packet_scratch();
  bytes.clear();
  mqtt::encode(packet, link_.version, bytes);
  if (bytes.size() > link_.packet_size_max) {  // MQTT-3.1.2-24
    if (state_ == State::connected && !std::holds_alternative<mqtt::Disconnect>(packet)) {
      end(ReasonCode::packet_too_large, "answer is larger than the client's maximum packet size");
    }
    return;
  }
  link_.out.append(bytes);
  shard_.flush_later(*this);
}

void Client::drained() {
  if (state_ == State::connected) session_->protocol.pump(shard_.router().scratch(), shard_.now());
}

void Client::lost(std::string_view what) {
  if (state_ == State::ended) return;
  if (state_ != State::connected) ++shard_.counters().refused;
  finish(what);
}

void Client::end(ReasonCode code, std::string_view why) {
  if (state_ == State::ended) return;
  if (state_ == State::connected && v5()) write(mqtt::Disconnect{code, {}});
  lingers_ = true;
  if (state_ != State::connected) ++shard_.counters().refused;
  finish(why);
}

void Client::fail(const ProtocolError& error) {
  if (state_ == State::ended) return;
  if (state_ == State::connected) ++shard_.counters().dropped;
  shard_.log_limited(LogLevel::warn, "client violated the protocol",
                     {{"client", session_ ? std::string_view(session_->protocol.client_id()) : std::string_view("?")},
                      {"address", transport_.peer()},
                      {"what", error.what},
                      {"rule", error.id},
                      {"code", static_cast<unsigned>(error.code)}});
  end(error.code, error.what);
}

// The one place where a connection's protocol ends: session detached, will and expiry set going.
void Client::finish(std::string_view why) {
  if (state_ == State::ended) return;
  if (state_ == State::awaiting_connect) --shard_.counters().half_open_now;
  shard_.context().timers.cancel(*this);
  const bool was_connected = state_ == State::connected;
  state_ = State::ended;
  connect_ = {};
  if (was_connected) {
    --shard_.counters().connections_now;
    shard_.context().log.info(
        "client disconnected",
        {{"client", session_->protocol.client_id()}, {"address", transport_.peer()}, {"reason", why}});
    ClientSession& session = *std::exchange(session_, nullptr);
    session.protocol.detach();
    session.client = nullptr;
    shard_.sessions().disconnected(session);
  }
  shard_.flush_later(*this);
}

void Client::on_deadline(base::Time now) {
  if (state_ == State::awaiting_connect) {
    ++shard_.counters().limit_hits;
    fail({ReasonCode::protocol_error, "MQTT-3.1.4", "no CONNECT in time"});
    return;
  }
  if (state_ != State::connected) return;
  // Packets do not move the timer: it looks when it is due whether something came meanwhile.
  const base::Time limit = last_packet_ + base::milliseconds(keep_alive_s_ * 1500);
  if (limit > now) {
    shard_.context().timers.arm(*this, limit);
    return;
  }
  ++shard_.counters().dropped;
  end(ReasonCode::keep_alive_timeout, "keep alive timeout");  // MQTT-3.1.2-22
}

}  // namespace shoal::broker
