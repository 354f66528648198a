#include "session/publication.hpp"

#include <algorithm>
#include <cstring>

namespace shoal::session {

void Publication::start(std::string_view topic, Bytes payload, Bytes properties, std::uint8_t qos, Time expires,
                        Time now) {
  topic_ = topic;
  payload_ = payload;
  properties_ = properties;
  qos_ = qos;
  expires_ = expires;
  now_ = now;
  message_ = {};
  for (Form& form : forms_) form.size = 0;
  bytes_.clear();
}

void Publication::start(const MessageRef& message, Time now) {
  start(message->topic(), message->payload(), message->properties(), message->qos(), message->expires(), now);
  message_ = message;
}

const MessageRef& Publication::message() {
  if (!message_) message_ = pool_->make(topic_, payload_, properties_, qos_, expires_);
  return message_;
}

mqtt::PublishParts Publication::parts(const Copy& copy, std::uint16_t id, bool dup) const {
  mqtt::PublishParts parts;
  parts.topic = topic_;
  parts.payload = payload_;
  parts.properties = properties_;
  parts.subscription_ids = copy.ids;
  parts.id = id;
  parts.qos = copy.qos;
  parts.retain = copy.retain;
  parts.dup = dup;
  if (expires_ != base::kNever) {
    // What is left, rounded up, so that it is 0 for what came with 0 (MQTT-3.3.2-6). What is sent again may have
    // expired.
    const int least = expires_ > now_ ? 0 : 1;
    const auto left = std::chrono::ceil<base::seconds>(expires_ - now_ - kMoment).count();
    parts.expiry_s = static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, least, UINT32_MAX));
  }
  return parts;
}

const Publication::Form& Publication::form(mqtt::Version version, const Copy& copy) {
  const bool v5 = version == mqtt::Version::v5;
  Form& form = forms_[(v5 ? 6 : 0) + copy.qos * 2 + (copy.retain ? 1 : 0)];
  if (form.size != 0) return form;
  const mqtt::PublishParts all = parts(copy, 1, false);
  const mqtt::PublishSize size = publish_size(all, version);
  form.offset = static_cast<std::uint32_t>(bytes_.size());
  form.total = size.total;
  form.size = shares_payload() ? size.head : size.total;
  bytes_.resize(form.offset + form.size);
  std::uint8_t* const out = bytes_.data() + form.offset;
  const std::uint8_t* const id_at = encode_publish_head(out, all, size, version);
  form.id_at = id_at ? static_cast<std::uint32_t>(id_at - out) : 0;
  if (!shares_payload() && !payload_.empty()) std::memcpy(out + size.head, payload_.data(), payload_.size());
  return form;
}

namespace {

// At QoS 2 a message stays behind those that wait, and so do all that may use an alias that one of these sets.
base::ByteQueue& queue_of(Link& link, const Copy& copy, std::uint64_t batch) {
  return copy.qos == 2 || link.aliases ? link.queue(batch) : link.queue_free();
}

}  // namespace

Written Publication::write(Link& link, const Copy& copy, std::uint16_t id, bool dup, std::uint64_t batch) {
  if (expires_ <= now_ && !dup) return Written::expired;  // delivery of a duplicate has started (MQTT-3.3.2-5)
  if (dup || !copy.ids.empty() || link.aliases) return write_single(link, copy, id, dup, batch);
  const Form& made = form(link.version, copy);
  if (made.total > link.packet_size_max) return Written::too_large;
  base::ByteQueue& queue = queue_of(link, copy, batch);
  std::uint8_t* const out = queue.reserve(made.size);
  std::memcpy(out, bytes_.data() + made.offset, made.size);
  if (copy.qos != 0) {
    out[made.id_at] = static_cast<std::uint8_t>(id >> 8);
    out[made.id_at + 1] = static_cast<std::uint8_t>(id);
  }
  queue.commit(made.size);
  if (shares_payload()) queue.append_shared(message()->payload(), *message());
  return Written::yes;
}

Written Publication::write_single(Link& link, const Copy& copy, std::uint16_t id, bool dup, std::uint64_t batch) {
  mqtt::PublishParts all = parts(copy, id, dup);
  const SentAliases::Alias alias = link.aliases ? link.aliases->find(topic_) : SentAliases::Alias{};
  all.alias = alias.number;
  if (alias.known) all.topic = {};
  mqtt::PublishSize size = publish_size(all, link.version);
  if (size.total > link.packet_size_max && alias.number != 0 && !alias.known) {
    all.alias = 0;  // to introduce an alias takes three bytes
    size = publish_size(all, link.version);
  }
  if (size.total > link.packet_size_max) return Written::too_large;
  if (all.alias != 0 && !alias.known) link.aliases->set(all.alias, topic_);
  base::ByteQueue& queue = queue_of(link, copy, batch);
  encode_publish_head(queue.reserve(size.head), all, size, link.version);
  queue.commit(size.head);
  if (shares_payload()) queue.append_shared(message()->payload(), *message());
  else queue.append(payload_);
  return Written::yes;
}

}  // namespace shoal::session
