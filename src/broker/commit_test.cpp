#include <gtest/gtest.h>

#include <optional>

#include "broker/shard_harness.hpp"

// When what the store is told is committed: at the end of the turn if a packet waits for it, a little later if not.

namespace shoal::broker {
namespace {

struct CommitTest : testing::Test {
  store::MemoryStore::Disk disk;
  std::optional<Bed> bed;

  void SetUp() override { bed.emplace(BrokerOptions{}, &disk); }
  std::uint64_t committed() const { return bed->store->committed(); }
  std::unique_ptr<Peer> client(const std::string& id) {
    auto peer = std::make_unique<Peer>(*bed);
    peer->connect({.id = id, .clean = false, .expiry_s = 1000});
    return peer;
  }
};

TEST_F(CommitTest, AcknowledgementsOfSubscribersWaitForTheNextBatch) {
  auto publisher = client("publisher");
  auto subscriber = client("subscriber");
  subscriber->subscribe("t", 1);
  publisher->publish("t", "1", {.qos = 1, .id = 1});
  publisher->skip();
  const std::uint64_t before = committed();
  subscriber->ack(PacketType::puback, 1);
  EXPECT_EQ(committed(), before);
  publisher->publish("t", "2", {.qos = 1, .id = 1});
  EXPECT_EQ(committed(), before + 1) << "one for both";
  EXPECT_EQ(publisher->take().size(), 1u);
}

TEST_F(CommitTest, ButNotForLong) {
  auto publisher = client("publisher");
  auto subscriber = client("subscriber");
  subscriber->subscribe("t", 1);
  publisher->publish("t", "1", {.qos = 1, .id = 1});
  const std::uint64_t before = committed();
  subscriber->ack(PacketType::puback, 1);
  bed->advance(base::milliseconds(9));
  EXPECT_EQ(committed(), before);
  bed->advance(base::milliseconds(1));
  EXPECT_EQ(committed(), before + 1);
  bed->advance(base::seconds(1));
  EXPECT_EQ(committed(), before + 1) << "and nothing more is to be done";
  EXPECT_EQ(bed->timers.next(), base::kNever);
}

TEST_F(CommitTest, WhatAPacketWaitsForIsCommittedInItsTurn) {
  auto subscriber = client("subscriber");
  auto publisher = client("publisher");
  const auto commits = [&](const auto& what) {
    const std::uint64_t before = committed();
    what();
    return committed() - before;
  };
  EXPECT_GE(commits([&] { client("another"); }), 1u);
  EXPECT_EQ(commits([&] { subscriber->subscribe("t", 2); }), 1u);
  // PUBLISH to the subscriber and PUBREC to the publisher.
  EXPECT_EQ(commits([&] { publisher->publish("t", "1", {.qos = 2, .id = 1}); }), 1u);
  EXPECT_EQ(commits([&] { publisher->ack(PacketType::pubrel, 1); }), 1u);
  EXPECT_EQ(commits([&] { subscriber->ack(PacketType::pubrec, 1); }), 1u);
  EXPECT_EQ(commits([&] { subscriber->ack(PacketType::pubcomp, 1); }), 0u);
  EXPECT_EQ(commits([&] { subscriber->unsubscribe("t"); }), 1u);
}

}  // namespace
}  // namespace shoal::broker
