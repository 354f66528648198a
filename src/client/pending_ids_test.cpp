#include "client/pending_ids.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace shoal::client {
namespace {

using Answer = PendingIds::Answer;

TEST(PendingIds, AreCountedUpAndNeverZero) {
  PendingIds ids;
  EXPECT_EQ(ids.answer(1), Answer::none);
  for (int round = 0; round < 70'000; ++round) {
    const std::uint16_t id = ids.take(Answer::puback);
    ASSERT_NE(id, 0);
    ASSERT_EQ(ids.answer(id), Answer::puback);
    ids.release(id);
    ASSERT_EQ(ids.answer(id), Answer::none);
  }
  EXPECT_EQ(ids.size(), 0u);
}

TEST(PendingIds, WhatIsInUseIsNotGivenAgain) {
  std::mt19937 random(1);
  PendingIds ids;
  std::map<std::uint16_t, Answer> expected;
  for (int round = 0; round < 100'000; ++round) {
    if (expected.size() < 2'000 && random() % 2 == 0) {
      const Answer answer = random() % 2 == 0 ? Answer::puback : Answer::suback;
      const std::uint16_t id = ids.take(answer);
      ASSERT_TRUE(expected.emplace(id, answer).second);
    } else if (!expected.empty()) {
      auto any = expected.lower_bound(static_cast<std::uint16_t>(random()));
      if (any == expected.end()) any = expected.begin();
      ASSERT_EQ(ids.answer(any->first), any->second);
      if (any->second == Answer::puback) {
        ids.change(any->first, Answer::pubcomp);
        any->second = Answer::pubcomp;
      } else {
        ids.release(any->first);
        expected.erase(any);
      }
    }
    ASSERT_EQ(ids.size(), expected.size());
  }
}

}  // namespace
}  // namespace shoal::client
