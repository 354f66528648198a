#include "packet_cases/render.hpp"

#include <cctype>
#include <cstdio>

#include "mqtt/encode.hpp"

namespace shoal::packet_cases {
namespace {

using mqtt::PropertyId;

std::string quote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (std::isprint(static_cast<unsigned char>(c)) != 0 && c != '\'' && c != '\\') {
      quoted += c;
    } else {
      char escape[5];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      quoted += escape;
    }
  }
  return quoted + "'";
}

std::string hex(unsigned value) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", value);
  return text;
}

std::string number(const char* name, std::uint64_t value) {
  return std::string(" ") + name + "=" + std::to_string(value);
}

struct Renderer {
  std::string text;

  void flag(bool set, const char* name) {
    if (set) text += std::string(" ") + name;
  }
  void properties(const mqtt::Properties& properties) {
    if (!properties.empty()) text += " " + render(properties);
  }
  void code(unsigned value) {
    if (value != 0) text += " " + hex(value);
  }

  void operator()(const mqtt::Connect& p) {
    text = p.version == mqtt::Version::v3_1 ? "CONNECT 3.1"
           : p.version == mqtt::Version::v5 ? "CONNECT 5"
                                            : "CONNECT 3.1.1";
    flag(p.clean_start, "clean");
    if (p.keep_alive_s != 0) text += number("keep_alive", p.keep_alive_s);
    text += " id=" + quote(p.client_id);
    if (p.will) {
      text += " will=" + quote(p.will->topic) + ":" + quote(base::as_text(p.will->payload));
      text += number("will_qos", p.will->qos);
      flag(p.will->retain, "will_retain");
      properties(p.will->properties);
    }
    if (p.user_name) text += " user=" + quote(*p.user_name);
    if (p.password) text += " password=" + quote(*p.password);
    properties(p.properties);
  }
  void operator()(const mqtt::Connack& p) {
    text = "CONNACK";
    flag(p.session_present, "session_present");
    code(p.code);
    properties(p.properties);
  }
  void operator()(const mqtt::Publish& p) {
    text = "PUBLISH" + number("qos", p.qos);
    flag(p.retain, "retain");
    flag(p.dup, "dup");
    if (p.id != 0) text += number("id", p.id);
    text += " " + quote(p.topic) + ":" + quote(base::as_text(p.payload));
    properties(p.properties);
  }
  void operator()(const mqtt::Ack& p) {
    text = std::string(mqtt::to_string(p.type)) + number("id", p.id);
    code(static_cast<unsigned>(p.code));
    properties(p.properties);
  }
  void operator()(const mqtt::Subscribe& p) {
    text = "SUBSCRIBE" + number("id", p.id);
    mqtt::FilterList filters = p.filters;
    for (mqtt::FilterEntry entry; filters.next(entry);) {
      text += " " + quote(entry.filter) + ":" + std::to_string(entry.options.qos);
      if (entry.options.no_local) text += "+nl";
      if (entry.options.retain_as_published) text += "+rap";
      if (entry.options.retain_handling != 0) text += "+rh" + std::to_string(entry.options.retain_handling);
    }
    properties(p.properties);
  }
  void operator()(const mqtt::SubscriptionAck& p) {
    text = std::string(mqtt::to_string(p.type)) + number("id", p.id);
    for (const std::uint8_t each : p.codes) text += " " + hex(each);
    properties(p.properties);
  }
  void operator()(const mqtt::Unsubscribe& p) {
    text = "UNSUBSCRIBE" + number("id", p.id);
    mqtt::FilterList filters = p.filters;
    for (mqtt::FilterEntry entry; filters.next(entry);) text += " " + quote(entry.filter);
    properties(p.properties);
  }
  void operator()(const mqtt::Pingreq&) { text = "PINGREQ"; }
  void operator()(const mqtt::Pingresp&) { text = "PINGRESP"; }
  void operator()(const mqtt::Disconnect& p) {
    text = "DISCONNECT";
    code(static_cast<unsigned>(p.code));
    properties(p.properties);
  }
  void operator()(const mqtt::Auth& p) {
    text = "AUTH";
    code(static_cast<unsigned>(p.code));
    properties(p.properties);
  }
};

}  // namespace

