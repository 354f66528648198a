#include "mqtt/decode.hpp"

#include "mqtt/topic_name.hpp"
#include "mqtt/utf8.hpp"
#include "mqtt/varint.hpp"

namespace shoal::mqtt {
namespace {

constexpr ProtocolError kShort = malformed("MQTT-2.1.4", "packet ends too early");
constexpr ProtocolError kLong = malformed("MQTT-2.1.4", "packet is longer than its content");
constexpr ProtocolError kFlags = malformed("MQTT-2.1.3-1", "reserved flags of the fixed header are set");
constexpr ProtocolError kIdZero = violated("MQTT-2.2.1-3", "packet identifier is 0");
constexpr ProtocolError kReason = malformed("MQTT-2.4", "reason code does not belong to this packet");

// Takes fields off the front of a body. The first failure sticks; values read after it are empty, so
// a decoder checks once at the end of a run of fields.
class Reader {
 public:
  explicit Reader(Bytes body) : rest_(body) {}

  bool failed() const { return failed_; }
  const ProtocolError& error() const { return error_; }
  bool at_end() const { return rest_.empty(); }
  Bytes rest() const { return rest_; }

  std::uint8_t byte() {
    const Bytes taken = take(1);
    return taken.empty() ? std::uint8_t{0} : taken[0];
  }

  std::uint16_t two() {
    const Bytes taken = take(2);
    return taken.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(taken[0] << 8 | taken[1]);
  }

  Bytes binary() { return take(two()); }

  std::string_view text(const char* id = "MQTT-1.5.4-1") {
    const std::string_view string = base::as_text(binary());
    if (!failed_ && !is_utf8_string(string)) fail(malformed(id, "string is not well-formed UTF-8"));
    return string;
  }

  Properties properties(PropertyPlace place) {
    std::uint32_t length = 0;
    std::size_t size = 0;
    if (failed_) return {};
    switch (read_varint(rest_, length, size)) {
      case VarintStatus::ok: break;
      case VarintStatus::incomplete: fail(kShort); return {};
      case VarintStatus::overlong:
      case VarintStatus::malformed: fail(malformed("MQTT-1.5.5-1", "property length is malformed")); return {};
    }
    rest_ = rest_.subspan(size);
    const Bytes raw = take(length);
    if (failed_ || raw.empty()) return {};
    const auto parsed = Properties::parse(raw, place);
    if (!parsed) {
      fail(parsed.error());
      return {};
    }
    return *parsed;
  }

  void fail(const ProtocolError& error) {
    if (!failed_) error_ = error;
    failed_ = true;
    rest_ = {};
  }

