#include "client/protocol.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "base/log.hpp"
#include "mqtt/encode.hpp"
#include "mqtt/topic_name.hpp"
#include "mqtt/utf8.hpp"
#include "mqtt/varint.hpp"

namespace shoal::client {
namespace {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ReasonCode;
using mqtt::Version;

constexpr base::Duration kPingLimitMin = base::seconds(10);
constexpr std::size_t kTextBytesMax = 65'535;
constexpr std::uint8_t kConnackByte = 0x20;

std::string hex(std::uint8_t code) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return {'0', 'x', kDigits[code >> 4], kDigits[code & 15]};
}

std::string reason(std::uint8_t code, const mqtt::Properties& properties) {
  std::string text = std::string(mqtt::to_string(static_cast<ReasonCode>(code))) + " (" + hex(code) + ')';
  if (properties.has(PropertyId::reason_string)) {
    base::append_quoted(text += ": ", properties.text(PropertyId::reason_string));
  }
  return text;
}

/// MQTT 3.1.1, 3.2.2.3.
std::string return_code(std::uint8_t code) {
  switch (static_cast<mqtt::ConnectReturnCode>(code)) {
    case mqtt::ConnectReturnCode::accepted: break;
    case mqtt::ConnectReturnCode::unacceptable_protocol_version: return "unacceptable protocol version (1)";
    case mqtt::ConnectReturnCode::identifier_rejected: return "client identifier rejected (2)";
    case mqtt::ConnectReturnCode::server_unavailable: return "server unavailable (3)";
    case mqtt::ConnectReturnCode::bad_user_name_or_password: return "bad user name or password (4)";
    case mqtt::ConnectReturnCode::not_authorized: return "not authorized (5)";
  }
  return "unknown return code (" + std::to_string(code) + ')';
}

Error invalid_request(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

}  // namespace

Protocol::Protocol(Options options, base::ChunkPool& chunks, Events& events)
    : options_(std::move(options)),
      events_(events),
      out_(chunks),
      inflight_max_(options_.inflight_max),
      keep_alive_(base::seconds(options_.keep_alive_s)) {}

void Protocol::start(base::Time now) {
  assert(state_ == State::idle);
  mqtt::PropertyWriter properties;
  if (options_.session_expiry_s != 0) properties.number(PropertyId::session_expiry_interval, options_.session_expiry_s);
  properties.number(PropertyId::receive_maximum, options_.receive_maximum);
  properties.number(PropertyId::maximum_packet_size, options_.packet_size_max);

  mqtt::Connect connect;
  connect.version = options_.version;
  connect.clean_start = options_.clean_start;
  connect.keep_alive_s = options_.keep_alive_s;
  connect.client_id = options_.client_id;
  connect.user_name = options_.user;
  connect.password = options_.password;
  connect.properties = properties.view(mqtt::PropertyPlace::connect);
  if (options_.will) {
    connect.will = mqtt::Will{.topic = options_.will->topic,
                              .payload = base::as_bytes(options_.will->payload),
                              .qos = options_.will->qos,
                              .retain = options_.will->retain,
                              .properties = {}};
  }
  state_ = State::connecting;
  limit_ = now + options_.connect_limit;
  write(connect, now);
}

Result<void> Protocol::check(const Outgoing& message) const {
  if (state_ != State::connected) return Error{ErrorCode::closed, "not connected"};
  if (message.topic.size() > kTextBytesMax || !mqtt::is_utf8_string(message.topic) ||
      !mqtt::is_topic_name(message.topic)) {
    return invalid_request("the topic is not one to publish to (UTF-8, not empty, no + and #, up to 65535 bytes)");
  }
  if (message.qos > 2) return invalid_request("QoS must be 0, 1 or 2");
  if (message.qos > server_qos_max_)
    return invalid_request("the server offers QoS " + std::to_string(server_qos_max_) + " at most");
  if (message.retain && !server_retains_) return invalid_request("the server does not retain messages");
  return {};
}

Result<std::uint16_t> Protocol::publish(const Outgoing& message, base::Time now) {
  if (auto problem = check(message); !problem) return problem.error();
  mqtt::PublishParts parts;
  parts.topic = message.topic;
  parts.payload = message.payload;
  parts.properties = message.properties;
  parts.qos = message.qos;
  parts.retain = message.retain;
  if (message.payload.size() > mqtt::kVarintMax) return invalid_request("the message is larger than MQTT allows");
  const mqtt::PublishSize size = mqtt::publish_size(parts, options_.version);
  if (size.remaining > mqtt::kVarintMax) return invalid_request("the message is larger than MQTT allows");
  if (size.total > server_packet_size_max_) {
    return invalid_request("the message is larger than the server accepts (" + std::to_string(server_packet_size_max_) +
                           " bytes)");
  }
  if (!has_room() || (message.qos != 0 && inflight_ >= inflight_max_)) return no_room();
  if (message.qos != 0) {
    parts.id = pending_.take(message.qos == 1 ? Answer::puback : Answer::pubrec);
    ++inflight_;
  }
  encode_publish_head(out_.reserve(size.head), parts, size, options_.version);
  out_.commit(size.head);
  out_.append(message.payload);
  last_sent_ = now;
  return parts.id;
}

Result<std::uint16_t> Protocol::subscribe(std::span<const mqtt::FilterEntry> filters, base::Time now) {
  return request(filters, true, now);
}

Result<std::uint16_t> Protocol::unsubscribe(std::span<const mqtt::FilterEntry> filters, base::Time now) {
  return request(filters, false, now);
}

Result<std::uint16_t> Protocol::request(std::span<const mqtt::FilterEntry> filters, bool subscribe, base::Time now) {
  if (state_ != State::connected) return Error{ErrorCode::closed, "not connected"};
  if (filters.empty()) return invalid_request("there is no topic filter");
  std::vector<std::uint8_t> raw;
  for (const mqtt::FilterEntry& entry : filters) {
    if (entry.filter.size() > kTextBytesMax || !mqtt::is_utf8_string(entry.filter) ||
        (mqtt::is_shared(entry.filter) ? !mqtt::split_shared(entry.filter) : !mqtt::is_topic_filter(entry.filter))) {
      std::string message = "not a topic filter: ";
      base::append_quoted(message, entry.filter);
      return invalid_request(std::move(message));
    }
    mqtt::append_filter(raw, entry, subscribe);
  }
  if (raw.size() > mqtt::kVarintMax - 16) return invalid_request("the topic filters are larger than MQTT allows");
  if (!has_room() || pending_.size() >= 2u * options_.inflight_max) return no_room();
  const std::uint16_t id = pending_.take(subscribe ? Answer::suback : Answer::unsuback);
  const mqtt::FilterList list(raw, subscribe);
  if (subscribe) write(mqtt::Subscribe{id, {}, list}, now);
  else write(mqtt::Unsubscribe{id, {}, list}, now);
  return id;
}

void Protocol::disconnect(base::Time now) {
  if (state_ == State::connecting || state_ == State::idle) return end(End::Why::done, "");
  if (state_ != State::connected) return;
  write(mqtt::Disconnect{}, now);
  state_ = State::closing;
  limit_ = now + options_.close_limit;
}

void Protocol::receive(base::Bytes bytes, base::Time now) {
  events_.on_received(now);
  while (!partial_.empty() && !bytes.empty()) bytes = complete_partial(bytes, now);
  if (bytes.empty()) return;
  const std::size_t used = receive_frames(bytes, now);
  partial_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(used), bytes.end());
}

