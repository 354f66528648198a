#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "mqtt/packet.hpp"

namespace shoal::fuzz {

/// Every message that anybody has published: what a subscriber gets has to be one of them.
class Published {
 public:
  struct Facts {
    std::uint8_t qos_max = 0;
    bool retain = false;                    ///< one of them was
    bool always_expires = true;             ///< all of them do
    base::Time expires_max = base::Time();  ///< the last of them; `base::kNever` when it is not known
  };

  /// `properties` as the publisher sent them.
  void add(std::string_view topic, base::Bytes payload, const mqtt::Properties& properties, std::uint8_t qos,
           bool retain, base::Time expires);
  /// Null when there was none. Properties are compared where the receiver gets them.
  const Facts* find(std::string_view topic, const mqtt::Publish& packet, mqtt::Version version) const;

  /// What makes two messages the same: topic, payload and, in 5.0, the properties that are passed on.
  static std::string key(std::string_view topic, base::Bytes payload, const mqtt::Properties& properties,
                         mqtt::Version version);

 private:
  std::unordered_map<std::string, Facts> messages_;
};

}  // namespace shoal::fuzz
