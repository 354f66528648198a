#include "broker/client.hpp"
#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "mqtt/topic_name.hpp"

namespace shoal::broker {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ProtocolError;
using mqtt::ReasonCode;

namespace {

constexpr std::uint64_t kFilterWork = 16;  // units of `session::Work`, besides its length

constexpr ProtocolError kBadFilter{ReasonCode::topic_filter_invalid, "MQTT-4.7.1-1", "not a topic filter"};

// The filter that messages are matched with; empty when it is none.
std::string_view inner_filter(std::string_view filter) {
  if (!mqtt::is_shared(filter)) return mqtt::is_topic_filter(filter) ? filter : std::string_view();
  const auto parts = mqtt::split_shared(filter);
  return parts ? parts->filter : std::string_view();
}

bool all_well_formed(mqtt::FilterList filters) {
  for (mqtt::FilterEntry entry; filters.next(entry);) {
    if (inner_filter(entry.filter).empty()) return false;
  }
  return true;
}

}  // namespace

// The granted QoS or an error.
ReasonCode Client::subscribe_one(const mqtt::FilterEntry& entry, std::uint32_t id) {
  Router& router = shard_.router();
  const std::string_view inner = inner_filter(entry.filter);
  if (inner.empty()) return ReasonCode::topic_filter_invalid;
  if (!router.topic_within_limits(entry.filter)) {
    shard_.hit(Bound::topic, client_id());
    return ReasonCode::topic_filter_invalid;
  }
  const bool is_new = !router.subscribed(*session_, entry.filter);
  if (is_new) {
    if (session_->subscription_count() >= shard_.limits().subscriptions) {
      shard_.hit(Bound::subscriptions, client_id());
      return ReasonCode::quota_exceeded;
    }
    if (session_->protocol.survives() && shard_.store_full()) {
      shard_.hit(Bound::disk, client_id());
      return ReasonCode::quota_exceeded;
    }
    if (shard_.total(Figure::subscription_bytes) + Router::subscription_bytes(entry.filter) > shard_.limits().subscription_bytes) {
      shard_.hit(Bound::subscription_bytes, client_id());
      return ReasonCode::quota_exceeded;
    }
    if (!router.search_fits(inner)) {
      shard_.hit(Bound::filter_shapes, client_id());
      return ReasonCode::quota_exceeded;
    }
  }
  if (mqtt::is_server_topic(inner)) shard_.sys().wanted();
  router.subscribe(*session_, entry.filter, entry.options, id);
  const std::uint8_t handling = entry.options.retain_handling;  // MQTT-3.3.1-9 to -11; 0 before 5.0
  if (handling == 0 || (handling == 1 && is_new)) router.want_retained(*session_, entry.filter, entry.options, id);
  return static_cast<ReasonCode>(entry.options.qos);
}

Client::Outcome Client::on_subscribe(const mqtt::Frame& frame) {
  const auto packet = mqtt::decode_subscribe(frame, link_.version);
  if (!packet) return packet.error();
  if (!v5() && !all_well_formed(packet->filters)) return kBadFilter;
  const std::uint32_t id = packet->properties.number(PropertyId::subscription_identifier);
  std::vector<std::uint8_t> codes;
  mqtt::FilterEntry entry;
  std::string_view why;
  for (mqtt::FilterList filters = packet->filters; filters.next(entry);) {
    shard_.budget().work.add(kFilterWork + entry.filter.size());
    const ReasonCode code = subscribe_one(entry, id);
    codes.push_back(static_cast<std::uint8_t>(code));
    if (!is_error(code)) continue;
    if (why.empty()) why = to_string(code);
    if (link_.version == mqtt::Version::v3_1_1) codes.back() = 0x80;
    if (link_.version == mqtt::Version::v3_1) codes.back() = entry.options.qos;  // it knows no failure
  }
  const mqtt::Properties properties = why.empty() ? mqtt::Properties() : reason(why, mqtt::PropertyPlace::suback);
  write(mqtt::SubscriptionAck{PacketType::suback, packet->id, codes, properties}, session_->protocol.pending());
  if (state_ == State::connected) session_->pump(shard_.router().scratch(), shard_.now());
  return kFine;
}

Client::Outcome Client::on_unsubscribe(const mqtt::Frame& frame) {
  const auto packet = mqtt::decode_unsubscribe(frame, link_.version);
  if (!packet) return packet.error();
  if (!v5() && !all_well_formed(packet->filters)) return kBadFilter;
  std::vector<std::uint8_t> codes;
  mqtt::FilterEntry entry;
  for (mqtt::FilterList filters = packet->filters; filters.next(entry);) {
    shard_.budget().work.add(kFilterWork + entry.filter.size());
    ReasonCode code = ReasonCode::success;
    if (inner_filter(entry.filter).empty()) code = ReasonCode::topic_filter_invalid;
    else if (!shard_.router().unsubscribe(*session_, entry.filter)) code = ReasonCode::no_subscription_existed;
    codes.push_back(static_cast<std::uint8_t>(code));
  }
  write(mqtt::SubscriptionAck{PacketType::unsuback, packet->id, codes, {}}, session_->protocol.pending());
  // What waited behind retained messages may go on.
  if (state_ == State::connected) session_->pump(shard_.router().scratch(), shard_.now());
  return kFine;
}

}  // namespace shoal::broker
