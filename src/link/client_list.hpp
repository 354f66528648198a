#pragma once

#include <string_view>

#include "link/message.hpp"
#include "shoal/client_info.hpp"

namespace shoal::link {

/// Texts of a client are cut to so many bytes, so that one always fits; longer ones are not the default's.
inline constexpr std::size_t kClientTextMax = 4096;

/// A `clients` message with as many of the page's clients, from its beginning, as fit; `next` goes on behind them.
Message to_message(std::string_view instance, const ClientPage& page);
/// Reads it back. What makes no sense is left out.
ClientPage client_page_from(const Message& message);

}  // namespace shoal::link