/// Gives the packet whose beginning is kept what it lacks, so that those behind it are read where they are. Returns
/// the rest.
base::Bytes Protocol::complete_partial(base::Bytes bytes, base::Time now) {
  mqtt::Frame frame;
  mqtt::cut_frame(partial_, frame);
  const std::size_t lacking = frame.size > partial_.size() ? frame.size - partial_.size() : 1;
  const base::Bytes taken = bytes.first(std::min(lacking, bytes.size()));
  partial_.insert(partial_.end(), taken.begin(), taken.end());
  if (receive_frames(partial_, now) != 0) {
    partial_.clear();
    if (partial_.capacity() > 64 * 1024) partial_.shrink_to_fit();
  }
  return bytes.subspan(taken.size());
}

/// Handles whole packets and returns how many bytes are done with.
std::size_t Protocol::receive_frames(base::Bytes bytes, base::Time now) {
  std::size_t used = 0;
  while (used < bytes.size()) {
    // What comes after our goodbye is of no interest any more.
    if (state_ != State::connecting && state_ != State::connected) return bytes.size();
    // At once, so that some other protocol's server is not waited for until its "packet" is complete.
    if (state_ == State::connecting && bytes[used] != kConnackByte) {
      fail(ReasonCode::protocol_error, "what it sent first is not CONNACK", now);
      return bytes.size();
    }
    mqtt::Frame frame;
    const mqtt::FrameStatus status = mqtt::cut_frame(bytes.subspan(used), frame);
    if (status == mqtt::FrameStatus::malformed) {
      fail(ReasonCode::malformed_packet, "what it sent is not MQTT", now);
      return bytes.size();
    }
    if (frame.size > options_.packet_size_max) {
      fail(ReasonCode::packet_too_large, "a packet is larger than was asked for", now);
      return bytes.size();
    }
    if (status == mqtt::FrameStatus::incomplete) return used;
    used += frame.size;
    handle(frame, now);
  }
  return used;
}

