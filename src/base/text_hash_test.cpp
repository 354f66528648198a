#include "base/text_hash.hpp"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

namespace shoal::base {
namespace {

TEST(TextHash, TellsLengthsPositionsAndSeedsApart) {
  const TextHash hash(1);
  std::unordered_set<std::size_t> seen;
  std::size_t made = 0;
  for (std::size_t length = 0; length < 70; ++length) {
    seen.insert(hash(std::string(length, '\0')));
    ++made;
    for (std::size_t at = 0; at < length; ++at) {
      std::string text(length, 'a');
      text[at] = 'b';
      seen.insert(hash(text));
      ++made;
    }
  }
  EXPECT_EQ(seen.size(), made);
  EXPECT_EQ(hash("topic"), TextHash(1)("topic"));
  EXPECT_NE(hash("topic"), TextHash(2)("topic"));
}

TEST(TextHash, LowBitsOfCountedNamesAreSpread) {
  // What tables use. A fair throw of 4,096 names into 4,096 buckets leaves about 37 % empty.
  const TextHash hash(7);
  std::unordered_set<std::size_t> buckets;
  for (int i = 0; i < 4096; ++i) buckets.insert(hash("device-" + std::to_string(i)) & 4095);
  EXPECT_GT(buckets.size(), 2400u);
}

// Pairs of clients that are called alike are not all in one place, nor all in two.
TEST(TextHash, SingleBitsOfTextsThatDifferInTwoPlacesAreIndependent) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const TextHash hash(seed * 0x9e3779b97f4a7c15u);
    int differ = 0;
    for (int i = 0; i < 64; ++i) {
      const std::string number = std::to_string(i);
      differ += static_cast<int>((hash("pub-0badcafe-" + number) ^ hash("sub-0badcafe-" + number)) >> 32 & 1);
    }
    EXPECT_GT(differ, 10) << seed;
    EXPECT_LT(differ, 54) << seed;
  }
}

}  // namespace
}  // namespace shoal::base
