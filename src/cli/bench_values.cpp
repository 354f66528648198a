#include "cli/bench_values.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace shoal::cli {
namespace {

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

/// What is in front of the next comma, taken off.
std::string_view take_part(std::string_view& text) {
  const std::size_t comma = text.find(',');
  const std::string_view part = text.substr(0, comma);
  text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  return part;
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t factor = 1;
  if (!text.empty() && (text.back() == 'k' || text.back() == 'm')) {
    factor = text.back() == 'k' ? 1'000 : 1'000'000;
    text.remove_suffix(1);
  }
  const auto number = parse_number<std::uint64_t>(text);
  if (!number || *number == 0 || *number > std::numeric_limits<std::uint64_t>::max() / factor) return {};
  return *number * factor;
}

std::optional<std::vector<std::uint16_t>> parse_ports(std::string_view text) {
  constexpr std::size_t kPortsMax = 10'000;
  std::vector<std::uint16_t> ports;
  if (text.empty() || text.back() == ',') return {};
  while (!text.empty()) {
    const std::string_view part = take_part(text);
    const std::size_t dash = part.find('-');
    const auto first = parse_number<std::uint16_t>(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number<std::uint16_t>(part.substr(dash + 1));
    if (!first || !last || *first == 0 || *last < *first) return {};
    if (ports.size() + (*last - *first) >= kPortsMax) return {};
    for (std::uint32_t port = *first; port <= *last; ++port) ports.push_back(static_cast<std::uint16_t>(port));
  }
  return ports;
}

std::optional<bench::FilterCells::Mix> parse_mix(std::string_view text) {
  std::array<std::uint32_t, 3> parts{};
  if (!text.empty() && text.back() == ',') return {};
  for (std::uint32_t& part : parts) {
    const auto number = parse_number<std::uint32_t>(take_part(text));
    if (!number || *number > 100) return {};
    part = *number;
  }
  if (!text.empty() || parts[0] + parts[1] + parts[2] != 100) return {};
  return bench::FilterCells::Mix{parts[0], parts[1], parts[2]};
}

}  // namespace shoal::cli
