#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shoal/result.hpp"

namespace shoal::api {

/// A limit of an instance or of its worker, and how much of it is used. What is not known, or makes no sense for it, is
/// empty: null in JSON.
struct Limit {
  std::string key{};                     ///< as it is written: `limits.connections`, `worker_limits.memory`
  std::optional<std::uint64_t> limit{};  ///< none: there is none
  std::string unit{};                    ///< `count`, `bytes`, `seconds`, `percent`
  std::optional<std::uint64_t> use{};    ///< now
  std::optional<std::uint64_t> peak{};   ///< most since the instance, or the worker, was started
  std::optional<std::uint64_t> hits{};   ///< how often it was reached since then
  std::string counter{};                 ///< of `limit_hits`: whose `hits` these are; several limits may share it
  /// Of the worker's limits: `cgroup v2`, `rlimit`, or `none: WHY`.
  std::string in_force{};

  bool operator==(const Limit&) const = default;
};

boost::json::array to_json(const std::vector<Limit>& limits);
/// Unknown members are ignored. Error: not an array of such objects.
Result<std::vector<Limit>> limits_from_json(std::string_view text);
/// What of an array can be understood.
std::vector<Limit> limits_from(const boost::json::value& array);

}  // namespace shoal::api
