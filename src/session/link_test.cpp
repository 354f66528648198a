#include "session/link.hpp"

#include <gtest/gtest.h>

#include <string>

namespace shoal::session {
namespace {

struct LinkTest : testing::Test {
  void put(base::ByteQueue& queue, std::string_view text) { queue.append(base::as_bytes(text)); }
  std::string sent() {
    std::string all;
    for (base::Bytes piece; link.out.peek(&piece, 1) != 0; link.out.consume(piece.size())) {
      all += base::as_text(piece);
    }
    return all;
  }

  base::ChunkPool pool;
  Link link{pool};
};

TEST_F(LinkTest, WhatWaitsForTheStoreIsOvertakenByWhatDoesNot) {
  put(link.queue(5), "a");
  put(link.queue_free(), "b");
  EXPECT_EQ(sent(), "b");
  link.release(4);
  EXPECT_EQ(sent(), "");
  link.release(5);
  EXPECT_EQ(sent(), "a");
}

TEST_F(LinkTest, NothingOvertakesTheBarrier) {
  link.raise_barrier(5);
  put(link.queue(5), "CONNACK ");
  put(link.queue_free(), "b");
  link.release(4);
  EXPECT_EQ(sent(), "");
  link.release(5);
  put(link.queue_free(), "c");
  EXPECT_EQ(sent(), "CONNACK bc");
}

// Messages at QoS 1 and 0 stay in their order (MQTT-4.6.0-6): of two the first may have to wait with what the barrier
// held, and for more than the barrier.
TEST_F(LinkTest, WhatTheBarrierHeldIsNotOvertakenOnceItIsGone) {
  link.raise_barrier(5);
  put(link.queue(5), "CONNACK ");
  put(link.queue(6), "QoS2 ");
  put(link.queue_free(), "1");
  link.release(5);
  EXPECT_EQ(sent(), "CONNACK ");
  put(link.queue_free(), "2");
  EXPECT_EQ(sent(), "");
  link.release(6);
  put(link.queue_free(), "3");
  EXPECT_EQ(sent(), "QoS2 123");
}

}  // namespace
}  // namespace shoal::session
