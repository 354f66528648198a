#include "broker/client.hpp"

#include <algorithm>

#include "broker/router.hpp"
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

// Units of `session::Work`, besides what routing adds.
constexpr std::uint64_t kPacketWork = 4;
constexpr std::uint64_t kFinishWork = 100;
// Whoever waits in line has been heard by then, most often.
constexpr base::Duration kTurnComes = base::milliseconds(100);

constexpr ProtocolError violated(const char* id, const char* what) { return {ReasonCode::protocol_error, id, what}; }

// Whether the start of a CONNECT says that it is one of 5.0.
bool speaks_v5(base::Bytes packet) {
  std::size_t at = 1;
  while (at < packet.size() && at < 5 && (packet[at] & 0x80) != 0) ++at;
  constexpr std::string_view kHello("\0\4MQTT\5", 7);
  return packet.size() > at && static_cast<PacketType>(packet[0] >> 4) == PacketType::connect &&
         base::as_text(packet.subspan(at + 1)).starts_with(kHello);
}

// Takes the properties away from an answer that has a reason string, which is all that is in them then.
bool drop_reason(mqtt::Packet& packet) {
  return std::visit(
      [](auto& answer) {
        if constexpr (requires { answer.properties; }) {
          if (!answer.properties.has(PropertyId::reason_string)) return false;
          answer.properties = {};
          return true;
        }
        return false;
      },
      packet);
}

// Reason codes of DISCONNECT that are not the server's alone (3.14.2.1).
bool client_may_say(ReasonCode code) {
  switch (code) {
    case ReasonCode::not_authorized:
    case ReasonCode::server_busy:
    case ReasonCode::server_shutting_down:
    case ReasonCode::keep_alive_timeout:
    case ReasonCode::session_taken_over:
    case ReasonCode::topic_filter_invalid: return false;
    default: return static_cast<std::uint8_t>(code) < static_cast<std::uint8_t>(ReasonCode::retain_not_supported);
  }
}

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
      last_packet_(shard.now()),
      packet_size_max_(shard.limits().packet_size_bytes),
      receive_maximum_(shard.limits().receive_maximum),
      topic_alias_maximum_(shard.limits().topic_aliases) {
  shard.enter(*this);
  link_.out_bytes_max = shard.output_bytes_max();
  set_rates();
  shard.context().timers.arm(*this, shard.now() + base::seconds(shard.limits().connect_timeout_s));
}

void Client::set_rates() {
  const Limits& limits = shard_.limits();
  if (limits.client_messages_per_second == 0 && limits.client_bytes_per_second == 0) return rates_.reset();
  rates_ = std::make_unique<Rates>(
      Rates{RateLimit(limits.client_messages_per_second), RateLimit(limits.client_bytes_per_second)});
}

void Client::limits_changed() {
  const Limits& limits = shard_.limits();
  const bool told = state_ == State::connected;
  packet_size_max_ = told ? std::max(packet_size_max_, limits.packet_size_bytes) : limits.packet_size_bytes;
  receive_maximum_ = told ? std::max(receive_maximum_, limits.receive_maximum) : limits.receive_maximum;
  set_rates();
}

Client::~Client() {
  lost("closed");
  shard_.leave(*this);
  shard_.counters().output_bytes_now -= output_bytes_;
}

std::string_view Client::client_id() const { return session_ ? session_->protocol.client_id() : std::string_view(); }

ClientInfo Client::info() const {
  const session::Outbound& outbound = session_->protocol.outbound();
  return {.client_id = std::string(session_->protocol.client_id()),
          .user = user_ ? *user_ : std::string(),
          .address = transport_.peer(),
          .protocol = std::string(to_string(link_.version)),
          .connected_s =
              static_cast<std::uint64_t>(base::duration_cast<base::seconds>(shard_.now() - connected_since_).count()),
          .keep_alive_s = keep_alive_s_,
          .subscriptions = session_->subscription_count(),
          .queued_messages = outbound.queued(),
          .queued_bytes = outbound.queued_bytes(),
          .in_flight = outbound.inflight()};
}

void Client::keep_input(std::ptrdiff_t bytes) {
  shard_.counters().input_bytes_now += static_cast<std::size_t>(bytes);
  shard_.counters().lasting_input_now += static_cast<std::size_t>(bytes);
}

void Client::account_output(bool sent) {
  const std::size_t bytes = link_.memory();
  shard_.counters().output_bytes_now += bytes - output_bytes_;
  output_bytes_ = static_cast<std::uint32_t>(bytes);
  // One that reads slowly cannot be asked for packets while it is not read from: it is alive.
  if (sent && paused()) last_packet_ = shard_.now();
  link_.out_bytes_max = shard_.output_bytes_max();
}

