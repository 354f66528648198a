#include "bench/latencies.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace shoal::bench {
namespace {

using std::chrono::nanoseconds;

TEST(Latencies, OfNoneIsZeroAndOfOneIsThatOne) {
  Latencies latencies;
  EXPECT_EQ(latencies.quantile_us(0.5), 0);
  latencies.record(nanoseconds(1'500));
  for (const double share : {0.0, 0.5, 0.999, 1.0}) EXPECT_EQ(latencies.quantile_us(share), 1.5);
  EXPECT_EQ(latencies.max_us(), 1.5);
}

TEST(Latencies, QuantilesAreAtMostEightInAThousandTooLargeAndNeverTooSmall) {
  std::mt19937_64 random(1);
  Latencies latencies;
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 20'000; ++i) {
    all.push_back(random() >> (24 + random() % 38));
    latencies.record(nanoseconds(static_cast<std::int64_t>(all.back())));
  }
  std::sort(all.begin(), all.end());
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto place = static_cast<std::size_t>(std::ceil(share * static_cast<double>(all.size()))) - 1;
    const double exact = static_cast<double>(all[place]) / 1e3;
    EXPECT_GE(latencies.quantile_us(share), exact) << share;
    EXPECT_LE(latencies.quantile_us(share), exact * 1.008 + 0.001) << share;
  }
  EXPECT_EQ(latencies.count(), all.size());
  EXPECT_EQ(latencies.max_us(), static_cast<double>(all.back()) / 1e3);
}

TEST(Latencies, WhatIsOutOfRangeIsInTheLastOrFirstBucketAndTheMaximumIsExact) {
  Latencies latencies;
  latencies.record(nanoseconds(-5));
  EXPECT_EQ(latencies.quantile_us(1), 0);
  latencies.record(std::chrono::hours(10));
  EXPECT_EQ(latencies.max_us(), 36e9);
  EXPECT_GT(latencies.quantile_us(1), 1e9);
}

}  // namespace
}  // namespace shoal::bench
