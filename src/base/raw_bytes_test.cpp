#include "base/raw_bytes.hpp"

#include <gtest/gtest.h>

namespace shoal::base {
namespace {

TEST(RawBytes, WhatIsNotGivenAValueKeepsWhatWasThere) {
  RawBytes bytes(3, std::uint8_t{7});
  bytes.clear();
  bytes.reserve(3);
  std::uint8_t* const memory = bytes.data();
  bytes.resize(3);
  EXPECT_EQ(bytes.data(), memory);
  EXPECT_EQ(bytes, RawBytes({7, 7, 7}));
}

TEST(RawBytes, IsAVectorOtherwise) {
  RawBytes bytes;
  const std::uint8_t some[] = {1, 2, 3};
  bytes.insert(bytes.end(), some, some + 3);
  bytes.resize(5, 9);
  bytes.push_back(4);
  EXPECT_EQ(bytes, RawBytes({1, 2, 3, 9, 9, 4}));
}

}  // namespace
}  // namespace shoal::base
