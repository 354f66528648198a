#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shoal::bench {

/// A topic or filter with the number of a client in place of every `%i`.
inline std::string numbered(std::string_view pattern, std::uint32_t client) {
  std::string text(pattern);
  const std::string number = std::to_string(client);
  for (std::size_t at = text.find("%i"); at != std::string::npos; at = text.find("%i", at + number.size())) {
    text.replace(at, 2, number);
  }
  return text;
}

}  // namespace shoal::bench
