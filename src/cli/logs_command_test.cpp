#include <gtest/gtest.h>

#include "cli/commands.hpp"

namespace shoal::cli {
namespace {

TEST(SinceText, CountsBackOrTakesATime) {
  const std::chrono::system_clock::time_point now{std::chrono::seconds(1'738'319'400)};  // 2025-01-31T10:30:00Z
  EXPECT_EQ(since_text("90s", now), "2025-01-31T10:28:30");
  EXPECT_EQ(since_text("10m", now), "2025-01-31T10:20:00");
  EXPECT_EQ(since_text("11h", now), "2025-01-30T23:30:00");
  EXPECT_EQ(since_text("31d", now), "2024-12-31T10:30:00");
  EXPECT_EQ(since_text("2025-01-31", now), "2025-01-31");
  EXPECT_EQ(since_text("2025-01-31T10:30:00.000Z", now), "2025-01-31T10:30:00.000Z");
  for (const char* bad : {"", "5", "m", "10x", "-5m", "5 m", "yesterday", "2025-01-31T10:30:00.000Z0"}) {
    EXPECT_EQ(since_text(bad, now), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace shoal::cli
