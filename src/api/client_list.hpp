#pragma once

#include <string>
#include <string_view>

#include "shoal/client_info.hpp"
#include "shoal/result.hpp"

namespace shoal::api {

/// `{"clients":[…],"next":N}`; `next` is null behind the last client.
std::string to_json(const ClientPage& page);
/// Reads it back; unknown members are ignored, missing ones keep their defaults. Error: not such a page.
Result<ClientPage> client_page_from_json(std::string_view text);

/// `%2F` for what has no place in a path as it is, byte by byte.
std::string percent_encoded(std::string_view text);
/// The reverse. Nothing when it is malformed.
Result<std::string> percent_decoded(std::string_view text);

}  // namespace shoal::api