void Protocol::handle(const mqtt::Frame& frame, base::Time now) {
  // What comes by the million does not go through a variant of everything.
  if (frame.type == PacketType::publish) {
    const auto publish = mqtt::decode_publish(frame, options_.version);
    return publish ? on_publish(*publish, now) : fail(publish.error().code, publish.error().what, now);
  }
  if (frame.type >= PacketType::puback && frame.type <= PacketType::pubcomp) {
    const auto ack = mqtt::decode_ack(frame, options_.version);
    return ack ? on_ack(*ack, now) : fail(ack.error().code, ack.error().what, now);
  }
  const auto packet = mqtt::decode(frame, options_.version);
  if (!packet) return fail(packet.error().code, packet.error().what, now);
  if (const auto* connack = std::get_if<mqtt::Connack>(&*packet); connack != nullptr && !connected()) {
    return on_connack(*connack);
  }
  if (const auto* ack = std::get_if<mqtt::SubscriptionAck>(&*packet)) return on_subscription_ack(*ack);
  if (std::holds_alternative<mqtt::Pingresp>(*packet)) {
    limit_ = base::kNever;
    return;
  }
  if (const auto* disconnect = std::get_if<mqtt::Disconnect>(&*packet);
      disconnect != nullptr && options_.version == Version::v5) {
    return end(End::Why::disconnected, "the server ended the connection: " +
                                           reason(static_cast<std::uint8_t>(disconnect->code), disconnect->properties));
  }
  fail(ReasonCode::protocol_error, "a server must not send " + std::string(mqtt::to_string(frame.type)), now);
}

void Protocol::on_connack(const mqtt::Connack& packet) {
  if (packet.code != 0) {
    const bool v5 = options_.version == Version::v5;
    return end(End::Why::refused, "the server refused the connection: " +
                                      (v5 ? reason(packet.code, packet.properties) : return_code(packet.code)));
  }
  const mqtt::Properties& said = packet.properties;
  const std::uint32_t window = said.number(PropertyId::receive_maximum, UINT16_MAX);
  inflight_max_ = static_cast<std::uint16_t>(std::min<std::uint32_t>(inflight_max_, window));
  server_packet_size_max_ = said.number(PropertyId::maximum_packet_size, UINT32_MAX);
  server_qos_max_ = static_cast<std::uint8_t>(said.number(PropertyId::maximum_qos, 2));
  server_retains_ = said.number(PropertyId::retain_available, 1) != 0;
  if (said.has(PropertyId::server_keep_alive)) {
    keep_alive_ = base::seconds(said.number(PropertyId::server_keep_alive));
  }
  state_ = State::connected;
  limit_ = base::kNever;
  events_.on_connected(packet);
}

void Protocol::on_publish(const mqtt::Publish& packet, base::Time now) {
  if (packet.properties.has(PropertyId::topic_alias)) {
    return fail(ReasonCode::topic_alias_invalid, "it used a topic alias, which was not offered", now);
  }
  if (packet.qos == 2) {
    const auto verdict = inbound_.publish(packet.id, options_.receive_maximum);
    if (verdict == session::Inbound::Verdict::exceeded) {
      return fail(ReasonCode::receive_maximum_exceeded, "more QoS 2 messages are unreleased than was asked for", now);
    }
    write_ack(PacketType::pubrec, packet.id, ReasonCode::success, now);
    if (verdict == session::Inbound::Verdict::duplicate) return;
  }
  // Written before, sent after the callback: it may say goodbye, and nothing may follow that.
  if (packet.qos == 1) write_ack(PacketType::puback, packet.id, ReasonCode::success, now);
  events_.on_message(packet);
}

