#include "shoal/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace shoal {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(Histogram, BoundsGrowAndAreInclusive) {
  EXPECT_TRUE(std::is_sorted(Histogram::kBounds_us.begin(), Histogram::kBounds_us.end()));
  for (std::size_t i = 0; i < Histogram::kBounds_us.size(); ++i) {
    Histogram histogram;
    histogram.observe(microseconds(Histogram::kBounds_us[i]));
    histogram.observe(microseconds(Histogram::kBounds_us[i]) + nanoseconds(1), 3);
    EXPECT_EQ(histogram.counts[i], 1u);
    EXPECT_EQ(histogram.counts[i + 1], 3u);
  }
}

TEST(Histogram, CountsWhatIsOutOfRange) {
  Histogram histogram;
  histogram.observe(seconds(-5));
  histogram.observe(seconds(3600), 2);
  EXPECT_EQ(histogram.counts.front(), 1u);
  EXPECT_EQ(histogram.counts.back(), 2u);
  EXPECT_EQ(histogram.count(), 3u);
  EXPECT_EQ(histogram.sum_ns, 7'200'000'000'000u);
}

TEST(Histogram, AddsUp) {
  Histogram a;
  Histogram b;
  a.observe(microseconds(10));
  b.observe(microseconds(10));
  b.observe(seconds(1), 5);
  a.add(b);
  EXPECT_EQ(a.counts.front(), 2u);
  EXPECT_EQ(a.count(), 7u);
  EXPECT_EQ(a.sum_ns, 5'000'020'000u);
}

}  // namespace
}  // namespace shoal
