#include "mqtt/topic_name.hpp"

#include <algorithm>

namespace shoal::mqtt {

bool is_topic_name(std::string_view name) {
  // Not find_first_of: that is a call of memchr for each character, and a name is looked at for each message.
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) { return c == '+' || c == '#'; });
}

bool is_topic_filter(std::string_view filter) {
  if (filter.empty()) return false;
  for (std::size_t i = 0; i < filter.size(); ++i) {
    const char c = filter[i];
    if (c != '+' && c != '#') continue;
    const bool starts_level = i == 0 || filter[i - 1] == '/';
    const bool last = i + 1 == filter.size();
    if (!starts_level) return false;
    if (c == '#' && !last) return false;
    if (c == '+' && !last && filter[i + 1] != '/') return false;
  }
  return true;
}

std::size_t level_count(std::string_view name) {
  return 1 + static_cast<std::size_t>(std::count(name.begin(), name.end(), '/'));
}

std::optional<SharedFilter> split_shared(std::string_view filter) {
  if (!is_shared(filter)) return std::nullopt;
  filter.remove_prefix(7);
  const std::size_t slash = filter.find('/');
  if (slash == 0 || slash == std::string_view::npos) return std::nullopt;
  const SharedFilter parts{filter.substr(0, slash), filter.substr(slash + 1)};
  if (!is_topic_name(parts.group) || !is_topic_filter(parts.filter)) return std::nullopt;
  return parts;
}

bool matches(std::string_view filter, std::string_view name) {
  if (starts_with_dollar(name) && (filter.front() == '+' || filter.front() == '#')) return false;
  Levels filter_levels(filter);
  Levels name_levels(name);
  std::string_view f;
  std::string_view n;
  while (filter_levels.next(f)) {
    if (f == "#") return true;  // also for the parent level: "sport/#" matches "sport" (4.7.1.2)
    if (!name_levels.next(n)) return false;
    if (f != "+" && f != n) return false;
  }
  return !name_levels.next(n);
}

}  // namespace shoal::mqtt
