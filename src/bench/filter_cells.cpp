#include "bench/filter_cells.hpp"

#include <charconv>

#include "bench/scatter.hpp"
#include "mqtt/topic_name.hpp"

namespace shoal::bench {
namespace {

constexpr std::size_t kLevels = 6;
constexpr std::size_t kCellLevel = 3;  // the level that tells cells apart
constexpr std::uint64_t kFilterSalt = 0x5ca1ab1eu;

void append_number(std::string& text, std::string_view prefix, std::uint64_t number) {
  std::array<char, 20> digits;
  text.append(prefix);
  text.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

}  // namespace

std::string FilterCells::filter(std::uint32_t cell) const {
  std::string whole;
  topic(cell, whole);
  std::array<std::string_view, kLevels> parts;
  mqtt::Levels levels(whole);
  for (std::string_view& part : parts) levels.next(part);
  const std::uint64_t chance = scatter(cell ^ kFilterSalt);
  const std::uint64_t kind = chance % 100;
  std::size_t depth = kLevels;
  if (kind >= mix_.exact) {
    // A wildcard may stand for every level but the first and the cell's.
    constexpr std::array<std::size_t, 4> kFree{1, 2, 4, 5};
    const bool hash = kind >= mix_.exact + mix_.plus;
    const std::uint64_t wild = hash ? chance / 128 % 4 : chance / 128 % 15 + 1;
    for (std::size_t i = 0; i < kFree.size(); ++i) {
      if ((wild >> i & 1) != 0) parts[kFree[i]] = "+";
    }
    if (hash) {
      depth = kCellLevel + 2 + chance / 2'048 % 2;
      parts[depth - 1] = "#";
    }
  }
  std::string text(parts[0]);
  for (std::size_t i = 1; i < depth; ++i) text.append("/").append(parts[i]);
  return text;
}

void FilterCells::topic(std::uint32_t cell, std::string& topic) const {
  const std::uint64_t chance = scatter(cell);
  topic = root_;
  append_number(topic, "/r", chance % 64);
  append_number(topic, "/s", chance / 64 % 512);
  append_number(topic, "/c", cell);
  append_number(topic, "/m", chance / 32'768 % 16);
  append_number(topic, "/v", chance / 524'288 % 4);
}

std::optional<std::uint32_t> FilterCells::cell(std::string_view topic) {
  mqtt::Levels rest(topic);
  std::string_view level;
  for (std::size_t i = 0; i <= kCellLevel; ++i) {
    if (!rest.next(level)) return {};
  }
  std::uint32_t number = 0;
  if (level.size() < 2 || level.front() != 'c') return {};
  const auto [end, error] = std::from_chars(level.data() + 1, level.data() + level.size(), number);
  if (error != std::errc() || end != level.data() + level.size()) return {};
  return number;
}

}  // namespace shoal::bench
