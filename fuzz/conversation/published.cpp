#include "conversation/published.hpp"

#include <algorithm>

namespace shoal::fuzz {

using mqtt::PropertyId;

std::string Published::key(std::string_view topic, base::Bytes payload, const mqtt::Properties& properties,
                           mqtt::Version version) {
  std::string key(version == mqtt::Version::v5 ? "5" : "3");
  key.append(topic).append(1, '\0').append(base::as_text(payload)).append(1, '\0');
  if (version != mqtt::Version::v5) return key;
  properties.each([&](PropertyId id, base::Bytes value) {
    switch (id) {
      case PropertyId::topic_alias:
      case PropertyId::message_expiry_interval:
      case PropertyId::subscription_identifier:
      case PropertyId::will_delay_interval: break;
      default: key.append(1, static_cast<char>(id)).append(base::as_text(value));
    }
  });
  return key;
}

void Published::add(std::string_view topic, base::Bytes payload, const mqtt::Properties& properties, std::uint8_t qos,
                    bool retain, base::Time expires) {
  for (const mqtt::Version version : {mqtt::Version::v3_1_1, mqtt::Version::v5}) {
    Facts& facts = messages_[key(topic, payload, properties, version)];
    facts.qos_max = std::max(facts.qos_max, qos);
    facts.retain |= retain;
    facts.always_expires &= properties.has(PropertyId::message_expiry_interval);
    facts.expires_max = std::max(facts.expires_max, expires);
  }
}

const Published::Facts* Published::find(std::string_view topic, const mqtt::Publish& packet,
                                        mqtt::Version version) const {
  const auto found = messages_.find(key(topic, packet.payload, packet.properties, version));
  return found == messages_.end() ? nullptr : &found->second;
}

}  // namespace shoal::fuzz
