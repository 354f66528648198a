#include "config/quantity.hpp"

#include <charconv>
#include <limits>
#include <span>

namespace shoal::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first, as the formatting needs it.
constexpr Unit kSizes[] = {{"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"B", 1}};
constexpr Unit kDurations[] = {{"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}};

std::optional<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.empty()) return number;
  if (text.front() == ' ') text.remove_prefix(1);
  for (const Unit& unit : units) {
    if (text != unit.name) continue;
    if (number > std::numeric_limits<std::uint64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

std::string format(std::uint64_t number, std::span<const Unit> units, std::string_view space) {
  for (const Unit& unit : units)
    if (number >= unit.factor && number % unit.factor == 0)
      return std::to_string(number / unit.factor).append(space).append(unit.name);
  return std::to_string(number);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) { return parse_quantity(text, kSizes); }
std::optional<std::uint64_t> parse_duration(std::string_view text) { return parse_quantity(text, kDurations); }
std::string format_size(std::uint64_t bytes) { return format(bytes, kSizes, " "); }
std::string format_duration(std::uint64_t seconds) { return format(seconds, kDurations, ""); }

}  // namespace shoal::config
