#include "cli/limits_table.hpp"

#include <cstdio>
#include <ostream>
#include <string>

#include "cli/table.hpp"
#include "config/quantity.hpp"

namespace shoal::cli {
namespace {

const std::string kNothing = "-";

/// `3.0 MiB`, where the exact number would be a long one.
std::string about(std::uint64_t bytes) {
  constexpr std::uint64_t kKiB = 1024;
  if (bytes < kKiB) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / kKiB;
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < std::size(units); ++unit) value /= kKiB;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, units[unit]);
  return text;
}

std::string exact(const api::Limit& limit) {
  if (!limit.limit) return kNothing;
  if (*limit.limit == 0 && limit.key.ends_with("_per_second")) return kNothing;
  if (limit.unit == "bytes") return config::format_size(*limit.limit);
  if (limit.unit == "seconds") return config::format_duration(*limit.limit);
  return std::to_string(*limit.limit) + (limit.unit == "percent" ? "%" : "");
}

std::string used(const api::Limit& limit, const std::optional<std::uint64_t>& number) {
  if (!number) return kNothing;
  return limit.unit == "bytes" ? about(*number) : std::to_string(*number);
}

/// Several limits may share a counter; then its name is said.
std::string hits(const api::Limit& limit) {
  if (!limit.hits) return kNothing;
  const bool shared = *limit.hits > 0 && !limit.counter.empty() && limit.key != "limits." + limit.counter;
  return std::to_string(*limit.hits) + (shared ? " (" + limit.counter + ')' : "");
}

}  // namespace

void print_limits(std::ostream& out, const std::vector<api::Limit>& limits) {
  std::vector<std::vector<std::string>> rows{{"KEY", "LIMIT", "USE", "PEAK", "HITS", "IN FORCE BY"}};
  for (const api::Limit& limit : limits) {
    rows.push_back(
        {limit.key, exact(limit), used(limit, limit.use), used(limit, limit.peak), hits(limit), limit.in_force});
  }
  print_table(out, rows);
}

std::string limit_text(const api::Limit& limit) {
  return limit.in_force.empty() ? std::string() : exact(limit) + ", " + limit.in_force;
}

}  // namespace shoal::cli
