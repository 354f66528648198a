#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/limits.hpp"
#include "shoal/result.hpp"

namespace shoal::api {

/// An instance as `/v1` shows it: the object of `ps --json`.
struct Instance {
  std::string name;
  std::string state;                   ///< stopped starting ready stopping backoff failed
  std::int64_t pid = 0;                ///< of its worker; 0 (null in JSON): none
  std::string worker;                  ///< "own" or the group
  std::string engine = "shoal";        ///< "shoal" or "external"
  std::string program{};               ///< of an external one; empty (missing in JSON) of others
  std::vector<std::string> listeners;  ///< `mqtt://HOST:PORT` with the real port
  /// Connected now; null when the worker did not answer in time, and of an external one.
  std::optional<std::uint64_t> clients;
  /// `Stats::cpu_us`, of an external one that of its process; null when the worker did not answer in time.
  std::optional<double> cpu_s;
  unsigned restarts = 0;       ///< after deaths, since it was started
  std::uint64_t uptime_s = 0;  ///< since it became ready
  std::string last_exit;       ///< why it last ended, one line; empty: null in JSON
  std::string log;             ///< log file
  std::string state_dir;
  std::string alarm;  ///< as `shoal::Stats::alarm`; only in the object of a single instance
  /// What somebody should know of it, a line each; only in the object of a single instance.
  std::vector<std::string> notes{};
  /// The last lines of its log, when it failed; only in the object of a single instance.
  std::vector<std::string> last_lines{};
  /// CPU time of its worker's process since that started, and its resident memory; as `stats`.
  std::optional<double> worker_cpu_s;
  std::optional<std::uint64_t> worker_memory_bytes;
  /// Of its worker, while that runs; only in the object of a single instance.
  std::vector<Limit> worker_limits{};
  /// All counters of `shoal::Stats` by name; only in the object of a single instance, and in a list that was asked for
  /// with them.
  std::vector<std::pair<std::string, std::uint64_t>> stats;
};

boost::json::object to_json(const Instance& instance);
/// Unknown members are ignored, missing ones keep their defaults. Error: not an instance object.
Result<Instance> instance_from_json(std::string_view text);
/// The same for an array of them.
Result<std::vector<Instance>> instances_from_json(std::string_view text);

/// The `message` of an error body, or the body itself when it is something else.
std::string error_message(std::string_view body);

}  // namespace shoal::api