base::Duration Client::spend(std::size_t bytes) {
  if (!rates_) return {};
  return std::max(rates_->messages.spend(1, shard_.now()),
                  rates_->bytes.spend(static_cast<double>(bytes), shard_.now()));
}

bool Client::its_turn() {
  if (!shard_.turns().busy()) return true;
  wait_in_line();
  return false;
}

void Client::wait_in_line() { shard_.pause(*this, {}); }

std::size_t Client::receive(base::Bytes bytes) {
  std::size_t used = 0;
  session::Work& work = shard_.budget().work;
  const std::uint64_t before = work.done();
  const std::uint64_t slice = shard_.turns().slice();
  expected_bytes_ = 0;
  mqtt::Frame frame;
  while ((state_ == State::awaiting_connect || state_ == State::connected) && !paused()) {
    const mqtt::FrameStatus status = mqtt::cut_frame(bytes.subspan(used), frame);
    if (status == mqtt::FrameStatus::malformed) {
      fail_frame(bytes.subspan(used), {ReasonCode::malformed_packet, "MQTT-2.1.4", "fixed header is malformed"});
      break;
    }
    if (frame.size > packet_size_max_) {
      shard_.hit(Bound::packet_size, client_id());
      fail_frame(bytes.subspan(used),
                 {ReasonCode::packet_too_large, "MQTT-3.1.2-24", "packet is larger than the limit"});
      break;
    }
    if (status == mqtt::FrameStatus::incomplete) {
      // A peer that speaks something else is not waited for.
      if (state_ == State::awaiting_connect && used < bytes.size() &&
          static_cast<PacketType>(bytes[used] >> 4) != PacketType::connect) {
        fail(violated("MQTT-3.1.0-1", "first packet is not CONNECT"));
        break;
      }
      expected_bytes_ = static_cast<std::uint32_t>(frame.size);
      break;
    }
    if (state_ == State::awaiting_connect && shard_.shards() > 1 && belongs_elsewhere(frame)) break;
    used += frame.size;
    last_packet_ = shard_.now();
    ++shard_.counters().packets_received;
    work.add(kPacketWork);
    work.add_bytes(frame.size);
    if (const Outcome outcome = handle(frame); outcome.code != ReasonCode::success) fail(outcome);
    shard_.flush_if_much();
    const std::uint64_t done = work.done() - before;
    if (done >= slice && state_ == State::connected) {
      // After a packet that asked for very much the others get about as long.
      constexpr std::uint64_t kUnit_ns = 50;
      const std::uint64_t rest_ns = done > Turns::kWorkPerTurn ? done * kUnit_ns : 0;
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

// What the properties of a PUBLISH mean on this hop, and which of them go on.
Client::Outcome Client::take_properties(const mqtt::Publish& packet, Incoming& incoming) {
  const mqtt::Properties& properties = packet.properties;
  if (properties.has(PropertyId::subscription_identifier)) {
    return violated("MQTT-3.3.4-6", "subscription identifier from a client");
  }
  if (properties.has(PropertyId::topic_alias)) {
    const auto alias = static_cast<std::uint16_t>(properties.number(PropertyId::topic_alias));
    if (!aliases_) aliases_ = std::make_unique<session::TopicAliases>(topic_alias_maximum_);
    if (!aliases_->valid(alias)) {
      return {ReasonCode::topic_alias_invalid, "MQTT-3.3.2-9", "topic alias above the maximum"};
    }
    if (packet.topic.empty()) {
      incoming.topic = aliases_->find(alias);
      if (incoming.topic.empty()) return violated("MQTT-3.3.2-12", "topic alias was not set");
    } else if (const Outcome outcome = set_alias(alias, packet.topic); outcome.code != ReasonCode::success) {
      return outcome;
    }
  }
  if (properties.has(PropertyId::message_expiry_interval)) {
    incoming.expires = session::expires(shard_.now(), properties.number(PropertyId::message_expiry_interval));
  }
  incoming.properties = forwardable(properties, shard_.property_scratch());
  return kFine;
}

Client::Outcome Client::set_alias(std::uint16_t alias, std::string_view topic) {
  // A topic that is refused is the alias's all the same; as much of it as is needed to refuse it again.
  keep_input(aliases_->set(alias, topic.substr(0, std::size_t{shard_.limits().topic_bytes} + 1)));
  if (shard_.counters().lasting_input_now <= shard_.lasting_input_max()) return kFine;
  shard_.hit(Bound::input_bytes_total, client_id());
  return {ReasonCode::quota_exceeded, "limits.input_bytes_total", "no memory for topic aliases"};
}

Client::Outcome Client::on_publish(const mqtt::Frame& frame) {
  const auto decoded = mqtt::decode_publish(frame, link_.version);
  if (!decoded) return decoded.error();
  const mqtt::Publish& packet = *decoded;
  Incoming incoming{packet.topic, packet.payload, {}, packet.qos, packet.retain};
  if (!packet.properties.empty()) {
    if (const Outcome outcome = take_properties(packet, incoming); outcome.code != ReasonCode::success) return outcome;
    if (packet.properties.number(PropertyId::payload_format_indicator) == 1 &&
        !mqtt::is_utf8_payload(base::as_text(packet.payload))) {
      return refuse_publish(packet, ReasonCode::payload_format_invalid);
    }
  }

  const std::uint64_t position = shard_.journal_position();
  if (packet.qos == 2) {
    switch (session_->protocol.take(packet.id, receive_maximum_)) {
      case session::Inbound::Verdict::route: break;
      case session::Inbound::Verdict::duplicate:
        write_ack(PacketType::pubrec, packet.id, ReasonCode::success, session_->protocol.pending());
        return kFine;
      case session::Inbound::Verdict::exceeded:
        shard_.hit(Bound::receive_maximum, client_id());
        return {ReasonCode::receive_maximum_exceeded, "MQTT-3.3.4-7", "receive maximum exceeded"};
    }
  }
  const ReasonCode code = shard_.router().publish(incoming, session_, shard_.now());
  shard_.spend(*this, frame.size);
  shard_.throttle(*this, shard_.router().backlog_percent());
  shard_.wait_for_store(*this);
  if (is_error(code)) {
    if (packet.qos == 2) session_->protocol.refuse(packet.id);
    return refuse_publish(packet, code);
  }
  if (packet.qos == 0) return kFine;
  const PacketType answer = packet.qos == 1 ? PacketType::puback : PacketType::pubrec;
  write_ack(answer, packet.id, code, shard_.told_since(position));
  return kFine;
}

// 5.0 clients get the code in the acknowledgement. The others would take any acknowledgement for a
// success, so QoS 1 and 2 end the connection (3.3.5, 3.1.1); at QoS 0 nothing was promised.
Client::Outcome Client::refuse_publish(const mqtt::Publish& packet, ReasonCode code) {
  if (packet.qos == 0) {
    if (code == ReasonCode::quota_exceeded || code == ReasonCode::not_authorized) return kFine;
    return {code, "MQTT-3.3.5", "message refused"};
  }
  if (!v5()) return {code, "MQTT-3.3.5-2", "message refused"};
  const PacketType type = packet.qos == 1 ? PacketType::puback : PacketType::pubrec;
  write(mqtt::Ack{type, packet.id, code, reason(to_string(code), mqtt::PropertyPlace::ack)});
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
  if (!session_->protocol.acknowledge(*packet, shard_.now())) {
    return violated("MQTT-4.3", "acknowledgement of another kind than the message's");
  }
  session_->pump(shard_.router().scratch(), shard_.now());
  if (link_.size() != 0) shard_.flush_later(*this);
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
  if (!client_may_say(packet->code)) return violated("MQTT-3.14.2-1", "reason code that only a server sends");
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

void Client::write_ack(PacketType type, std::uint16_t id, ReasonCode code, std::uint64_t batch) {
  base::ByteQueue& queue = link_.queue(batch);
  queue.commit(mqtt::encode_ack(queue.reserve(mqtt::kAckSizeMax), type, id, code, link_.version));
  ++shard_.budget().acks;
  shard_.flush_later(*this);
}

mqtt::Properties Client::reason(std::string_view why, mqtt::PropertyPlace place) {
  mqtt::PropertyWriter& properties = shard_.property_scratch();
  properties.clear();
  // MQTT-3.1.2-29 allows it in CONNACK and DISCONNECT all the same; who does not want it gets none.
  if (v5() && problem_information_) properties.text(PropertyId::reason_string, why);
  return properties.view(place);
}

// Without its properties when it is too large for the client with them: a reason string (MQTT-3.2.2-19,
// MQTT-3.4.2-2, MQTT-3.5.2-2, MQTT-3.9.2-1, MQTT-3.14.2-3).
void Client::write(const mqtt::Packet& packet, std::uint64_t batch) {
  std::vector<std::uint8_t>& bytes = shard_.packet_scratch();
  bytes.clear();
  mqtt::encode(packet, link_.version, bytes);
  if (bytes.size() > link_.packet_size_max) {  // MQTT-3.1.2-24
    if (mqtt::Packet bare = packet; drop_reason(bare)) return write(bare, batch);
    if (state_ == State::connected && !std::holds_alternative<mqtt::Disconnect>(packet)) {
      end(ReasonCode::packet_too_large, "answer is larger than the client's maximum packet size");
    }
    return;
  }
  const bool free = std::holds_alternative<mqtt::Pingresp>(packet);
  const bool bars =
      std::holds_alternative<mqtt::Connack>(packet) || std::holds_alternative<mqtt::SubscriptionAck>(packet);
  if (bars && batch != 0) link_.raise_barrier(batch);
  (free ? link_.queue_free() : link_.queue(batch)).append(bytes);
  ++shard_.counters().packets_sent;
  shard_.flush_later(*this);
}

void Client::drained() {
  if (state_ != State::connected) return;
  session_->pump(shard_.router().scratch(), shard_.now());
  if (link_.holds() && !holding) shard_.flush_later(*this);
}

void Client::lost(std::string_view what) {
  if (state_ == State::ended) return;
  if (state_ != State::connected) ++shard_.counters().refused;
  finish(what);
}

void Client::end(ReasonCode code, std::string_view why) {
  if (state_ == State::ended) return;
  if (state_ == State::authenticating) {
    return refuse(code == ReasonCode::server_shutting_down ? ReasonCode::server_unavailable : code, why);
  }
  if (state_ == State::connected && v5()) write(mqtt::Disconnect{code, reason(why, mqtt::PropertyPlace::disconnect)});
  lingers_ = true;
  if (state_ != State::connected) ++shard_.counters().refused;
  finish(why);
}

void Client::fail(const ProtocolError& error) {
  if (state_ == State::ended) return;
  if (state_ == State::connected) ++shard_.counters().dropped;
  shard_.log_limited(LogLevel::warn, "client violated the protocol",
                     {{"client", session_ ? client_id() : std::string_view("?")},
                      {"address", transport_.peer()},
                      {"what", error.what},
                      {"rule", error.id},
                      {"code", static_cast<unsigned>(error.code)}});
  end(error.code, error.what);
}

// Of a packet that is not taken apart; a CONNECT that says that it is one of 5.0 gets an answer.
void Client::fail_frame(base::Bytes packet, const ProtocolError& error) {
  if (state_ != State::awaiting_connect || !speaks_v5(packet)) return fail(error);
  link_.version = mqtt::Version::v5;
  refuse(error.code, error.what);
}

// The one place where a connection's protocol ends: session detached, will and expiry set going.
void Client::finish(std::string_view why) {
  if (state_ == State::ended) return;
  if (state_ == State::awaiting_connect) shard_.entered(*this);
  shard_.budget().work.add(kFinishWork);
  shard_.context().timers.cancel(*this);
  const bool was_connected = state_ == State::connected;
  state_ = State::ended;
  std::size_t kept = aliases_ ? aliases_->bytes() : 0;
  aliases_.reset();
  if (verifying_) {
    kept += verifying_->connect.size();
    shard_.verified(verifying_->number);
    verifying_.reset();
  }
  keep_input(-static_cast<std::ptrdiff_t>(kept));
  if (was_connected) {
    --shard_.counters().connections_now;
    shard_.log_limited(LogLevel::info, "client disconnected",
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
    // What it has said waits for its turn.
    if (throttled) return shard_.context().timers.arm(*this, now + kTurnComes);
    shard_.hit(Bound::connect_timeout, transport_.peer());
    fail({ReasonCode::protocol_error, "MQTT-3.1.4", "no CONNECT in time"});
    return;
  }
  if (state_ != State::connected) return;
  // Packets do not move the timer: it looks when it is due whether something came meanwhile.
  if (throttled) last_packet_ = now;  // this side does not read
  const base::Time limit = last_packet_ + base::milliseconds(keep_alive_s_ * 1500);
  if (limit > now) {
    session_->protocol.rest();
    shard_.context().timers.arm(*this, limit);
    return;
  }
  if (!shard_.sessions().may_end_more()) {
    shard_.context().timers.arm(*this, now + SessionTable::kMomentLater);
    return;
  }
  ++shard_.counters().dropped;
  end(ReasonCode::keep_alive_timeout, "keep alive timeout");  // MQTT-3.1.2-22
}

}  // namespace shoal::broker
