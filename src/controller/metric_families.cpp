#include "controller/metric_families.hpp"

#include "shoal/broker.hpp"

namespace shoal::controller {
namespace {

using metrics::Kind;

StatFamily counter(std::string_view name, std::string stat, std::string_view help) {
  return {.family = {name, Kind::counter, help}, .sources = {{std::move(stat)}}};
}

StatFamily gauge(std::string_view name, std::string stat, std::string_view help) {
  return {.family = {name, Kind::gauge, help}, .sources = {{std::move(stat)}}};
}

std::vector<StatFamily> make() {
  std::vector<StatFamily> all{
      gauge("shoal_connections", "connections_now", "Connected clients."),
      counter("shoal_connections_accepted_total", "connections_accepted", "Connections accepted."),
      counter("shoal_connections_refused_total", "connections_refused",
              "Connections whose CONNECT was answered with an error, or that were closed before one."),
      counter("shoal_connections_dropped_total", "connections_dropped",
              "Clients whose connection was ended for a protocol error, a timeout or a limit."),
      counter("shoal_auth_failures_total", "auth_failures", "CONNECTs with a wrong user name or password."),
      gauge("shoal_sessions", "sessions_now", "Sessions, with and without a connection."),
      gauge("shoal_subscriptions", "subscriptions_now", "Subscriptions of all sessions, shared ones included."),
      gauge("shoal_retained_messages", "retained_now", "Retained messages."),
      gauge("shoal_retained_bytes", "retained_bytes_now", "Memory of the retained messages and their index."),
      gauge("shoal_queued_messages", "queued_messages_now", "Messages that wait in the queues of sessions."),
      gauge("shoal_queued_bytes", "queued_bytes_now", "Their topics, payloads and properties, for each queue."),
      counter("shoal_messages_received_total", "messages_received", "PUBLISH packets accepted."),
      counter("shoal_messages_delivered_total", "messages_delivered", "PUBLISH packets written to subscribers."),
      {.family = {"shoal_messages_dropped_total", Kind::counter,
                  "Messages that a subscriber did not get: slow: QoS 0 and it reads too slowly; queue: QoS 1 or 2 and "
                  "its queue was full; size: larger than it takes; expired: too old before it was its turn."},
       .label = "reason",
       .sources = {{"messages_dropped_slow", "slow"},
                   {"messages_dropped_queue", "queue"},
                   {"messages_dropped_size", "size"},
                   {"messages_expired", "expired"}}},
      counter("shoal_publishes_refused_total", "publishes_refused",
              "PUBLISH packets answered with an error: quota, topic, limit of retained messages."),
      counter("shoal_received_bytes_total", "bytes_received", "Bytes read from clients."),
      counter("shoal_sent_bytes_total", "bytes_sent", "Bytes sent to clients."),
      gauge("shoal_store_bytes", "store_bytes_now", "Size of the store on disk, dead records included."),
      gauge("shoal_store_live_bytes", "store_live_now", "About what of it is needed."),
      gauge("shoal_store_waiting_bytes", "store_waiting_now", "What is to be written to the store."),
      counter("shoal_store_batches_total", "store_batches", "Batches written to the store."),
      counter("shoal_store_segments_cleared_total", "store_cleared",
              "Segments of the store that went because most of what was in them was dead."),
      gauge("shoal_store_absent_messages", "store_absent_messages_now",
            "Queued messages whose payloads are on disk only."),
      gauge("shoal_store_absent_bytes", "store_absent_bytes_now", "Memory that they do not take."),
      counter("shoal_store_messages_read_back_total", "store_read_back", "Payloads brought back from disk."),
      counter("shoal_store_messages_lost_total", "store_lost", "Queued messages that the store could not give back."),
      counter("shoal_store_errors_total", "store_errors", "Attempts to write or read the store that failed."),
      {.family = {"shoal_instance_cpu_seconds_total", Kind::counter,
                  "Time that the instance's event loop worked for it, and CPU time for its clients' passwords. Without "
                  "what is written in the background."},
       .sources = {{"cpu_us"}},
       .unit = 1e-6},
      counter("shoal_log_lines_lost_total", "log_lines_lost", "Lines that could not be written into the log."),
  };
  StatFamily limits{.family = {"shoal_limit_hits_total", Kind::counter,
                               "Times a bound was reached; `limit` says which, see the limits in the configuration."},
                    .label = "limit"};
  for (const std::string_view bound : kBoundNames)
    limits.sources.push_back({"limit_hits." + std::string(bound), bound});
  all.push_back(std::move(limits));
  return all;
}

constexpr const metrics::Family* kFleetFamilies[] = {
    &family::kBuildInfo,       &family::kInstances,  &family::kUp,        &family::kRestarts,
    &family::kUptime,          &family::kAlarm,      &family::kWorkerCpu, &family::kWorkerResident,
    &family::kDeliveryLatency, &family::kAckLatency,
};

constexpr std::string_view kHead = R"(# Metrics

<!-- Generated from src/controller/metric_families. After a change there, write this file again with
     SHOAL_WRITE_REFERENCE=1 build/dev/controller_test --gtest_filter='MetricsReference.*' -->

What `GET /metrics` shows, in the [text format](https://prometheus.io/docs/instrumenting/exposition_formats/) of Prometheus.
[Monitoring](../guide/monitoring.md) says how to scrape it.

A counter goes on when its instance or worker restarts: the controller adds up. It begins at 0 with the controller. What an
instance counted since the last answer before a crash is missing, which is at most what happened between two scrapes; an
instance that is stopped says a last word. Gauges are of now: 0 while the instance is not ready, and of the last answer
when its worker does not answer within 500 ms (then `shoal_instance_up` is 0).

Of an [external broker](../guide/external.md) there are `shoal_instance_up` (1 when it is ready), `_restarts_total` and
`_uptime_seconds`, and CPU and memory of its process as a worker's; of what nobody knows there is no sample.

The buckets of histograms end at )";

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::counter: return "counter";
    case Kind::gauge: return "gauge";
    case Kind::histogram: break;
  }
  return "histogram";
}

