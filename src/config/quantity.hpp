#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::config {

/// `512`, `512 B`, `64 KiB`, `16MiB`, `1 GiB` as bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// `30`, `30s`, `5 m`, `12h`, `7d` as seconds.
std::optional<std::uint64_t> parse_duration(std::string_view text);

/// In the largest unit that divides it: `16 MiB`.
std::string format_size(std::uint64_t bytes);

/// In the largest unit that divides it: `7d`.
std::string format_duration(std::uint64_t seconds);

}  // namespace shoal::config
