#include "bench/report.hpp"

#include <gtest/gtest.h>

namespace shoal::bench {
namespace {

TEST(Report, FaultsAreLinesAndDuplicatesAtQos1AreWarnings) {
  Report report;
  report.add(Faults{.lost = 3, .duplicates = 2}, 1);
  EXPECT_FALSE(report.holds());
  EXPECT_EQ(report.faults(), std::vector<std::string>{"3 messages lost"});
  EXPECT_EQ(report.warnings(), std::vector<std::string>{"2 messages delivered more than once, which QoS 1 allows"});
  ASSERT_NE(report.find("lost"), nullptr);
  EXPECT_EQ(std::get<std::uint64_t>(*report.find("lost")), 3u);

  Report at_two;
  at_two.add(Faults{.duplicates = 1}, 2);
  EXPECT_FALSE(at_two.holds());
  Report none;
  none.add(Faults{}, 0);
  EXPECT_TRUE(none.holds());
  EXPECT_EQ(none.figures().size(), 6u);
}

TEST(Report, LatenciesHaveTheirUnitBehind) {
  Report report;
  Latencies latencies;
  report.add("latency", latencies);
  EXPECT_TRUE(report.figures().empty());
  latencies.record(std::chrono::microseconds(5));
  report.add("latency", latencies);
  for (const char* key : {"latency_p50_us", "latency_p90_us", "latency_p99_us", "latency_p999_us", "latency_max_us"}) {
    ASSERT_NE(report.find(key), nullptr) << key;
    EXPECT_EQ(std::get<double>(*report.find(key)), 5.0);
  }
}

TEST(Report, ValuesForPeopleHaveFewDigits) {
  EXPECT_EQ(to_text(0.12345), "0.123");
  EXPECT_EQ(to_text(12.345), "12.3");
  EXPECT_EQ(to_text(12345.6), "12346");
  EXPECT_EQ(to_text(true), "yes");
  EXPECT_EQ(to_text(std::uint64_t{7}), "7");
}

}  // namespace
}  // namespace shoal::bench
