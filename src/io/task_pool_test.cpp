#include "io/task_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>

namespace shoal::io {
namespace {

TEST(TaskPool, WhatWasSubmittedIsDoneBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    TaskPool pool(2);
    for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(pool.submit([&] { ++done; }));
  }
  EXPECT_EQ(done, 1'000);
}

TEST(TaskPool, ATaskThatBlocksLeavesTheOthersTheirThreads) {
  TaskPool pool(2);
  std::promise<void> released;
  std::promise<void> second;
  auto wait = released.get_future().share();
  ASSERT_TRUE(pool.submit([wait] { wait.wait(); }));
  ASSERT_TRUE(pool.submit([&] { second.set_value(); }));
  second.get_future().wait();  // for good, if the first one kept it
  released.set_value();
}

TEST(TaskPool, NeverMoreThreadsThanItMayHave) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  {
    TaskPool pool(3);
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(pool.submit([&] {
        const std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
      }));
    }
  }
  EXPECT_LE(threads.size(), 3u);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

TEST(TaskPool, AThreadWithoutWorkEndsAndAnotherStarts) {
  TaskPool pool(1, std::chrono::milliseconds(1));
  for (int i = 0; i < 50; ++i) {
    std::promise<void> done;
    ASSERT_TRUE(pool.submit([&] { done.set_value(); }));
    done.get_future().wait();
    if (i % 10 == 0) std::this_thread::yield();
  }
}

}  // namespace
}  // namespace shoal::io
