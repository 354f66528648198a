#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/exposition.hpp"

// All metrics there are. The page and docs/reference/metrics.md are made from these.
namespace shoal::controller {

/// One or several numbers of `shoal::Stats`, of every instance.
struct StatFamily {
  /// A number by its name in `link::named`, and the value of the second label that it gets.
  struct Source {
    std::string stat;
    std::string_view value{};
  };

  metrics::Family family;
  std::string_view label{};  ///< the name of the second label; empty: there is just one source, without it
  std::vector<Source> sources{};
  double unit = 1;  ///< the numbers are multiples of this
};

/// In the order of the page.
std::span<const StatFamily> stat_families();

namespace family {
using metrics::Kind;
inline constexpr metrics::Family kBuildInfo{"shoal_build_info", Kind::gauge,
                                            "Always 1; the label is the controller's version."};
inline constexpr metrics::Family kInstances{"shoal_instances", Kind::gauge,
                                            "Instances by state: every state, also those with none in it."};
inline constexpr metrics::Family kUp{"shoal_instance_up", Kind::gauge,
                                     "1 when the instance is ready and its worker answered in time, else 0."};
inline constexpr metrics::Family kRestarts{
    "shoal_instance_restarts_total", Kind::counter,
    "Times the instance was started again by itself, after a crash or a start that failed."};
inline constexpr metrics::Family kUptime{"shoal_instance_uptime_seconds", Kind::gauge,
                                         "Time since the instance became ready; 0 when it is not."};
inline constexpr metrics::Family kAlarm{
    "shoal_instance_alarm", Kind::gauge,
    "1 when something is wrong with the instance's store; `shoal status` says what."};
inline constexpr metrics::Family kWorkerCpu{
    "shoal_worker_cpu_seconds_total", Kind::counter,
    "CPU time of the worker's processes, user and system. shared=\"true\": `worker` is a group, else an instance."};
inline constexpr metrics::Family kWorkerResident{"shoal_worker_resident_memory_bytes", Kind::gauge,
                                                 "Resident memory of the worker's process."};
inline constexpr metrics::Family kDeliveryLatency{
    "shoal_delivery_latency_seconds", Kind::histogram,
    "From the event loop turn in which a PUBLISH was taken to its copy being written to a connected subscriber: every "
    "copy that was sent at once, by the end of that turn; what waited in a session's queue by a sample (one message of "
    "a session at a time stands for those that left its queue since the one before). Without retained messages for "
    "new subscriptions, what waited for a shared subscription, and what is sent again."};
inline constexpr metrics::Family kAckLatency{
    "shoal_ack_latency_seconds", Kind::histogram,
    "From a QoS 1 or 2 PUBLISH being written to a subscriber to its PUBACK or PUBCOMP, by the times of event loop "
    "turns. A sample: one message of each session at a time."};
}  // namespace family

/// What is on the page besides `stat_families`: of the fleet, then of instances and workers.
std::span<const metrics::Family* const> fleet_families();

/// The text of docs/reference/metrics.md.
std::string metrics_reference();

}  // namespace shoal::controller
