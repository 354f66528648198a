#include <unistd.h>

#include "client.hpp"

namespace paho_c {
namespace {

std::string text(const MQTTLenString& string) { return {string.data, static_cast<std::size_t>(string.len)}; }

// The library copies what it is given, but asks for pointers that are not const.
MQTTLenString borrowed(const std::string& string) {
  return {static_cast<int>(string.size()), const_cast<char*>(string.data())};
}

}  // namespace

NativeProperties::NativeProperties(const Properties& properties) {
  for (const Property& property : properties) {
    MQTTProperty native{};
    native.identifier = property.id;
    switch (MQTTProperty_getType(property.id)) {
      case MQTTPROPERTY_TYPE_BYTE: native.value.byte = static_cast<unsigned char>(property.number); break;
      case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER:
        native.value.integer2 = static_cast<unsigned short>(property.number);
        break;
      case MQTTPROPERTY_TYPE_FOUR_BYTE_INTEGER:
      case MQTTPROPERTY_TYPE_VARIABLE_BYTE_INTEGER:
        native.value.integer4 = static_cast<unsigned>(property.number);
        break;
      case MQTTPROPERTY_TYPE_UTF_8_STRING_PAIR: native.value.value = borrowed(property.value); [[fallthrough]];
      default: native.value.data = borrowed(property.text);
    }
    CHECK(MQTTProperties_add(&native_, &native) == 0);
  }
}

Properties to_properties(const MQTTProperties& native) {
  Properties properties;
  for (int i = 0; i < native.count; ++i) {
    const MQTTProperty& one = native.array[i];
    Property property{.id = one.identifier};
    switch (MQTTProperty_getType(one.identifier)) {
      case MQTTPROPERTY_TYPE_BYTE: property.number = one.value.byte; break;
      case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER: property.number = one.value.integer2; break;
      case MQTTPROPERTY_TYPE_FOUR_BYTE_INTEGER:
      case MQTTPROPERTY_TYPE_VARIABLE_BYTE_INTEGER: property.number = one.value.integer4; break;
      case MQTTPROPERTY_TYPE_UTF_8_STRING_PAIR: property.value = text(one.value.value); [[fallthrough]];
      default: property.text = text(one.value.data);
    }
    properties.push_back(std::move(property));
  }
  return properties;
}

Message Client::get() {
  auto message = receive(kPatience_ms);
  CHECK(message.has_value());
  return std::move(*message);
}

std::vector<Message> Client::fence() {
  static int serial = 0;
  const std::string topic = "fence/" + std::to_string(getpid()) + "/" + std::to_string(++serial);
  CHECK(subscribe(topic, 1) == 1);
  publish({topic, "fence", 1});
  std::vector<Message> before;
  for (Message message = get(); message.topic != topic; message = get()) before.push_back(message);
  CHECK(unsubscribe(topic) == 0);
  return before;
}

}  // namespace paho_c
