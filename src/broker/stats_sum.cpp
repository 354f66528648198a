#include "broker/stats_sum.hpp"

#include <algorithm>
#include <vector>

namespace shoal::broker {
namespace {

void add(LimitUse& sum, LimitUse part) {
  const std::uint64_t connections_peak = std::max(sum.connections.peak, part.connections.peak);
  std::vector<Use*> uses;
  LimitUse::for_each(sum, [&](std::string_view, Use& use) { uses.push_back(&use); });
  auto use = uses.begin();
  LimitUse::for_each(part, [&](std::string_view, const Use& more) {
    (*use)->now += more.now;
    (*use++)->peak += more.peak;
  });
  sum.connections.peak = connections_peak;
}

}  // namespace

void add(Stats& sum, const Stats& part) {
  constexpr std::uint64_t Stats::* kNumbers[] = {
      &Stats::connections_now,       &Stats::connections_accepted,    &Stats::connections_refused,
      &Stats::connections_dropped,   &Stats::sessions_now,            &Stats::subscriptions_now,
      &Stats::retained_now,          &Stats::retained_bytes_now,      &Stats::queued_messages_now,
      &Stats::queued_bytes_now,      &Stats::messages_received,       &Stats::messages_delivered,
      &Stats::messages_dropped_slow, &Stats::messages_dropped_queue,  &Stats::messages_dropped_size,
      &Stats::messages_expired,      &Stats::publishes_refused,       &Stats::bytes_received,
      &Stats::bytes_sent,            &Stats::auth_failures,           &Stats::store_bytes_now,
      &Stats::store_live_now,        &Stats::store_waiting_now,       &Stats::store_batches,
      &Stats::store_cleared,         &Stats::store_absent_messages_now, &Stats::store_absent_bytes_now,
      &Stats::store_read_back,       &Stats::store_lost,              &Stats::store_errors,
      &Stats::cpu_us};
  for (const auto number : kNumbers) sum.*number += part.*number;
  // The log is the same for all.
  sum.log_lines_lost = std::max(sum.log_lines_lost, part.log_lines_lost);
  if (sum.alarm.empty()) sum.alarm = part.alarm;
  for (std::size_t i = 0; i < kBounds; ++i) sum.limit_hits[i] += part.limit_hits[i];
  sum.delivery_latency.add(part.delivery_latency);
  sum.ack_latency.add(part.ack_latency);
  add(sum.use, part.use);
}

}  // namespace shoal::broker
