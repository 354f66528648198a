#include "mqtt/encode.hpp"

#include <cassert>
#include <cstring>

#include "mqtt/varint.hpp"

namespace shoal::mqtt {
namespace {

std::uint8_t* put_two(std::uint8_t* out, std::size_t value) {
  *out++ = static_cast<std::uint8_t>(value >> 8);
  *out++ = static_cast<std::uint8_t>(value);
  return out;
}

std::uint8_t* put_bytes(std::uint8_t* out, Bytes bytes) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

std::uint8_t first_byte(PacketType type, unsigned flags = 0) {
  return static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags);
}

// Collects a body, then puts the fixed header in front of it.
class Body {
 public:
  void byte(std::uint8_t value) { bytes_.push_back(value); }
  void two(std::size_t value) {
    bytes_.push_back(static_cast<std::uint8_t>(value >> 8));
    bytes_.push_back(static_cast<std::uint8_t>(value));
  }
  void raw(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void binary(Bytes bytes) {
    assert(bytes.size() <= 0xffff);
    two(bytes.size());
    raw(bytes);
  }
  void text(std::string_view value) { binary(base::as_bytes(value)); }
  void properties(const Properties& properties) {
    std::uint8_t length[4];
    raw({length, write_varint(length, static_cast<std::uint32_t>(properties.raw().size()))});
    raw(properties.raw());
  }
  void finish(std::uint8_t first, std::vector<std::uint8_t>& out) const {
    std::uint8_t header[5] = {first};
    out.insert(out.end(), header, write_varint(header + 1, static_cast<std::uint32_t>(bytes_.size())));
    out.insert(out.end(), bytes_.begin(), bytes_.end());
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

struct Encoder {
  Version version;
  std::vector<std::uint8_t>& out;

  bool v5() const { return version == Version::v5; }

  void operator()(const Connect& packet) {
    Body body;
    body.text(packet.version == Version::v3_1 ? "MQIsdp" : "MQTT");
    body.byte(static_cast<std::uint8_t>(packet.version));
    unsigned flags = packet.clean_start ? 0x02 : 0;
    if (packet.will) flags |= 0x04u | packet.will->qos << 3 | (packet.will->retain ? 0x20 : 0);
    if (packet.user_name) flags |= 0x80;
    if (packet.password) flags |= 0x40;
    body.byte(static_cast<std::uint8_t>(flags));
    body.two(packet.keep_alive_s);
    const bool with_properties = packet.version == Version::v5;
    if (with_properties) body.properties(packet.properties);
    body.text(packet.client_id);
    if (packet.will) {
      if (with_properties) body.properties(packet.will->properties);
      body.text(packet.will->topic);
      body.binary(packet.will->payload);
    }
    if (packet.user_name) body.text(*packet.user_name);
    if (packet.password) body.text(*packet.password);
    body.finish(first_byte(PacketType::connect), out);
  }

  void operator()(const Connack& packet) {
    Body body;
    body.byte(packet.session_present);
    body.byte(packet.code);
    if (v5()) body.properties(packet.properties);
    body.finish(first_byte(PacketType::connack), out);
  }

  void operator()(const Publish& packet) {
    PublishParts parts;
    parts.topic = packet.topic;
    parts.payload = packet.payload;
    parts.properties = packet.properties.raw();
    parts.id = packet.id;
    parts.qos = packet.qos;
    parts.retain = packet.retain;
    parts.dup = packet.dup;
    const PublishSize size = publish_size(parts, version);
    const std::size_t at = out.size();
    out.resize(at + size.total);
    encode_publish_head(out.data() + at, parts, size, version);
    put_bytes(out.data() + at + size.head, parts.payload);
  }

  void operator()(const Ack& packet) {
    if (packet.properties.empty() || !v5()) {
      std::uint8_t bytes[kAckSizeMax];
      out.insert(out.end(), bytes, bytes + encode_ack(bytes, packet.type, packet.id, packet.code, version));
      return;
    }
    Body body;
    body.two(packet.id);
    body.byte(static_cast<std::uint8_t>(packet.code));
    body.properties(packet.properties);
    body.finish(first_byte(packet.type, packet.type == PacketType::pubrel ? 2 : 0), out);
  }

  void operator()(const Subscribe& packet) {
    Body body;
    body.two(packet.id);
    if (v5()) body.properties(packet.properties);
    body.raw(packet.filters.raw());
    body.finish(first_byte(PacketType::subscribe, 2), out);
  }

  void operator()(const SubscriptionAck& packet) {
    Body body;
    body.two(packet.id);
    if (v5()) body.properties(packet.properties);
    if (v5() || packet.type == PacketType::suback) body.raw(packet.codes);
    body.finish(first_byte(packet.type), out);
  }

  void operator()(const Unsubscribe& packet) {
    Body body;
    body.two(packet.id);
    if (v5()) body.properties(packet.properties);
    body.raw(packet.filters.raw());
    body.finish(first_byte(PacketType::unsubscribe, 2), out);
  }

  void operator()(const Pingreq&) { Body().finish(first_byte(PacketType::pingreq), out); }
  void operator()(const Pingresp&) { Body().finish(first_byte(PacketType::pingresp), out); }

  void operator()(const Disconnect& packet) { with_code(PacketType::disconnect, packet.code, packet.properties); }
  void operator()(const Auth& packet) { with_code(PacketType::auth, packet.code, packet.properties); }

  // DISCONNECT and AUTH leave out what is default from the end (3.14.2.1, 3.15.2.1).
  void with_code(PacketType type, ReasonCode code, const Properties& properties) {
    Body body;
    if (v5() && (code != ReasonCode::success || !properties.empty())) {
      body.byte(static_cast<std::uint8_t>(code));
      if (!properties.empty()) body.properties(properties);
    }
    body.finish(first_byte(type), out);
  }
};

}  // namespace

PublishSize publish_size(const PublishParts& parts, Version version) {
  PublishSize size;
  std::size_t body = 2 + parts.topic.size() + (parts.qos != 0 ? 2 : 0);
  if (version == Version::v5) {
    std::size_t properties = parts.properties.size();
    if (parts.expiry_s) properties += 5;
    if (parts.alias != 0) properties += 3;
    for (const std::uint32_t id : parts.subscription_ids) properties += 1 + varint_size(id);
    size.properties = static_cast<std::uint32_t>(properties);
    body += varint_size(size.properties) + properties;
  }
  body += parts.payload.size();
  size.remaining = static_cast<std::uint32_t>(body);
  size.total = 1 + static_cast<std::uint32_t>(varint_size(size.remaining)) + size.remaining;
  size.head = static_cast<std::uint32_t>(size.total - parts.payload.size());
  return size;
}

std::uint8_t* encode_publish_head(std::uint8_t* out, const PublishParts& parts, const PublishSize& size,
                                  Version version) {
  std::uint8_t* const start = out;
  *out++ = first_byte(PacketType::publish, (parts.dup ? 8u : 0u) | parts.qos << 1 | (parts.retain ? 1u : 0u));
  out = write_varint(out, size.remaining);
  out = put_two(out, parts.topic.size());
  out = put_bytes(out, base::as_bytes(parts.topic));
  std::uint8_t* id_at = nullptr;
  if (parts.qos != 0) {
    id_at = out;
    out = put_two(out, parts.id);
  }
  if (version == Version::v5) {
    out = write_varint(out, size.properties);
    if (parts.alias != 0) {
      *out++ = static_cast<std::uint8_t>(PropertyId::topic_alias);
      out = put_two(out, parts.alias);
    }
    if (parts.expiry_s) {
      *out++ = static_cast<std::uint8_t>(PropertyId::message_expiry_interval);
      out = put_two(out, *parts.expiry_s >> 16);
      out = put_two(out, *parts.expiry_s & 0xffff);
    }
    for (const std::uint32_t id : parts.subscription_ids) {
      *out++ = static_cast<std::uint8_t>(PropertyId::subscription_identifier);
      out = write_varint(out, id);
    }
    out = put_bytes(out, parts.properties);
  }
  assert(out == start + size.head);
  (void)start;
  return id_at;
}

std::size_t encode_ack(std::uint8_t* out, PacketType type, std::uint16_t id, ReasonCode code, Version version) {
  const bool with_code = version == Version::v5 && code != ReasonCode::success;
  out[0] = first_byte(type, type == PacketType::pubrel ? 2 : 0);
  out[1] = with_code ? 3 : 2;
  put_two(out + 2, id);
  if (with_code) out[4] = static_cast<std::uint8_t>(code);
  return with_code ? 5 : 4;
}

void encode(const Packet& packet, Version version, std::vector<std::uint8_t>& out) {
  std::visit(Encoder{version, out}, packet);
}

void append_filter(std::vector<std::uint8_t>& out, const FilterEntry& entry, bool with_options) {
  assert(entry.filter.size() <= 0xffff);
  out.push_back(static_cast<std::uint8_t>(entry.filter.size() >> 8));
  out.push_back(static_cast<std::uint8_t>(entry.filter.size()));
  out.insert(out.end(), entry.filter.begin(), entry.filter.end());
  if (with_options) out.push_back(entry.options.byte());
}

}  // namespace shoal::mqtt
