#include "controller/limit_table.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "config/limit_values.hpp"

namespace shoal::controller {
namespace {

constexpr std::string_view kInstance = "limits.";

struct Counted {
  std::string_view key;
  Bound bound;
};

// Which counter of `limit_hits` tells of which limit; what is only made smaller (session_expiry) has none.
constexpr Counted kCounted[] = {{"connections", Bound::connections},
                                {"connects_per_second", Bound::connects_per_second},
                                {"half_open", Bound::half_open},
                                {"connect_timeout", Bound::connect_timeout},
                                {"packet_size", Bound::packet_size},
                                {"receive_maximum", Bound::receive_maximum},
                                {"queued_messages", Bound::queue},
                                {"queued_bytes", Bound::queue},
                                {"queued_bytes_total", Bound::queued_bytes_total},
                                {"queued_bytes_connected", Bound::queue},
                                {"sessions", Bound::sessions},
                                {"subscriptions", Bound::subscriptions},
                                {"subscription_bytes", Bound::subscription_bytes},
                                {"retained_messages", Bound::retained},
                                {"retained_bytes", Bound::retained},
                                {"topic_levels", Bound::topic},
                                {"topic_bytes", Bound::topic},
                                {"client_id_bytes", Bound::client_id_bytes},
                                {"input_bytes_total", Bound::input_bytes_total},
                                {"store_queue_bytes", Bound::store_queue},
                                {"messages_in_per_second", Bound::rate},
                                {"bytes_in_per_second", Bound::rate},
                                {"messages_out_per_second", Bound::rate},
                                {"bytes_out_per_second", Bound::rate},
                                {"client_messages_per_second", Bound::rate},
                                {"client_bytes_per_second", Bound::rate}};

std::optional<Bound> bound_of(std::string_view name) {
  const auto found =
      std::find_if(std::begin(kCounted), std::end(kCounted), [&](const Counted& c) { return c.key == name; });
  return found == std::end(kCounted) ? std::nullopt : std::optional(found->bound);
}

std::string_view unit_of(const config::Key& key) {
  if (key.type == config::Type::size) return "bytes";
  if (key.type == config::Type::duration) return "seconds";
  return key.path.ends_with("_percent") ? "percent" : "count";
}

}  // namespace

std::vector<api::Limit> limit_table(const config::InstanceConfig& instance, const Stats* stats,
                                    const std::vector<api::Limit>& worker) {
  std::vector<api::Limit> all;
  for (const config::LimitValue& value : config::limit_values(instance)) {
    const std::string_view path = value.key->path;
    api::Limit& limit = all.emplace_back();
    limit.key = path;
    limit.limit = value.number;
    limit.unit = unit_of(*value.key);
    if (!path.starts_with(kInstance)) {
      const auto found = std::find_if(worker.begin(), worker.end(), [&](const api::Limit& l) { return l.key == path; });
      if (found != worker.end()) limit = *found;
      if (path == "worker_limits.descriptors" && stats) {
        limit.counter = to_string(Bound::descriptors);
        limit.hits = stats->hits(Bound::descriptors);
      }
      continue;
    }
    const std::string_view name = path.substr(kInstance.size());
    if (const auto bound = bound_of(name)) {
      limit.counter = to_string(*bound);
      if (stats) limit.hits = stats->hits(*bound);
    }
    if (!stats) continue;
    LimitUse::for_each(stats->use, [&](std::string_view what, const Use& use) {
      if (what != name) return;
      limit.use = use.now;
      limit.peak = use.peak;
    });
  }
  return all;
}

}  // namespace shoal::controller
