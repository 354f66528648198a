#include "broker/peers.hpp"

#include <gtest/gtest.h>

namespace shoal::broker {
namespace {

struct PeersTest : testing::Test {
  ShardSet set{2, base::TextHash()};
  Peers here{set, 0, [] {}};
  Peers there{set, 1, [] {}};
  session::QueueBudget queues;

  unsigned backlog() const { return here.backlog_percent(1, queues, base::Time{}); }
  void tell(std::size_t messages, std::size_t size) {
    for (std::size_t i = 0; i < messages; ++i) here.message_to(1, Note::message, size);
  }
  void hear(std::size_t messages, std::size_t size, std::uint64_t receivers = 1) {
    for (std::size_t i = 0; i < messages; ++i) there.heard_message(size, receivers);
    there.send();
  }
};

TEST_F(PeersTest, ManyMessagesOnTheWaySlowTheirPublishers) {
  queues.messages_max = 800;
  tell(99, 1);
  EXPECT_EQ(backlog(), 0u);
  tell(1, 1);
  EXPECT_EQ(backlog(), 50u);
  here.send();
  EXPECT_EQ(backlog(), 50u);
  hear(1, 1);
  EXPECT_EQ(backlog(), 0u);
}

// However few they are, and whichever of the two bounds is nearer.
TEST_F(PeersTest, ManyBytesOnTheWayDo) {
  queues.bytes_max = 80'000;
  queues.connected_bytes_max = 1'000'000;
  tell(9, 1'000);
  EXPECT_EQ(backlog(), 0u);
  tell(1, 1'000);
  EXPECT_EQ(backlog(), 50u);
  queues.connected_bytes_max = 40'000;
  EXPECT_EQ(backlog(), 99u);
  here.send();
  hear(10, 1'000);
  EXPECT_EQ(backlog(), 0u);
}

// A message may go into many queues there, and together these have a bound, too.
TEST_F(PeersTest, SoDoFewThatGoToMany) {
  queues.messages_max = 1'000'000;
  queues.bytes_max = queues.connected_bytes_max = 8 * 10 * 50 * session::QueueBudget::kEntryBytes;
  tell(20, 1);
  here.send();
  EXPECT_EQ(backlog(), 0u);
  hear(20, 1, 50);
  tell(9, 1);
  EXPECT_EQ(backlog(), 0u);
  tell(1, 1);
  EXPECT_EQ(backlog(), 50u);
  here.send();
  hear(10, 1, 1);
  tell(10, 1);
  EXPECT_EQ(backlog(), 0u) << "fewer have it now";
}

TEST_F(PeersTest, WhatWasToldOfABacklogHoldsForAWhile) {
  here.set_backlog(1, 70, base::Time{});
  EXPECT_EQ(backlog(), 70u);
  EXPECT_EQ(here.backlog_percent(1, queues, base::Time{} + base::seconds(1)), 0u);
}

}  // namespace
}  // namespace shoal::broker
