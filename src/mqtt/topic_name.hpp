#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace shoal::mqtt {

/// True for a topic name a PUBLISH may carry: not empty, no wildcards (MQTT-3.3.2-2, MQTT-4.7.3-1).
/// UTF-8 is the decoder's concern.
bool is_topic_name(std::string_view name);

/// True for a topic filter: not empty, `#` last and alone in its level, `+` alone in its level
/// (MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1). A `$share/…` filter is checked as a whole by
/// `split_shared`.
bool is_topic_filter(std::string_view filter);

/// Number of levels, 1 for a name without `/`.
std::size_t level_count(std::string_view name);

/// True for names and filters that wildcards in the first level do not match (MQTT-4.7.2-1).
inline bool starts_with_dollar(std::string_view name) { return !name.empty() && name.front() == '$'; }

/// True for `$SYS` and what is below: only the server publishes there.
inline bool is_server_topic(std::string_view name) {
  return name.starts_with("$SYS") && (name.size() == 4 || name[4] == '/');
}

/// A shared subscription's parts.
struct SharedFilter {
  std::string_view group;
  std::string_view filter;
};

/// True when the filter asks for a shared subscription.
inline bool is_shared(std::string_view filter) { return filter.starts_with("$share/"); }

/// Splits `$share/GROUP/FILTER`; nothing when group or filter is not valid
/// (MQTT-4.8.2-1, MQTT-4.8.2-2).
std::optional<SharedFilter> split_shared(std::string_view filter);

/// The definition of matching (4.7): the trie's tests and the client compare with it. Both must be valid.
bool matches(std::string_view filter, std::string_view name);

/// Takes levels off a name or filter from the left. `next` returns false after the last one.
class Levels {
 public:
  explicit Levels(std::string_view text) : rest_(text) {}

  bool next(std::string_view& level) {
    if (done_) return false;
    const std::size_t slash = rest_.find('/');
    if (slash == std::string_view::npos) {
      level = rest_;
      done_ = true;
    } else {
      level = rest_.substr(0, slash);
      rest_.remove_prefix(slash + 1);
    }
    return true;
  }

 private:
  std::string_view rest_;
  bool done_ = false;
};

}  // namespace shoal::mqtt