void Protocol::on_ack(const mqtt::Ack& packet, base::Time now) {
  if (packet.type == PacketType::pubrel) {
    const bool known = inbound_.release(packet.id);
    return write_ack(PacketType::pubcomp, packet.id,
                     known ? ReasonCode::success : ReasonCode::packet_identifier_not_found, now);
  }
  const Answer answer = packet.type == PacketType::puback   ? Answer::puback
                        : packet.type == PacketType::pubrec ? Answer::pubrec
                                                            : Answer::pubcomp;
  if (pending_.answer(packet.id) != answer) {
    return fail(ReasonCode::protocol_error, "it acknowledged what was not sent", now);
  }
  if (packet.type == PacketType::pubrec && !mqtt::is_error(packet.code)) {
    pending_.change(packet.id, Answer::pubcomp);
    return write_ack(PacketType::pubrel, packet.id, ReasonCode::success, now);
  }
  pending_.release(packet.id);
  --inflight_;
  events_.on_published(packet.id, packet.code);
  offer_room();
}

void Protocol::on_subscription_ack(const mqtt::SubscriptionAck& packet) {
  const bool subscribed = packet.type == PacketType::suback;
  if (pending_.answer(packet.id) != (subscribed ? Answer::suback : Answer::unsuback)) {
    return end(End::Why::protocol_error, "the server broke the protocol: it acknowledged what was not sent");
  }
  pending_.release(packet.id);
  if (subscribed) events_.on_subscribed(packet.id, packet.codes);
  else events_.on_unsubscribed(packet.id);
  offer_room();
}

void Protocol::lost(const std::string& what) {
  if (state_ == State::closing) return end(End::Why::done, "");
  if (!what.empty()) return end(End::Why::lost, what);
  end(End::Why::lost, state_ == State::connecting ? "the server closed the connection without an answer to CONNECT"
                                                  : "the server closed the connection");
}

base::Time Protocol::deadline() const {
  if (state_ == State::idle || state_ == State::ended) return base::kNever;
  if (state_ != State::connected || keep_alive_ == base::Duration::zero()) return limit_;
  return std::min(limit_, last_sent_ + keep_alive_);
}

void Protocol::on_time(base::Time now) {
  if (now < deadline()) return;
  if (now >= limit_) {
    switch (state_) {
      case State::connecting: return end(End::Why::timeout, "the server did not answer CONNECT in time");
      case State::connected: return end(End::Why::timeout, "the server did not answer a ping in time");
      default: return end(End::Why::done, "");
    }
  }
  // MQTT-3.1.2-20. The next one is due a keep-alive later; the answer to the first one is waited for.
  write(mqtt::Pingreq{}, now);
  if (limit_ == base::kNever) limit_ = now + std::max(kPingLimitMin, keep_alive_);
}

void Protocol::on_sent() { offer_room(); }

Error Protocol::no_room() {
  room_wanted_ = true;
  return {ErrorCode::resource_exhausted, "too much is on its way already"};
}

void Protocol::offer_room() {
  if (!room_wanted_ || state_ != State::connected || !has_room() || inflight_ >= inflight_max_) return;
  room_wanted_ = false;
  events_.on_room();
}

void Protocol::write(const mqtt::Packet& packet, base::Time now) {
  std::vector<std::uint8_t> bytes;
  mqtt::encode(packet, options_.version, bytes);
  out_.append(bytes);
  last_sent_ = now;
}

void Protocol::write_ack(PacketType type, std::uint16_t id, ReasonCode code, base::Time now) {
  out_.commit(mqtt::encode_ack(out_.reserve(mqtt::kAckSizeMax), type, id, code, options_.version));
  last_sent_ = now;
}

/// The server broke the protocol: tell it, where MQTT has a word for that, and end.
void Protocol::fail(ReasonCode code, std::string_view what, base::Time now) {
  if (state_ == State::connected && options_.version == Version::v5) write(mqtt::Disconnect{code, {}}, now);
  end(End::Why::protocol_error, "the server broke the protocol: " + std::string(what));
}

void Protocol::end(End::Why why, std::string message) {
  if (state_ == State::ended) return;
  state_ = State::ended;
  limit_ = base::kNever;
  events_.on_end({why, std::move(message)});
}

}  // namespace shoal::client
