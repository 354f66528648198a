#include <gtest/gtest.h>

#include "session/session.hpp"

namespace shoal::session {
namespace {

using mqtt::PacketType;
using mqtt::ReasonCode;

struct OutboundTiming : testing::Test {
  base::ChunkPool chunks;
  MessagePool pool;
  QueueBudget budget;
  Publication publication{pool};
  Publication scratch{pool};
  Link link{chunks};
  Session session{"c", budget};
  Time now{base::seconds(100)};

  void attach() { session.attach(link, 100); }
  void deliver(std::string_view payload, std::uint8_t qos, Time expires = base::kNever) {
    publication.start("t", base::as_bytes(payload), {}, qos, expires, now);
    session.deliver(publication, {qos, false, {}});
    publication.finish();
  }
  void ack(PacketType type, std::uint16_t id, ReasonCode code = ReasonCode::success) {
    EXPECT_TRUE(session.acknowledge({type, id, code, {}}, now));
  }
  void pump() { session.pump(scratch, now); }
};

TEST_F(OutboundTiming, OneMessageAtATimeIsTimedUntilItsFlowEnds) {
  attach();
  deliver("a", 1);
  deliver("b", 2);
  now += base::milliseconds(3);
  ack(PacketType::puback, 1);
  EXPECT_EQ(budget.ack_latency.count(), 1u);
  EXPECT_EQ(budget.ack_latency.sum_ns, 3'000'000u);
  ack(PacketType::pubrec, 2);
  ack(PacketType::pubcomp, 2);
  EXPECT_EQ(budget.ack_latency.count(), 1u) << "b was written while a was timed";
  deliver("c", 2);
  now += base::milliseconds(1);
  ack(PacketType::pubrec, 3);
  now += base::milliseconds(1);
  ack(PacketType::pubcomp, 3);
  EXPECT_EQ(budget.ack_latency.count(), 2u);
  EXPECT_EQ(budget.ack_latency.sum_ns, 5'000'000u);
}

TEST_F(OutboundTiming, WhatEndsWithoutAnAcknowledgementIsNotTimed) {
  attach();
  deliver("a", 2);
  ack(PacketType::pubrec, 1, ReasonCode::unspecified_error);
  deliver("b", 1);
  session.detach();
  session.attach(link, 100);
  pump();
  ack(PacketType::puback, 2);
  EXPECT_EQ(budget.ack_latency.count(), 0u) << "how long it took lies in two connections";
  deliver("c", 1);
  ack(PacketType::puback, 3);
  EXPECT_EQ(budget.ack_latency.count(), 1u);
}

TEST_F(OutboundTiming, TheWaitInAQueueIsTimedForWhoIsThere) {
  budget.inflight_max = 1;
  deliver("while away", 1);
  deliver("while away", 1);
  attach();
  pump();
  ack(PacketType::puback, 1);
  pump();
  now += base::milliseconds(5);
  ack(PacketType::puback, 2);
  EXPECT_EQ(budget.queued_latency.count(), 0u);
  EXPECT_EQ(budget.ack_latency.count(), 2u);
  deliver("a", 1);
  for (int i = 0; i < 3; ++i) deliver("wait", 1);
  for (std::uint16_t id = 3; id < 7; ++id) {
    now += base::milliseconds(2);
    ack(PacketType::puback, id);
    pump();
    if (id == 3) deliver("timed", 1);
  }
  EXPECT_EQ(budget.delivered_late, 6u);
  EXPECT_EQ(budget.queued_latency.count(), 4u) << "the one that was timed stands for those before it";
  EXPECT_EQ(budget.queued_latency.sum_ns, 4 * 6'000'000u);
  now += base::milliseconds(1);
  ack(PacketType::puback, 7);
  EXPECT_EQ(budget.ack_latency.count(), 4u);
  EXPECT_EQ(budget.ack_latency.sum_ns, 5'000'000u + 2'000'000u + 1'000'000u);
  EXPECT_EQ(budget.delivered, 7u);
}

TEST_F(OutboundTiming, WhatLeavesAQueueUnsentIsNotTimed) {
  budget.inflight_max = 1;
  budget.messages_max = 1;
  budget.when_full = QueueFull::drop_old;
  attach();
  deliver("a", 1);
  ack(PacketType::puback, 1);
  deliver("b", 1);
  session.detach();
  session.attach(link, 100);
  pump();
  deliver("dropped", 1);
  now += base::seconds(2);
  deliver("expires", 1, now + base::seconds(1));
  now += base::seconds(2);
  ack(PacketType::puback, 2);
  pump();
  EXPECT_EQ(budget.dropped_full, 1u);
  EXPECT_EQ(budget.expired, 1u);
  EXPECT_EQ(budget.queued_latency.count(), 0u);
}

}  // namespace
}  // namespace shoal::session
