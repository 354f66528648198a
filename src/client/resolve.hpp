#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/socket.hpp"
#include "shoal/result.hpp"

namespace shoal::client {

/// Addresses of `host` (a name or a numeric address, IPv6 with or without brackets), in the order to
/// try them. Blocks on the system's resolver. Error: not_found.
Result<std::vector<io::Endpoint>> resolve(const std::string& host, std::uint16_t port);

}  // namespace shoal::client
