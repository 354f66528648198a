#include "controller/limit_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace shoal::controller {
namespace {

api::Limit row(const std::vector<api::Limit>& all, std::string_view key) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const api::Limit& limit) { return limit.key == key; });
  EXPECT_NE(found, all.end()) << key;
  return found == all.end() ? api::Limit{} : *found;
}

TEST(LimitTable, HasEveryLimitWithWhatIsKnownOfIt) {
  config::InstanceConfig instance;
  instance.values = {
      {"limits.connections", "20"}, {"limits.queued_bytes", "64 KiB"}, {"worker_limits.memory", "1 GiB"}};
  Stats stats;
  stats.use.connections = {.now = 3, .peak = 20};
  stats.limit_hits[static_cast<std::size_t>(Bound::connections)] = 2;
  stats.limit_hits[static_cast<std::size_t>(Bound::queue)] = 9;
  stats.limit_hits[static_cast<std::size_t>(Bound::descriptors)] = 4;
  const api::Limit memory{
      .key = "worker_limits.memory", .limit = 1ull << 30, .unit = "bytes", .use = 5, .in_force = "rlimit"};
  const auto all = limit_table(instance, &stats, {memory});

  EXPECT_EQ(row(all, "limits.connections"), (api::Limit{.key = "limits.connections",
                                                        .limit = 20,
                                                        .unit = "count",
                                                        .use = 3,
                                                        .peak = 20,
                                                        .hits = 2,
                                                        .counter = "connections"}));
  EXPECT_EQ(
      row(all, "limits.queued_bytes"),
      (api::Limit{.key = "limits.queued_bytes", .limit = 64 << 10, .unit = "bytes", .hits = 9, .counter = "queue"}));
  EXPECT_EQ(row(all, "limits.session_expiry"),
            (api::Limit{.key = "limits.session_expiry", .limit = 7 * 24 * 3600, .unit = "seconds"}));
  EXPECT_EQ(row(all, "worker_limits.memory"), memory);
  EXPECT_EQ(row(all, "worker_limits.cpu_percent").limit, std::nullopt);
  EXPECT_EQ(row(all, "worker_limits.descriptors").hits, 4u);
}

TEST(LimitTable, KnowsNothingOfWhatDoesNotRun) {
  for (const api::Limit& limit : limit_table({}, nullptr, {})) {
    EXPECT_EQ(limit.use, std::nullopt) << limit.key;
    EXPECT_EQ(limit.hits, std::nullopt) << limit.key;
    EXPECT_EQ(limit.limit.has_value(), limit.key.starts_with("limits.")) << limit.key;
  }
}

// What an instance tells has its row.
TEST(LimitTable, EveryUseIsOfALimit) {
  const Stats stats;
  const auto all = limit_table({}, &stats, {});
  LimitUse::for_each(stats.use, [&](std::string_view name, const Use&) {
    EXPECT_EQ(row(all, "limits." + std::string(name)).use, 0u);
  });
}

}  // namespace
}  // namespace shoal::controller