std::string row(const metrics::Family& family, std::string_view labels) {
  return "| `" + std::string(family.name) + "` | " + std::string(to_string(family.kind)) + " | " + std::string(labels) +
         " | " + std::string(family.help) + " |\n";
}

std::string_view labels_of(const metrics::Family& family) {
  if (&family == &family::kBuildInfo) return "`version`";
  if (&family == &family::kInstances) return "`state`";
  if (&family == &family::kWorkerCpu || &family == &family::kWorkerResident) return "`worker` `shared`";
  return "`instance`";
}

// 50 µs, 2.5 ms, 10 s
std::string duration_text(std::uint32_t us) {
  const auto in = [us](std::uint32_t unit, const char* name) {
    std::string text = std::to_string(us / unit);
    if (us % unit != 0) text += '.' + std::to_string(us % unit * 10 / unit);
    return text + ' ' + name;
  };
  if (us < 1'000) return in(1, "µs");
  return us < 1'000'000 ? in(1'000, "ms") : in(1'000'000, "s");
}

}  // namespace

std::span<const StatFamily> stat_families() {
  static const std::vector<StatFamily> all = make();
  return all;
}

std::span<const metrics::Family* const> fleet_families() { return kFleetFamilies; }

std::string metrics_reference() {
  constexpr std::string_view kColumns = "| metric | type | labels | |\n|---|---|---|---|\n";
  std::string text(kHead);
  std::string list;
  for (const std::uint32_t bound : Histogram::kBounds_us) list += (list.empty() ? "" : ", ") + duration_text(bound);
  text += list + ".\n\n## The fleet, its instances and workers\n\n" + std::string(kColumns);
  for (const metrics::Family* family : fleet_families()) text += row(*family, labels_of(*family));
  text += "\n## What every instance counts\n\n" + std::string(kColumns);
  for (const StatFamily& one : stat_families()) {
    std::string labels = "`instance`";
    if (!one.label.empty()) labels += " `" + std::string(one.label) + '`';
    text += row(one.family, labels);
  }
  return text;
}

}  // namespace shoal::controller
