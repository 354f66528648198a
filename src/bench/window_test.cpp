#include "bench/window.hpp"

#include <gtest/gtest.h>

namespace shoal::bench {
namespace {

void send(Window& window, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) window.send();
}

TEST(Window, IsRefilledWhenHalfOfItIsFree) {
  Window window(100);
  EXPECT_EQ(window.room(), 100u);
  send(window, 100);
  EXPECT_EQ(window.room(), 0u);
  EXPECT_EQ(window.mark(), 50u);
  window.finish_to(49);
  EXPECT_EQ(window.room(), 0u);
  EXPECT_EQ(window.free(), 49u);
  window.finish();
  EXPECT_EQ(window.room(), 50u);
  send(window, 50);
  EXPECT_EQ(window.mark(), 100u);
  window.finish_to(20);  // was told before
  EXPECT_EQ(window.done(), 50u);
}

TEST(Window, OfOneAndOfAnOddSize) {
  Window one(1);
  EXPECT_EQ(one.room(), 1u);
  one.send();
  EXPECT_EQ(one.room(), 0u);
  EXPECT_EQ(one.mark(), 1u);
  one.finish();
  EXPECT_EQ(one.room(), 1u);

  Window three(3);
  send(three, 3);
  three.finish();
  EXPECT_EQ(three.room(), 0u);
  three.finish();
  EXPECT_EQ(three.room(), 2u);
}

TEST(Window, MarkIsWhereRoomBegins) {
  for (std::uint64_t size = 1; size < 20; ++size) {
    Window window(size);
    send(window, size);
    for (std::uint64_t done = 0; done <= size; ++done) {
      window.finish_to(done);
      EXPECT_EQ(window.room() != 0, done >= window.mark()) << size << ' ' << done;
    }
  }
}

TEST(Window, TheServerMayAllowLessAndNeverMore) {
  Window window(100);
  window.limit(500);
  EXPECT_EQ(window.room(), 100u);
  window.limit(20);
  EXPECT_EQ(window.room(), 20u);
  send(window, 30);  // more than it allows, from before
  EXPECT_EQ(window.free(), 0u);
}

}  // namespace
}  // namespace shoal::bench
