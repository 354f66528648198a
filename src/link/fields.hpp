#pragma once

#include <string>
#include <vector>

#include "link/message.hpp"
#include "shoal/broker.hpp"
#include "shoal/options.hpp"
#include "shoal/result.hpp"

namespace shoal::link {

/// A `start` message with every option, a `listener` field for each listener's url. Descriptors and
/// the log's sink are not in it.
Message to_start(const BrokerOptions& options);
/// A `change` message; listeners whose urls are in `kept` are those that stay.
Message to_change(const BrokerOptions& options, const std::vector<std::string>& kept);
/// Reads either back, listeners of both kinds in their order; what is missing keeps its default, so that an older controller can drive a newer
/// worker. Error: invalid_argument when a value does not fit its option.
Result<BrokerOptions> options_from(const Message& start);

/// A `stats` message with every counter.
Message to_message(const std::string& instance, const Stats& stats);
Stats stats_from(const Message& message);

/// Every counter with its name, in the order of `shoal::Stats`.
std::vector<std::pair<std::string, std::uint64_t>> named(const Stats& stats);

}  // namespace shoal::link
