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
  if (shard_.number() != 0 || shard_.options().sys_interval_s == 0 || !values_.empty()) return;
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
  const auto total = [&](Figure of) { return shard_.total(of); };
  const std::uint64_t bytes = total(Figure::memory_bytes);
  bytes_max_ = std::max(bytes_max_, bytes);

  set("version", "shoal " SHOAL_VERSION);
  set("uptime", fmt::format("{} seconds", std::chrono::duration_cast<base::seconds>(now - started_).count()));
  const std::uint64_t sessions = total(Figure::sessions);
  const std::uint64_t connections = total(Figure::connections);
  const std::uint64_t absent = sessions - std::min(sessions, connections);
  set("clients/total", sessions);
  set("clients/connected", connections);
  set("clients/active", connections);
  set("clients/disconnected", absent);
  set("clients/inactive", absent);
  set("clients/expired", total(Figure::expired));
  set("clients/maximum", shard_.counters().connections_max);
  set("messages/received", total(Figure::packets_received));
  set("messages/sent", total(Figure::packets_sent));
  set("messages/stored", total(Figure::stored_messages));
  set("store/messages/count", total(Figure::stored_messages));
  set("store/messages/bytes", total(Figure::stored_bytes));
  set("retained messages/count", total(Figure::retained_messages));
  set("subscriptions/count", total(Figure::subscriptions));
  set("shared_subscriptions/count", total(Figure::shared_subscriptions));
  set("publish/messages/received", total(Figure::messages_received));
  set("publish/messages/sent", total(Figure::messages_delivered));
  set("publish/messages/dropped", total(Figure::messages_dropped));
  set("publish/bytes/received", total(Figure::payload_received));
  set("publish/bytes/sent", total(Figure::payload_sent));
  set("bytes/received", total(Figure::bytes_received));
  set("bytes/sent", total(Figure::bytes_sent));
  set("heap/current", bytes);
  set("heap/maximum", bytes_max_);
  load("messages/received", total(Figure::packets_received), seconds);
  load("messages/sent", total(Figure::packets_sent), seconds);
  load("publish/received", total(Figure::messages_received), seconds);
  load("publish/sent", total(Figure::messages_delivered), seconds);
  load("publish/dropped", total(Figure::messages_dropped), seconds);
  load("bytes/received", total(Figure::bytes_received), seconds);
  load("bytes/sent", total(Figure::bytes_sent), seconds);
  load("sockets", shard_.context().edge.accepted, seconds);
  load("connections", total(Figure::connected), seconds);
}

}  // namespace shoal::broker
