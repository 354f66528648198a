#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/supervisor.hpp"
#include "shoal/broker.hpp"

namespace shoal::controller {

/// What a page of metrics is made of. A value.
struct Observed {
  struct Instance {
    std::string name;
    fleet::State state = fleet::State::stopped;
    bool up = false;
    std::uint64_t restarts = 0;
    std::uint64_t uptime_s = 0;
    Stats stats{};          ///< totals, see `Totals`
    bool external = false;  ///< then nobody knows what it counts: it is not in the families about that
  };
  struct Worker {
    std::string name;  ///< of the group or the instance
    bool shared = false;
    double cpu_seconds = 0;
    std::uint64_t resident_bytes = 0;
  };

  std::string version;
  std::vector<Instance> instances;
  std::vector<Worker> workers;
};

/// The page, in Prometheus' text format. Pure.
std::string metrics_page(const Observed& observed);

}  // namespace shoal::controller
