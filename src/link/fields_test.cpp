#include "link/fields.hpp"

#include <gtest/gtest.h>

namespace shoal::link {
namespace {

// Numbers every field by its place. A new member makes the binding fail to compile: add its line here
// and in fields.cpp.
Limits numbered_limits() {
  Limits limits;
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af] = limits;
  std::uint16_t next = 1;
  const auto number = [&](auto&... field) { ((field = next++), ...); };
  number(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af);
  return limits;
}

Stats numbered_stats() {
  Stats stats;
  auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af, alarm,
         bounds, delivery, acks, use] = stats;
  std::uint64_t next = UINT64_MAX;
  const auto number = [&](auto&... field) { ((field = next--), ...); };
  number(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af);
  alarm = "no space left";
  for (std::uint64_t& hits : bounds) hits = next--;
  for (std::uint64_t& count : delivery.counts) count = next--;
  delivery.sum_ns = next--;
  for (std::uint64_t& count : acks.counts) count = next--;
  acks.sum_ns = next--;
  std::uint64_t used = 1;
  LimitUse::for_each(use, [&](std::string_view, Use& one) { one = {.now = used, .peak = 100 * used++}; });
  return stats;
}

TEST(Fields, OptionsRoundTrip) {
  BrokerOptions options;
  options.name = "plant-a";
  options.listeners = {{.url = "mqtt://127.0.0.1:11883"}, {.url = "mqtt://[::1]:11883"}};
  options.auth = {.anonymous = true, .users_file = "/tmp/a file\nwith a line end"};
  options.limits = numbered_limits();
  options.queue_full = QueueFull::disconnect;
  options.persistence = Persistence::power_safe;
  options.store_dir = "/var/lib/shoal/plant-a/store";
  options.log.level = LogLevel::off;
  options.log.format = LogFormat::json;
  options.log.file = "/var/log/shoal/plant-a.log";
  options.log.file_bytes_max = 123'456;
  options.log.old_files_max = 9;
  options.log.fd = 1;
  options.sys_interval_s = 77;
  options.response_information = "answers/";

  const auto wire = Message::decode(to_start(options).encode());
  ASSERT_TRUE(wire.ok());
  const auto back = options_from(*wire);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->name, options.name);
  ASSERT_EQ(back->listeners.size(), 2u);
  EXPECT_EQ(back->listeners[1].url, options.listeners[1].url);
  EXPECT_EQ(back->listeners[1].fd, -1);
  EXPECT_TRUE(back->auth.anonymous);
  EXPECT_EQ(back->auth.users_file, options.auth.users_file);
  EXPECT_EQ(back->queue_full, QueueFull::disconnect);
  EXPECT_EQ(back->persistence, Persistence::power_safe);
  EXPECT_EQ(back->store_dir, options.store_dir);
  EXPECT_EQ(back->log.level, LogLevel::off);
  EXPECT_EQ(back->log.format, LogFormat::json);
  EXPECT_EQ(back->log.file, options.log.file);
  EXPECT_EQ(back->log.file_bytes_max, 123'456u);
  EXPECT_EQ(back->log.old_files_max, 9u);
  EXPECT_EQ(back->log.fd, 1);
  EXPECT_EQ(back->sys_interval_s, 77u);
  EXPECT_EQ(back->response_information, "answers/");
  // The encoding of what came back is the encoding of what went: every limit is in the table.
  EXPECT_EQ(to_start(*back).encode(), to_start(options).encode());
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af] =
      back->limits;
  std::uint64_t next = 1;
  const std::uint64_t all[] = {a, b, c, d, e, f, g, h, i, j, k,  l,  m,  n,  o,  p,
                               q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af};
  for (const std::uint64_t limit : all) {
    EXPECT_EQ(limit, next++);
  }
}

TEST(Fields, OtherDescriptorsStayInTheirProcess) {
  BrokerOptions options;
  options.log.fd = 7;
  EXPECT_EQ(options_from(to_start(options))->log.fd, -1);
}

TEST(Fields, SetNamesALevel) {
  const Message set = to_set_log_level("lab", LogLevel::debug);
  EXPECT_EQ(set.type(), type::kSet);
  EXPECT_EQ(set.text("name"), "lab");
  EXPECT_EQ(log_level_in(set), LogLevel::debug);
  EXPECT_EQ(log_level_in(Message(type::kSet).add("log.level", std::string_view("loud"))), std::nullopt);
}

TEST(Fields, UnknownOptionsAreIgnoredAndMissingOnesKeepTheirDefaults) {
  Message start(type::kStart);
  start.add("name", std::string_view("a")).add("limits.of_tomorrow", 7u);
  const auto options = options_from(start);
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->limits.connections, Limits{}.connections);
}

TEST(Fields, ValuesThatDoNotFitAreNamed) {
  for (const auto& [key, value] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{{"limits.receive_maximum", "65536"},
                                                                            {"limits.connections", "many"},
                                                                            {"auth.anonymous", "maybe"},
                                                                            {"log.level", "loud"}}) {
    const auto options = options_from(Message(type::kStart).add(key, value));
    ASSERT_FALSE(options.ok()) << key;
    EXPECT_NE(options.error().message.find(key), std::string::npos) << options.error().message;
  }
}

TEST(Fields, StatsRoundTrip) {
  const Stats stats = numbered_stats();
  const auto wire = Message::decode(to_message("lab", stats).encode());
  ASSERT_TRUE(wire.ok());
  EXPECT_EQ(wire->text("name"), "lab");
  const auto before = named(stats);
  EXPECT_EQ(named(stats_from(*wire)), before);
  EXPECT_EQ(stats_from(*wire).alarm, stats.alarm);
  EXPECT_EQ(before.size(),
            (sizeof(Stats) - sizeof stats.alarm - 2 * sizeof(Histogram) - sizeof(LimitUse)) / sizeof(std::uint64_t));
  EXPECT_EQ(stats_from(*wire).use, stats.use);
  EXPECT_EQ(stats_from(*wire).delivery_latency, stats.delivery_latency);
  EXPECT_EQ(stats_from(*wire).ack_latency, stats.ack_latency);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].second, UINT64_MAX - i);
}

TEST(Fields, HistogramsOfAnotherShapeAreLeftOut) {
  for (const char* text : {"", "x", "1 2", "1  2 3", "-1"}) {
    const Message stats = Message(type::kStats).add("ack_latency", std::string_view(text));
    EXPECT_EQ(stats_from(stats).ack_latency, Histogram{}) << text;
  }
}

TEST(Fields, TotalsAddUpAndGaugesDoNot) {
  Stats all;
  all.connections_now = 7;
  all.bytes_sent = 10;
  all.limit_hits[2] = 1;
  all.ack_latency.observe(std::chrono::milliseconds(1));
  all.alarm = "so";
  Stats more;
  more.connections_now = 3;
  more.bytes_sent = 5;
  more.limit_hits[2] = 4;
  more.ack_latency.observe(std::chrono::milliseconds(2), 2);
  more.delivery_latency.observe(std::chrono::seconds(60));
  more.alarm = "not so";
  add_totals(all, more);
  EXPECT_EQ(all.connections_now, 7u);
  EXPECT_EQ(all.bytes_sent, 15u);
  EXPECT_EQ(all.limit_hits[2], 5u);
  EXPECT_EQ(all.ack_latency.count(), 3u);
  EXPECT_EQ(all.ack_latency.sum_ns, 5'000'000u);
  EXPECT_EQ(all.delivery_latency.counts.back(), 1u);
  EXPECT_EQ(all.alarm, "so");
}

}  // namespace
}  // namespace shoal::link
