#include "config/quantity.hpp"

#include <gtest/gtest.h>

namespace shoal::config {
namespace {

TEST(Quantity, Sizes) {
  EXPECT_EQ(parse_size("512"), 512u);
  EXPECT_EQ(parse_size("512 B"), 512u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("16 MiB"), 16u << 20);
  EXPECT_EQ(parse_size("3 GiB"), 3ull << 30);
  for (const char* wrong : {"", " 1", "-1", "1 ", "1  KiB", "1 MB", "1 kib", "KiB", "1.5 MiB", "18446744073709551616",
                            "18446744073709551615 KiB"})
    EXPECT_FALSE(parse_size(wrong)) << wrong;
}

TEST(Quantity, Durations) {
  EXPECT_EQ(parse_duration("30"), 30u);
  EXPECT_EQ(parse_duration("30s"), 30u);
  EXPECT_EQ(parse_duration("5 m"), 300u);
  EXPECT_EQ(parse_duration("12h"), 43200u);
  EXPECT_EQ(parse_duration("7d"), 604800u);
  for (const char* wrong : {"", "1w", "1 day", "5ms", "s"}) EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Quantity, WrittenInTheLargestUnitThatFits) {
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(1500), "1500 B");
  EXPECT_EQ(format_size(16u << 20), "16 MiB");
  EXPECT_EQ(format_duration(0), "0");
  EXPECT_EQ(format_duration(90), "90s");
  EXPECT_EQ(format_duration(604800), "7d");
}

}  // namespace
}  // namespace shoal::config
