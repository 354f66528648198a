#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "config/fleet_config.hpp"

namespace shoal::config {

/// Reads `mqtt://HOST:PORT` where PORT is 1 to 65535 or `auto`; HOST is a numeric address, IPv6 in
/// brackets, or `localhost` (127.0.0.1). The host comes back in its canonical form, `at` empty. The
/// string is what is wrong and what to write.
std::variant<ListenerConfig, std::string> parse_listener(std::string_view url);

/// The same for `HOST:PORT`, where the port is a number.
std::variant<ListenerConfig, std::string> parse_address(std::string_view text);

/// True when the addresses of both, given the same port, cannot be bound together: the same address,
/// or one of them is the wildcard of its family. IPv6 sockets are v6-only, so families never meet, but for a foreign
/// one, which meets all.
bool overlaps(const ListenerConfig& a, const ListenerConfig& b);

}  // namespace shoal::config
