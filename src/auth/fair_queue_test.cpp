#include "auth/fair_queue.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace shoal::auth {
namespace {

std::vector<std::string> drain(FairQueue<char, int>& queue) {
  std::vector<std::string> order;
  while (auto next = queue.pop()) order.push_back(next->first + std::to_string(next->second));
  return order;
}

TEST(FairQueue, OwnersTakeTurns) {
  FairQueue<char, int> queue;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(queue.push('a', i, 100));
  ASSERT_TRUE(queue.push('b', 0, 100));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(queue.push('c', i, 100));
  EXPECT_EQ(queue.size(), 7u);
  EXPECT_EQ(drain(queue), (std::vector<std::string>{"a0", "b0", "c0", "a1", "c1", "a2", "a3"}));
  EXPECT_TRUE(queue.empty());
}

TEST(FairQueue, WhoComesBackWaitsForTheOthers) {
  FairQueue<char, int> queue;
  ASSERT_TRUE(queue.push('a', 0, 9));
  ASSERT_TRUE(queue.push('b', 0, 9));
  EXPECT_EQ(queue.pop()->first, 'a');
  ASSERT_TRUE(queue.push('a', 1, 9));
  EXPECT_EQ(drain(queue), (std::vector<std::string>{"b0", "a1"}));
}

TEST(FairQueue, EachOwnerHasItsOwnLimit) {
  FairQueue<char, int> queue;
  EXPECT_TRUE(queue.push('a', 0, 2));
  EXPECT_TRUE(queue.push('a', 1, 2));
  EXPECT_FALSE(queue.push('a', 2, 2));
  EXPECT_TRUE(queue.push('b', 0, 2));
  EXPECT_FALSE(queue.push('c', 0, 0));
  EXPECT_EQ(drain(queue), (std::vector<std::string>{"a0", "b0", "a1"}));
}

TEST(FairQueue, RemoveTakesOneOwnersItemsOnly) {
  FairQueue<char, int> queue;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.push('a', i, 9));
  ASSERT_TRUE(queue.push('b', 0, 9));
  EXPECT_EQ(queue.remove('a'), (std::deque<int>{0, 1, 2}));
  EXPECT_TRUE(queue.remove('a').empty());
  EXPECT_EQ(drain(queue), (std::vector<std::string>{"b0"}));
}

}  // namespace
}  // namespace shoal::auth
