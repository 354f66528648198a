#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "bench/stage.hpp"
#include "cli/connection_options.hpp"

namespace shoal::cli {

/// What all kinds of `bench` have in common.
struct BenchOptions {
  ConnectionOptions connection{};  ///< as whom; host; its port and instance are not used
  std::vector<std::uint16_t> ports{1883};
  std::vector<std::string> instances{};  ///< of the running fleet, instead of host and ports
  std::vector<pid_t> pids{};             ///< of the broker's processes; of instances they are found
  std::uint32_t concurrency = 64;
  std::uint32_t setup_limit_s = 30;
  bool persistent = false;  ///< the sessions outlive their connections, until the end of the run
  bool json = false;
  bool quiet = false;
};

/// Finds the brokers, makes sure that `connections` for each of them may be open, runs, and prints the report: a table
/// or an object on `out`, faults and warnings on `err`. Signals interrupt the run.
/// Exit: 0, 1 (set-up failed, or a check does not hold), 2; with instances also 3, 4.
void run_bench(Context& context, const BenchOptions& options, std::uint64_t connections,
               const std::function<bench::Report(bench::Stage&)>& run);

/// The object of `--json`: every figure by its key, `faults` and `warnings` as arrays of lines, `ok`.
std::string to_json_object(const bench::Report& report);

}  // namespace shoal::cli
