#include "config/limit_values.hpp"

#include <charconv>

#include "config/quantity.hpp"

namespace shoal::config {
namespace {

// Written by `value_text`, or the default of a key.
std::optional<std::uint64_t> number_of(Type type, const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return type == Type::size ? parse_size(text) : type == Type::duration ? parse_duration(text) : std::nullopt;
}

}  // namespace

std::vector<LimitValue> limit_values(const InstanceConfig& instance) {
  std::vector<LimitValue> all;
  for (const Key& key : schema()) {
    if (key.scope != Scope::instance) continue;
    if (!key.path.starts_with("limits.") && !key.path.starts_with("worker_limits.")) continue;
    const auto written = instance.values.find(std::string(key.path));
    all.push_back({&key, number_of(key.type, written == instance.values.end() ? key.fallback : written->second)});
  }
  return all;
}

}  // namespace shoal::config
