#include "bench/pace.hpp"

#include <gtest/gtest.h>

#include "bench/due_queue.hpp"

namespace shoal::bench {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

TEST(Pace, MessagesAreDueAtFixedTimes) {
  const base::Time begin{base::seconds(100)};
  const Pace pace(begin, 1'000);
  EXPECT_EQ(pace.due(0), begin);
  EXPECT_EQ(pace.due(1), begin + base::milliseconds(1));
  EXPECT_EQ(pace.due(3'600'000), begin + base::seconds(3'600));
  EXPECT_EQ(pace.count(begin - nanoseconds(1)), 0u);
  EXPECT_EQ(pace.count(begin), 1u);
  EXPECT_EQ(pace.count(begin + microseconds(999)), 1u);
  EXPECT_EQ(pace.count(begin + microseconds(1'000)), 2u);
}

TEST(Pace, CountAndDueAgreeAtRatesThatDoNotDivide) {
  for (const double rate : {0.3, 3.0, 7'777.0, 3'333'333.0}) {
    const Pace pace({}, rate);
    for (std::uint64_t n = 0; n < 1'000; ++n) {
      ASSERT_GE(pace.count(pace.due(n)), n + 1) << rate << ' ' << n;
      if (n > 0) {
        ASSERT_LE(pace.count(pace.due(n) - nanoseconds(1)), n) << rate << ' ' << n;
      }
    }
  }
}

TEST(DueQueue, KeepsTheOrderAndUsesItsMemoryAgain) {
  DueQueue queue;
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(queue.empty());
    queue.add(base::Time(base::seconds(1)));
    queue.add(base::Time(base::seconds(2)));
    EXPECT_EQ(queue.size(), 2u);
    EXPECT_EQ(queue.front(), base::Time(base::seconds(1)));
    queue.pop();
    EXPECT_EQ(queue.front(), base::Time(base::seconds(2)));
    queue.pop();
  }
}

}  // namespace
}  // namespace shoal::bench
