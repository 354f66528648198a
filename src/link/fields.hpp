#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "link/message.hpp"
#include "shoal/broker.hpp"
#include "shoal/options.hpp"
#include "shoal/result.hpp"

namespace shoal::link {

/// A `start` message with every option, a `listener` field for each listener's url. Descriptors and
/// the log's callbacks are not in it, but that a log goes to standard output, which is then the worker's.
Message to_start(const BrokerOptions& options);
/// A `change` message; listeners whose urls are in `kept` are those that stay.
/// How many threads the worker itself has for its instances, at least.
Message& add_worker_threads(Message& start, unsigned threads);
/// 1 when nothing is said about it.
unsigned worker_threads(const Message& start);
Message to_change(const BrokerOptions& options, const std::vector<std::string>& kept);
/// Reads either back, listeners of both kinds in their order; what is missing keeps its default, so that an older
/// controller can drive a newer worker. Error: invalid_argument when a value does not fit its option.
Result<BrokerOptions> options_from(const Message& start);

/// A `set` message with one option.
Message to_set_log_level(std::string_view instance, LogLevel level);
/// The level that a `set` message names; nothing when there is none, or one of tomorrow.
std::optional<LogLevel> log_level_in(const Message& message);

/// A `stats` message with every counter.
Message to_message(const std::string& instance, const Stats& stats);
Stats stats_from(const Message& message);

/// Every counter and gauge with its name, in the order of `shoal::Stats`. Without histograms and `use`.
std::vector<std::pair<std::string, std::uint64_t>> named(const Stats& stats);

/// True for the name of a gauge: what is so now, while the others count since the start.
constexpr bool is_gauge(std::string_view name) { return name.ends_with("_now"); }

/// Adds the counters and histograms of `more`; gauges, `use` and the alarm of `to` stay.
void add_totals(Stats& to, const Stats& more);

}  // namespace shoal::link
