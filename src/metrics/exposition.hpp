#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "shoal/histogram.hpp"

namespace shoal::metrics {

enum class Kind { counter, gauge, histogram };

/// What a metric is. `name`: a-z 0-9 _ with `shoal_` in front and the base unit behind, `_total` behind that for a
/// counter and for nothing else. A value of constants.
struct Family {
  std::string_view name;
  Kind kind = Kind::gauge;
  std::string_view help;  ///< one line
};

/// Label names and values; names are ours, values any UTF-8.
using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Writes the Prometheus text format, version 0.0.4: a family, then its samples, then the next family. What a name has
/// to be is asserted. Not thread-safe.
class Exposition {
 public:
  /// Begins a family; once for each on a page.
  void family(const Family& family);
  void sample(Labels labels, std::uint64_t value);
  void sample(Labels labels, double value);
  /// Seconds, in buckets that include the smaller ones.
  void histogram(Labels labels, const Histogram& value);

  const std::string& text() const { return text_; }
  /// The page; this is empty then.
  std::string take() { return std::move(text_); }

 private:
  void begin(std::string_view suffix, Labels labels, std::string_view le = {});

  std::string text_;
  std::string_view name_;
  Kind kind_ = Kind::gauge;
};

}  // namespace shoal::metrics
