#pragma once

#include <string_view>

namespace shoal::mqtt {

/// True when `text` is well-formed UTF-8 without U+0000 and without surrogates
/// (MQTT-1.5.4-1, MQTT-1.5.4-2). A BOM is an ordinary character (MQTT-1.5.4-3).
bool is_utf8_string(std::string_view text);

/// True when `text` is well-formed UTF-8; U+0000 is allowed (payloads, MQTT-3.3.2-4 ff.).
bool is_utf8_payload(std::string_view text);

}  // namespace shoal::mqtt
