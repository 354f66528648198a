#include "bench/stamp.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace shoal::bench {
namespace {

TEST(Stamp, IsReadAsItWasWritten) {
  for (const std::size_t size : {24u, 31u, 32u, 1000u}) {
    std::vector<std::uint8_t> payload(size, 'x');
    Stamp{7, 8, 9, base::Time(base::seconds(10))}.write(payload.data(), size);
    const auto stamp = Stamp::read(payload);
    ASSERT_TRUE(stamp) << size;
    EXPECT_EQ(stamp->run, 7u);
    EXPECT_EQ(stamp->publisher, 8u);
    EXPECT_EQ(stamp->sequence, 9u);
    EXPECT_EQ(stamp->sent, base::Time(base::seconds(10)));
  }
}

TEST(Stamp, WhatIsNotOneIsNotRead) {
  std::vector<std::uint8_t> payload(64, 0);
  EXPECT_FALSE(Stamp::read(payload));  // sequence 0
  Stamp{1, 2, 3, {}}.write(payload.data(), payload.size());
  EXPECT_TRUE(Stamp::read(payload));
  EXPECT_FALSE(Stamp::read(base::Bytes(payload).first(23)));
  EXPECT_FALSE(Stamp::read(base::Bytes(payload).first(63)));  // its end is missing
  payload.back() ^= 1;
  EXPECT_FALSE(Stamp::read(payload));
}

}  // namespace
}  // namespace shoal::bench
