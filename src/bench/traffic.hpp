#pragma once

#include "bench/lane.hpp"
#include "bench/report.hpp"

namespace shoal::bench {

/// Connects everybody, lets them publish in a closed or an open loop, waits until everything has arrived or nothing
/// comes any more, and says what was measured and what was wrong. Blocks; an interrupt ends it early.
Report run_traffic(Stage& stage, const TrafficOptions& options);

}  // namespace shoal::bench
