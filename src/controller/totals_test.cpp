#include "controller/totals.hpp"

#include <gtest/gtest.h>

namespace shoal::controller {
namespace {

using fleet::State;

Stats sent(std::uint64_t bytes, std::uint64_t clients = 0) {
  Stats stats;
  stats.bytes_sent = bytes;
  stats.connections_now = clients;
  stats.ack_latency.observe(std::chrono::milliseconds(1), bytes);
  return stats;
}

TEST(Totals, GoOnOverTheEndOfAnInstance) {
  Totals totals;
  EXPECT_EQ(totals.of("a").bytes_sent, 0u);
  totals.changed("a", State::starting);
  totals.changed("a", State::ready);
  totals.heard("a", sent(10, 3));
  totals.heard("a", sent(25, 4));
  EXPECT_EQ(totals.of("a").bytes_sent, 25u);
  EXPECT_EQ(totals.of("a").connections_now, 4u);
  totals.changed("a", State::backoff);
  EXPECT_EQ(totals.of("a").bytes_sent, 25u);
  EXPECT_EQ(totals.of("a").connections_now, 0u) << "a gauge is of now";
  totals.changed("a", State::starting);
  totals.changed("a", State::ready);
  EXPECT_EQ(totals.of("a").bytes_sent, 25u);
  totals.heard("a", sent(5, 1));
  EXPECT_EQ(totals.of("a").bytes_sent, 30u);
  EXPECT_EQ(totals.of("a").ack_latency.count(), 30u);
  EXPECT_EQ(totals.of("a").connections_now, 1u);
  EXPECT_EQ(totals.of("b").bytes_sent, 0u);
}

TEST(Totals, TheLastWordOfOneThatStopsCountsOnce) {
  Totals totals;
  totals.changed("a", State::ready);
  totals.heard("a", sent(10));
  totals.changed("a", State::stopping);
  EXPECT_EQ(totals.of("a").bytes_sent, 10u);
  totals.heard("a", sent(12, 2));
  EXPECT_EQ(totals.of("a").bytes_sent, 12u);
  EXPECT_EQ(totals.of("a").connections_now, 0u);
  totals.changed("a", State::starting);  // a restart
  EXPECT_EQ(totals.of("a").bytes_sent, 12u);
  totals.changed("a", State::ready);
  totals.heard("a", sent(1));
  EXPECT_EQ(totals.of("a").bytes_sent, 13u);
}

TEST(Totals, RestartsAreThoseThatNobodyAskedFor) {
  Totals totals;
  for (const State state : {State::starting, State::ready, State::stopping, State::starting, State::ready}) {
    totals.changed("a", state);
  }
  EXPECT_EQ(totals.restarts("a"), 0u);
  for (int i = 0; i < 3; ++i) {
    totals.changed("a", State::backoff);
    totals.changed("a", State::starting);
  }
  EXPECT_EQ(totals.restarts("a"), 3u);
  totals.changed("a", State::failed);
  totals.changed("a", State::starting);
  EXPECT_EQ(totals.restarts("a"), 3u);
}

TEST(CpuTotals, GoOnWithTheNextProcess) {
  CpuTotals totals;
  EXPECT_EQ(totals.add("a", 100, 1.5), 1.5);
  EXPECT_EQ(totals.add("a", 100, 2.0), 2.0);
  EXPECT_EQ(totals.add("b", 200, 7.0), 7.0);
  EXPECT_EQ(totals.add("a", 101, 0.25), 2.25);
  EXPECT_EQ(totals.add("a", 101, 0.5), 2.5);
}

}  // namespace
}  // namespace shoal::controller
