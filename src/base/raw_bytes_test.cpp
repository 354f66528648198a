#include "base/raw_bytes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace shoal::base {
namespace {

using testing::ElementsAre;

std::vector<int> all_of(const RawBytes& bytes) { return {bytes.begin(), bytes.end()}; }

TEST(RawBytes, WhatIsNotGivenAValueKeepsWhatWasThere) {
  RawBytes bytes;
  bytes.resize(3);
  std::memset(bytes.data(), 7, 3);
  bytes.clear();
  EXPECT_EQ(bytes.size(), 0u);
  std::uint8_t* const memory = bytes.data();
  bytes.resize(3);
  EXPECT_EQ(bytes.data(), memory);
  EXPECT_THAT(all_of(bytes), ElementsAre(7, 7, 7));
}

TEST(RawBytes, GrowsByDoublingAndKeepsWhatIsInIt) {
  RawBytes bytes;
  unsigned moves = 0;
  for (std::size_t size = 1; size <= 10'000; ++size) {
    const std::size_t before = bytes.capacity();
    bytes.resize(size);
    bytes.data()[size - 1] = static_cast<std::uint8_t>(size);
    moves += bytes.capacity() != before;
  }
  EXPECT_LE(moves, 15u);
  for (std::size_t at = 0; at < bytes.size(); ++at) ASSERT_EQ(bytes.data()[at], static_cast<std::uint8_t>(at + 1));
}

}  // namespace
}  // namespace shoal::base