 private:
  Bytes take(std::size_t size) {
    if (rest_.size() < size) {
      fail(kShort);
      return {};
    }
    const Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  Bytes rest_;
  bool failed_ = false;
  ProtocolError error_;
};

bool one_of(ReasonCode code, std::initializer_list<unsigned> allowed) {
  for (const unsigned value : allowed) {
    if (static_cast<unsigned>(code) == value) return true;
  }
  return false;
}

// Tables 3-1, 3-4 to 3-11 of the standard; before 5.0 only the return codes of CONNACK and SUBACK.
bool code_allowed(PacketType type, ReasonCode code, Version version) {
  const auto value = static_cast<unsigned>(code);
  const bool v5 = version == Version::v5;
  switch (type) {
    case PacketType::connack:
      return v5 ? one_of(code, {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
                                0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f})
                : value <= 5;
    case PacketType::puback:
    case PacketType::pubrec: return one_of(code, {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99});
    case PacketType::pubrel:
    case PacketType::pubcomp: return one_of(code, {0x00, 0x92});
    case PacketType::suback:
      return value <= 2 || value == 0x80 || (v5 && one_of(code, {0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2}));
    case PacketType::unsuback: return one_of(code, {0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91});
    case PacketType::disconnect:
      return one_of(code, {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90}) ||
             (value >= 0x93 && value <= 0xa2);
    case PacketType::auth: return one_of(code, {0x00, 0x18, 0x19});
    default: return false;
  }
}

// MQTT 3.1 sets DUP in a repeated PUBREL, SUBSCRIBE and UNSUBSCRIBE.
bool is_two(std::uint8_t flags, Version version) {
  return flags == 0x02 || (flags == 0x0a && version == Version::v3_1);
}

// Body of SUBSCRIBE and UNSUBSCRIBE behind the properties.
Decoded<FilterList> decode_filters(Bytes raw, bool with_options, Version version) {
  if (raw.empty()) {
    return with_options ? violated("MQTT-3.8.3-2", "SUBSCRIBE without a filter")
                        : violated("MQTT-3.10.3-2", "UNSUBSCRIBE without a filter");
  }
  Reader reader(raw);
  while (!reader.at_end()) {
    const std::string_view filter = reader.text(with_options ? "MQTT-3.8.3-1" : "MQTT-3.10.3-1");
    if (with_options) {
      const std::uint8_t options = reader.byte();
      if (version != Version::v5) {
        if (options > 2) return malformed("MQTT-3-8.3-4", "requested QoS is not 0, 1 or 2");
      } else if ((options & 0xc0) != 0) {
        return malformed("MQTT-3.8.3-5", "reserved bits of the subscription options are set");
      } else if ((options & 3) == 3) {
        return violated("MQTT-3.8.3.1", "QoS 3 in SUBSCRIBE");
      } else if ((options >> 4 & 3) == 3) {
        return violated("MQTT-3.8.3.1", "retain handling 3");
      } else if ((options & 4) != 0 && is_shared(filter)) {
        return violated("MQTT-3.8.3-4", "no local on a shared subscription");
      }
    }
    if (reader.failed()) return reader.error();
  }
  return FilterList(raw, with_options);
}

}  // namespace

FrameStatus cut_frame(Bytes bytes, Frame& frame) {
  frame.size = 0;
  if (bytes.empty()) return FrameStatus::incomplete;
  if (bytes[0] < 0x10) return FrameStatus::malformed;
  std::uint32_t length = 0;
  std::size_t length_size = 0;
  switch (read_varint(bytes.subspan(1), length, length_size)) {
    case VarintStatus::ok: break;
    case VarintStatus::incomplete: return FrameStatus::incomplete;
    case VarintStatus::overlong:
    case VarintStatus::malformed: return FrameStatus::malformed;
  }
  frame.type = static_cast<PacketType>(bytes[0] >> 4);
  frame.flags = bytes[0] & 0x0f;
  frame.size = 1 + length_size + length;
  if (bytes.size() < frame.size) return FrameStatus::incomplete;
  frame.body = bytes.subspan(1 + length_size, length);
  return FrameStatus::complete;
}

Decoded<Connect> decode_connect(const Frame& frame) {
  if (frame.flags != 0) return kFlags;
  Reader reader(frame.body);
  const std::string_view protocol = reader.text("MQTT-3.1.2-1");
  const std::uint8_t level = reader.byte();
  if (reader.failed()) return reader.error();
  Connect packet;
  if (protocol == "MQTT" && (level == 4 || level == 5)) {
    packet.version = static_cast<Version>(level);
  } else if (protocol == "MQIsdp" && level == 3) {
    packet.version = Version::v3_1;
  } else if (protocol == "MQTT" || protocol == "MQIsdp") {
    return ProtocolError{ReasonCode::unsupported_protocol_version, "MQTT-3.1.2-2", "protocol level is not supported"};
  } else {
    return malformed("MQTT-3.1.2-1", "protocol name is not MQTT");
  }
  const bool v5 = packet.version == Version::v5;

  const std::uint8_t flags = reader.byte();
  const bool has_will = (flags & 0x04) != 0;
  const auto will_qos = static_cast<std::uint8_t>(flags >> 3 & 3);
  packet.clean_start = (flags & 0x02) != 0;
  packet.keep_alive_s = reader.two();
  if ((flags & 0x01) != 0) return malformed("MQTT-3.1.2-3", "reserved connect flag is set");
  if (will_qos == 3) return malformed("MQTT-3.1.2-12", "will QoS 3");
  if (!has_will && will_qos != 0) return malformed("MQTT-3.1.2-11", "will QoS without a will");
  if (!has_will && (flags & 0x20) != 0) return malformed("MQTT-3.1.2-13", "will retain without a will");
  if (!v5 && (flags & 0xc0) == 0x40) return malformed("MQTT-3.1.2-22", "password without a user name");
  if (v5) packet.properties = reader.properties(PropertyPlace::connect);
  packet.client_id = reader.text("MQTT-3.1.3-4");
  if (has_will) {
    Will will;
    if (v5) will.properties = reader.properties(PropertyPlace::will);
    will.topic = reader.text("MQTT-3.1.3-11");
    will.payload = reader.binary();
    will.qos = will_qos;
    will.retain = (flags & 0x20) != 0;
    packet.will = will;
  }
  // In 3.1 the remaining length goes before the flags: what is announced may be missing at the end.
  const auto comes = [&](std::uint8_t flag) {
    return (flags & flag) != 0 && !(packet.version == Version::v3_1 && reader.at_end());
  };
  if (comes(0x80)) packet.user_name = reader.text("MQTT-3.1.3-12");
  if (comes(0x40)) packet.password = base::as_text(reader.binary());
  if (reader.failed()) return reader.error();
  if (!reader.at_end()) return kLong;
  if (packet.will && !is_topic_name(packet.will->topic)) {
    return ProtocolError{ReasonCode::topic_name_invalid, "MQTT-3.1.3-11", "will topic is not a topic name"};
  }
  if (packet.properties.has(PropertyId::authentication_data) &&
      !packet.properties.has(PropertyId::authentication_method)) {
    return violated("MQTT-3.1.2.11.10", "authentication data without a method");
  }
  return packet;
}

Decoded<Connack> decode_connack(const Frame& frame, Version version) {
  if (frame.flags != 0) return kFlags;
  Reader reader(frame.body);
  const std::uint8_t flags = reader.byte();
  Connack packet;
  packet.session_present = (flags & 1) != 0;
  packet.code = reader.byte();
  if (version == Version::v5) packet.properties = reader.properties(PropertyPlace::connack);
  if (reader.failed()) return reader.error();
  if (!reader.at_end()) return kLong;
  if ((flags & 0xfe) != 0) return malformed("MQTT-3.2.2-1", "reserved acknowledge flags are set");
  if (packet.session_present && packet.code != 0) {
    return violated("MQTT-3.2.2-6", "session present in a refusal");
  }
  if (!code_allowed(PacketType::connack, static_cast<ReasonCode>(packet.code), version)) return kReason;
  return packet;
}

Decoded<Publish> decode_publish(const Frame& frame, Version version) {
  Publish packet;
  packet.qos = frame.flags >> 1 & 3;
  packet.retain = (frame.flags & 1) != 0;
  packet.dup = (frame.flags & 8) != 0;
  if (packet.qos == 3) return malformed("MQTT-3.3.1-4", "QoS 3");
  if (packet.dup && packet.qos == 0) return malformed("MQTT-3.3.1-2", "DUP at QoS 0");
  Reader reader(frame.body);
  packet.topic = reader.text("MQTT-3.3.2-1");
  if (packet.qos != 0) packet.id = reader.two();
  if (version == Version::v5) packet.properties = reader.properties(PropertyPlace::publish);
  if (reader.failed()) return reader.error();
  packet.payload = reader.rest();
  if (packet.qos != 0 && packet.id == 0) return kIdZero;
  if (packet.topic.empty()) {
    if (!packet.properties.has(PropertyId::topic_alias)) {
      return version == Version::v5 ? violated("MQTT-3.3.2.1", "neither topic nor topic alias")
                                    : malformed("MQTT-4.7.3-1", "topic is empty");
    }
  } else if (!is_topic_name(packet.topic)) {
    return ProtocolError{ReasonCode::topic_name_invalid, "MQTT-3.3.2-2", "wildcard in a topic name"};
  }
  return packet;
}

Decoded<Ack> decode_ack(const Frame& frame, Version version) {
  Ack packet;
  packet.type = frame.type;
  if (frame.type == PacketType::pubrel) {
    if (!is_two(frame.flags, version)) return malformed("MQTT-3.6.1-1", "reserved flags of the fixed header are set");
  } else if (frame.flags != 0) {
    return kFlags;
  }
  Reader reader(frame.body);
  packet.id = reader.two();
  if (version == Version::v5) {
    if (!reader.at_end()) packet.code = static_cast<ReasonCode>(reader.byte());
    if (!reader.at_end()) packet.properties = reader.properties(PropertyPlace::ack);
  }
  if (reader.failed()) return reader.error();
  if (!reader.at_end()) return kLong;
  if (packet.id == 0) return kIdZero;
  if (!code_allowed(packet.type, packet.code, version)) return kReason;
  return packet;
}

Decoded<Subscribe> decode_subscribe(const Frame& frame, Version version) {
  if (!is_two(frame.flags, version)) return malformed("MQTT-3.8.1-1", "reserved flags of the fixed header are set");
  Reader reader(frame.body);
  Subscribe packet;
  packet.id = reader.two();
  if (version == Version::v5) packet.properties = reader.properties(PropertyPlace::subscribe);
  if (reader.failed()) return reader.error();
  if (packet.id == 0) return kIdZero;
  const auto filters = decode_filters(reader.rest(), true, version);
  if (!filters) return filters.error();
  packet.filters = *filters;
  return packet;
}

Decoded<SubscriptionAck> decode_subscription_ack(const Frame& frame, Version version) {
  if (frame.flags != 0) return kFlags;
  Reader reader(frame.body);
  SubscriptionAck packet;
  packet.type = frame.type;
  packet.id = reader.two();
  if (version == Version::v5) packet.properties = reader.properties(PropertyPlace::suback);
  if (reader.failed()) return reader.error();
  packet.codes = reader.rest();
  if (packet.id == 0) return kIdZero;
  const bool has_codes = packet.type == PacketType::suback || version == Version::v5;
  if (has_codes && packet.codes.empty()) return kShort;  // 2.4: one or more
  if (!has_codes && !packet.codes.empty()) return kLong;
  for (const std::uint8_t code : packet.codes) {
    if (!code_allowed(packet.type, static_cast<ReasonCode>(code), version)) return kReason;
  }
  return packet;
}

Decoded<Unsubscribe> decode_unsubscribe(const Frame& frame, Version version) {
  if (!is_two(frame.flags, version)) return malformed("MQTT-3.10.1-1", "reserved flags of the fixed header are set");
  Reader reader(frame.body);
  Unsubscribe packet;
  packet.id = reader.two();
  if (version == Version::v5) packet.properties = reader.properties(PropertyPlace::unsubscribe);
  if (reader.failed()) return reader.error();
  if (packet.id == 0) return kIdZero;
  const auto filters = decode_filters(reader.rest(), false, version);
  if (!filters) return filters.error();
  packet.filters = *filters;
  return packet;
}

Decoded<Disconnect> decode_disconnect(const Frame& frame, Version version) {
  if (frame.flags != 0) return malformed("MQTT-3.14.1-1", "reserved flags of the fixed header are set");
  Reader reader(frame.body);
  Disconnect packet;
  if (version == Version::v5) {
    if (!reader.at_end()) packet.code = static_cast<ReasonCode>(reader.byte());
    if (!reader.at_end()) packet.properties = reader.properties(PropertyPlace::disconnect);
  }
  if (reader.failed()) return reader.error();
  if (!reader.at_end()) return kLong;
  if (!code_allowed(PacketType::disconnect, packet.code, version)) return kReason;
  return packet;
}

Decoded<Auth> decode_auth(const Frame& frame, Version version) {
  if (version != Version::v5) return malformed("MQTT-2.1.2", "AUTH does not exist before MQTT 5.0");
  if (frame.flags != 0) return malformed("MQTT-3.15.1-1", "reserved flags of the fixed header are set");
  Reader reader(frame.body);
  Auth packet;
  if (!reader.at_end()) packet.code = static_cast<ReasonCode>(reader.byte());
  if (!reader.at_end()) packet.properties = reader.properties(PropertyPlace::auth);
  if (reader.failed()) return reader.error();
  if (!reader.at_end()) return kLong;
  if (!code_allowed(PacketType::auth, packet.code, version)) return kReason;
  // 3.15.2.1 allows the empty form, although 3.15.2.2.2 requires a method.
  if (!frame.body.empty() && !packet.properties.has(PropertyId::authentication_method)) {
    return violated("MQTT-3.15.2.2.2", "AUTH without an authentication method");
  }
  return packet;
}

namespace {

template <class T>
Decoded<Packet> as_packet(Decoded<T> decoded) {
  if (!decoded) return decoded.error();
  return Packet(*decoded);
}

}  // namespace

Decoded<Packet> decode(const Frame& frame, Version version) {
  switch (frame.type) {
    case PacketType::connect: return as_packet(decode_connect(frame));
    case PacketType::connack: return as_packet(decode_connack(frame, version));
    case PacketType::publish: return as_packet(decode_publish(frame, version));
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp: return as_packet(decode_ack(frame, version));
    case PacketType::subscribe: return as_packet(decode_subscribe(frame, version));
    case PacketType::suback:
    case PacketType::unsuback: return as_packet(decode_subscription_ack(frame, version));
    case PacketType::unsubscribe: return as_packet(decode_unsubscribe(frame, version));
    case PacketType::pingreq:
    case PacketType::pingresp:
      if (frame.flags != 0) return kFlags;
      if (!frame.body.empty()) return kLong;
      if (frame.type == PacketType::pingreq) return Packet(Pingreq{});
      return Packet(Pingresp{});
    case PacketType::disconnect: return as_packet(decode_disconnect(frame, version));
    case PacketType::auth: return as_packet(decode_auth(frame, version));
  }
  return malformed("MQTT-2.1.2", "packet type 0");
}

}  // namespace shoal::mqtt
