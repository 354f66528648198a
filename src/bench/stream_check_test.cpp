#include "bench/stream_check.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <vector>

namespace shoal::bench {
namespace {

using Seen = StreamCheck::Seen;

TEST(StreamCheck, InOrderNothingIsMissing) {
  StreamCheck check;
  EXPECT_EQ(check.missing(0), 0u);
  for (std::uint64_t i = 1; i <= 100; ++i) EXPECT_EQ(check.see(i), Seen::next);
  EXPECT_EQ(check.missing(100), 0u);
  EXPECT_EQ(check.highest(), 100u);
  EXPECT_EQ(check.distinct(), 100u);
}

TEST(StreamCheck, WhatIsLostIsCountedAtTheBeginningInTheMiddleAndAtTheEnd) {
  StreamCheck check;
  for (const std::uint64_t i : {3u, 4u, 7u}) EXPECT_EQ(check.see(i), Seen::next);
  EXPECT_EQ(check.missing(10), 2u + 2u + 3u);
  EXPECT_EQ(check.distinct(), 3u);
}

TEST(StreamCheck, LateOnesAreNotLostAndDuplicatesAreDuplicates) {
  StreamCheck check;
  check.see(1);
  check.see(5);
  EXPECT_EQ(check.see(3), Seen::late);
  EXPECT_EQ(check.see(3), Seen::duplicate);
  EXPECT_EQ(check.see(2), Seen::late);
  EXPECT_EQ(check.see(1), Seen::duplicate);
  EXPECT_EQ(check.see(5), Seen::duplicate);
  EXPECT_EQ(check.missing(5), 1u);
  EXPECT_EQ(check.see(4), Seen::late);
  EXPECT_EQ(check.missing(5), 0u);
  EXPECT_EQ(check.see(6), Seen::next);
}

TEST(StreamCheck, WhoJoinsLaterMissesNothingBefore) {
  StreamCheck check;
  check.begin_at(50);
  EXPECT_EQ(check.see(50), Seen::next);
  EXPECT_EQ(check.see(52), Seen::next);
  EXPECT_EQ(check.missing(52), 1u);
}

TEST(StreamCheck, AgreesWithASetWhateverTheOrder) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    std::vector<std::uint64_t> order(300);
    std::iota(order.begin(), order.end(), 1);
    std::shuffle(order.begin(), order.end(), random);
    order.resize(200);  // a third is lost
    order.insert(order.end(), order.begin(), order.begin() + 30);
    StreamCheck check;
    std::set<std::uint64_t> seen;
    std::uint64_t highest = 0;
    for (const std::uint64_t sequence : order) {
      const Seen expected = !seen.insert(sequence).second ? Seen::duplicate
                            : sequence > highest          ? Seen::next
                                                          : Seen::late;
      highest = std::max(highest, sequence);
      ASSERT_EQ(check.see(sequence), expected) << "seed " << seed << ", " << sequence;
      ASSERT_EQ(check.distinct(), seen.size());
      ASSERT_EQ(check.missing(300), 300 - seen.size());
    }
  }
}

}  // namespace
}  // namespace shoal::bench
