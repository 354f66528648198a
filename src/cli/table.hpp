#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "api/instance.hpp"

namespace shoal::cli {

/// Prints rows in columns that are as wide as their widest cell (in characters), two blanks between.
void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows);

/// The table of `ps`, with a heading.
void print_instances(std::ostream& out, const std::vector<api::Instance>& instances);

/// `48s`, `5m 02s`, `3h 20m`, `12d 4h`.
std::string duration_text(std::uint64_t seconds);

}  // namespace shoal::cli