std::string render(const mqtt::Packet& packet) {
  Renderer renderer;
  std::visit(renderer, packet);
  return renderer.text;
}

std::string_view to_string(PropertyId id) {
  switch (id) {
    case PropertyId::payload_format_indicator: return "payload_format_indicator";
    case PropertyId::message_expiry_interval: return "message_expiry_interval";
    case PropertyId::content_type: return "content_type";
    case PropertyId::response_topic: return "response_topic";
    case PropertyId::correlation_data: return "correlation_data";
    case PropertyId::subscription_identifier: return "subscription_identifier";
    case PropertyId::session_expiry_interval: return "session_expiry_interval";
    case PropertyId::assigned_client_identifier: return "assigned_client_identifier";
    case PropertyId::server_keep_alive: return "server_keep_alive";
    case PropertyId::authentication_method: return "authentication_method";
    case PropertyId::authentication_data: return "authentication_data";
    case PropertyId::request_problem_information: return "request_problem_information";
    case PropertyId::will_delay_interval: return "will_delay_interval";
    case PropertyId::request_response_information: return "request_response_information";
    case PropertyId::response_information: return "response_information";
    case PropertyId::server_reference: return "server_reference";
    case PropertyId::reason_string: return "reason_string";
    case PropertyId::receive_maximum: return "receive_maximum";
    case PropertyId::topic_alias_maximum: return "topic_alias_maximum";
    case PropertyId::topic_alias: return "topic_alias";
    case PropertyId::maximum_qos: return "maximum_qos";
    case PropertyId::retain_available: return "retain_available";
    case PropertyId::user_property: return "user_property";
    case PropertyId::maximum_packet_size: return "maximum_packet_size";
    case PropertyId::wildcard_subscription_available: return "wildcard_subscription_available";
    case PropertyId::subscription_identifier_available: return "subscription_identifier_available";
    case PropertyId::shared_subscription_available: return "shared_subscription_available";
  }
  return "?";
}

std::string render(const mqtt::Properties& properties) {
  std::string text = "{";
  const char* separator = "";
  std::vector<mqtt::UserProperty> pairs;
  properties.each_user_property([&](const mqtt::UserProperty& pair) { pairs.push_back(pair); });
  std::size_t pair = 0;
  properties.each([&](PropertyId id, mqtt::Bytes value) {
    text += separator + std::string(to_string(id)) + "=";
    separator = " ";
    switch (id) {
      case PropertyId::user_property:
        text += quote(pairs[pair].name) + ":" + quote(pairs[pair].value);
        ++pair;
        break;
      case PropertyId::content_type:
      case PropertyId::response_topic:
      case PropertyId::correlation_data:
      case PropertyId::assigned_client_identifier:
      case PropertyId::authentication_method:
      case PropertyId::authentication_data:
      case PropertyId::response_information:
      case PropertyId::server_reference:
      case PropertyId::reason_string: text += quote(properties.text(id)); break;
      case PropertyId::subscription_identifier: {  // may be there several times
        std::uint32_t number = 0;
        for (std::size_t i = value.size(); i-- > 0;) number = number << 7 | (value[i] & 0x7fu);
        text += std::to_string(number);
        break;
      }
      default: text += std::to_string(properties.number(id));
    }
  });
  return text + "}";
}

RoundTrip round_trip(const mqtt::Frame& frame, mqtt::Version version) {
  RoundTrip result;
  const auto packet = mqtt::decode(frame, version);
  if (!packet) {
    result.error = packet.error();
    return result;
  }
  result.meaning = render(*packet);
  mqtt::encode(*packet, version, result.encoded);
  mqtt::Frame again;
  if (mqtt::cut_frame(result.encoded, again) != mqtt::FrameStatus::complete || again.size != result.encoded.size()) {
    result.meaning_again = "not one frame";
    return result;
  }
  const auto packet_again = mqtt::decode(again, version);
  result.meaning_again = packet_again ? render(*packet_again) : packet_again.error().what;
  return result;
}

}  // namespace shoal::packet_cases
