#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::bench {

/// Many different filters with six levels, and topics that exactly one of them matches each: filter and topic of a
/// number belong together. Pure: the same numbers give the same texts.
class FilterCells {
 public:
  /// In per cent, together 100: filters without a wildcard, with `+`, with `#`.
  struct Mix {
    std::uint32_t exact = 70;
    std::uint32_t plus = 20;
    std::uint32_t hash = 10;
  };

  /// `root`: the first level.
  FilterCells(std::string_view root, std::uint32_t count, Mix mix) : root_(root), count_(count), mix_(mix) {}

  std::uint32_t count() const { return count_; }
  std::string filter(std::uint32_t cell) const;
  /// Writes it into `topic`, whose memory is used again.
  void topic(std::uint32_t cell, std::string& topic) const;
  /// Which one a topic of these is.
  static std::optional<std::uint32_t> cell(std::string_view topic);

 private:
  std::string root_;
  std::uint32_t count_;
  Mix mix_;
};

}  // namespace shoal::bench
