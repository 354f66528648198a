#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "bench/filter_cells.hpp"

namespace shoal::cli {

/// A number from 1 on, also as `10k` or `2m` (thousands and millions). Nothing when it is none.
std::optional<std::uint64_t> parse_count(std::string_view text);

/// Ports such as `1883,20000-20099`, in that order. Nothing when they are none, or more than 10,000.
std::optional<std::vector<std::uint16_t>> parse_ports(std::string_view text);

/// Three percentages such as `70,20,10`, together 100.
std::optional<bench::FilterCells::Mix> parse_mix(std::string_view text);

}  // namespace shoal::cli
