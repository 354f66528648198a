#include "bench/rate.hpp"

#include <gtest/gtest.h>

namespace shoal::bench {
namespace {

TEST(Rate, IsWhatCameSinceTheLastLook) {
  Rate rate;
  EXPECT_DOUBLE_EQ(rate.look(100, 2), 50);
  EXPECT_DOUBLE_EQ(rate.look(100, 1), 0);
  EXPECT_DOUBLE_EQ(rate.look(400, 0.5), 600);
}

}  // namespace
}  // namespace shoal::bench
