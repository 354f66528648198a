#include "broker/sys_topics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "broker/shard.hpp"

namespace shoal::broker {
namespace {

constexpr std::array<std::pair<const char*, double>, 3> kWindows{{{"1min", 60}, {"5min", 300}, {"15min", 900}}};

}  // namespace

SysTopics::SysTopics(Shard& shard) : shard_(shard), started_(shard.now()), sampled_(shard.now()) {}

SysTopics::~SysTopics() { shard_.context().timers.cancel(*this); }

void SysTopics::wanted() {
  if (shard_.options().sys_interval_s == 0 || !values_.empty()) return;
  refresh();
  shard_.context().timers.arm(*this, shard_.now() + base::seconds(shard_.options().sys_interval_s));
}

void SysTopics::interval_changed() {
  if (values_.empty()) return;
  shard_.context().timers.arm(*this, shard_.now() + base::seconds(shard_.options().sys_interval_s));
}

void SysTopics::on_deadline(base::Time now) {
  if (shard_.options().sys_interval_s != 0 && heard()) {
    refresh();
    shard_.context().timers.arm(*this, now + base::seconds(shard_.options().sys_interval_s));
    return;
  }
  for (const auto& [topic, value] : values_) shard_.router().forget_own(topic);
  values_.clear();
}

bool SysTopics::heard() const {
  return std::any_of(values_.begin(), values_.end(),
                     [&](const auto& value) { return shard_.router().heard(value.first); });
}

void SysTopics::set(std::string_view topic, std::string value) {
  std::string whole = "$SYS/broker/" + std::string(topic);
  const auto [at, is_new] = values_.try_emplace(std::move(whole));
  if (!is_new && at->second == value) return;
  at->second = std::move(value);
  shard_.router().publish_own(at->first, at->second, shard_.now());
}

// An exponential average over whatever time passed since the last look, so that nobody has to look while
// nobody listens.
void SysTopics::load(std::string_view name, std::uint64_t total, double seconds) {
  Load& load = loads_[std::string(name)];
  const double per_minute = seconds > 0 ? static_cast<double>(total - load.last) * 60 / seconds : 0;
  load.last = total;
  for (std::size_t i = 0; i < kWindows.size(); ++i) {
    const double kept = std::exp(-seconds / kWindows[i].second);
    load.average[i] = load.average[i] * kept + per_minute * (1 - kept);
    set(fmt::format("load/{}/{}", name, kWindows[i].first), fmt::format("{:.2f}", load.average[i]));
  }
}

void SysTopics::refresh() {
  const base::Time now = shard_.now();
  const double seconds = std::chrono::duration<double>(now - sampled_).count();
  sampled_ = now;
  const Stats stats = shard_.stats();
  const ShardCounters& counters = shard_.counters();
  const EdgeCounters& edge = shard_.context().edge;
  const session::QueueBudget& budget = shard_.budget();
  const Router& router = shard_.router();
  const std::uint64_t packets_sent = budget.delivered + budget.acks + counters.packets_sent;
  const std::uint64_t dropped =
      stats.messages_dropped_queue + stats.messages_dropped_slow + stats.messages_dropped_size + budget.lost;
  const session::MessagePool& messages = shard_.router().messages();
  const std::uint64_t bytes = messages.bytes_now() + budget.entry_bytes_now + router.subscription_bytes() +
                              (router.retained().bytes() - router.retained().content_bytes());
  bytes_max_ = std::max(bytes_max_, bytes);

  set("version", "shoal " SHOAL_VERSION);
  set("uptime", fmt::format("{} seconds", std::chrono::duration_cast<base::seconds>(now - started_).count()));
  const std::uint64_t absent = stats.sessions_now - std::min(stats.sessions_now, stats.connections_now);
  set("clients/total", stats.sessions_now);
  set("clients/connected", stats.connections_now);
  set("clients/active", stats.connections_now);
  set("clients/disconnected", absent);
  set("clients/inactive", absent);
  set("clients/expired", shard_.sessions().expired());
  set("clients/maximum", counters.connections_max);
  set("messages/received", counters.packets_received);
  set("messages/sent", packets_sent);
  set("messages/stored", messages.count_now());
  set("store/messages/count", messages.count_now());
  set("store/messages/bytes", messages.bytes_now() + messages.absent_bytes_now());
  set("retained messages/count", stats.retained_now);
  set("subscriptions/count", stats.subscriptions_now);
  set("shared_subscriptions/count", shard_.router().shared().size());
  set("publish/messages/received", stats.messages_received);
  set("publish/messages/sent", stats.messages_delivered);
  set("publish/messages/dropped", dropped);
  set("publish/bytes/received", router.counters().received_bytes);
  set("publish/bytes/sent", budget.delivered_bytes);
  set("bytes/received", edge.bytes_received);
  set("bytes/sent", edge.bytes_sent);
  set("heap/current", bytes);
  set("heap/maximum", bytes_max_);
  load("messages/received", counters.packets_received, seconds);
  load("messages/sent", packets_sent, seconds);
  load("publish/received", stats.messages_received, seconds);
  load("publish/sent", stats.messages_delivered, seconds);
  load("publish/dropped", dropped, seconds);
  load("bytes/received", edge.bytes_received, seconds);
  load("bytes/sent", edge.bytes_sent, seconds);
  load("sockets", edge.accepted, seconds);
  load("connections", counters.connected, seconds);
}

}  // namespace shoal::broker
