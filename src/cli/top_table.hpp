#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/instance.hpp"

namespace shoal::cli {

/// An instance as `top` shows it. What is not known is empty, and shown as `-`.
struct TopRow {
  std::string name{};
  std::string state{};
  std::optional<double> clients{};
  std::optional<double> in{};  ///< messages per second, from clients
  std::optional<double> out{};
  std::optional<double> bytes_in{};  ///< per second
  std::optional<double> bytes_out{};
  std::optional<double> queued{};  ///< messages
  std::optional<double> cpu{};     ///< percent of one core
  std::optional<double> memory{};  ///< resident bytes of the worker's process
};

/// What `--sort` takes, in the order of the columns.
std::vector<std::string> top_columns();

/// What happened between two looks at the fleet, `seconds` apart. `before` is empty at the first one: no rates yet.
std::vector<TopRow> top_rows(const std::vector<api::Instance>& before, const std::vector<api::Instance>& now,
                             double seconds);
/// By name and state from a to z, by numbers from the largest; equal ones by name.
void sort_rows(std::vector<TopRow>& rows, std::string_view column);
/// Heading and rows, not more than `lines` lines of at most `width` bytes.
void print_top(std::ostream& out, const std::vector<TopRow>& rows, std::size_t lines = SIZE_MAX,
               std::size_t width = SIZE_MAX);

}  // namespace shoal::cli
