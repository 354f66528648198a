#include "config/limit_values.hpp"

#include <gtest/gtest.h>

#include <map>

namespace shoal::config {
namespace {

TEST(LimitValues, AreWhatIsWrittenElseTheDefault) {
  InstanceConfig instance;
  instance.values = {{"limits.connections", "20"},
                     {"limits.queued_bytes", "64 KiB"},
                     {"limits.connect_timeout", "2m"},
                     {"worker_limits.descriptors", "300"}};
  std::map<std::string_view, std::optional<std::uint64_t>> all;
  for (const LimitValue& value : limit_values(instance)) all.emplace(value.key->path, value.number);
  EXPECT_EQ(all.at("limits.connections"), 20u);
  EXPECT_EQ(all.at("limits.queued_bytes"), 64u << 10);
  EXPECT_EQ(all.at("limits.connect_timeout"), 120u);
  EXPECT_EQ(all.at("limits.sessions"), Limits{}.sessions);
  EXPECT_EQ(all.at("limits.retained_bytes"), Limits{}.retained_bytes);
  EXPECT_EQ(all.at("worker_limits.descriptors"), 300u);
  EXPECT_EQ(all.at("worker_limits.memory"), std::nullopt);
  EXPECT_EQ(all.count("persistence"), 0u);
}

}  // namespace
}  // namespace shoal::config
