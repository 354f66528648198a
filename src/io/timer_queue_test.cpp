#include "io/timer_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>

namespace shoal::io {
namespace {

using base::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

base::Time at(int ms) { return base::Time(milliseconds(ms)); }

struct Alarm final : Timer {
  explicit Alarm(std::function<void(base::Time)> c) : callback(std::move(c)) {}
  void on_deadline(base::Time now) override { callback(now); }
  std::function<void(base::Time)> callback;
};

struct TimerQueueTest : testing::Test {
  std::unique_ptr<Alarm> make(int name) {
    return std::make_unique<Alarm>([this, name](base::Time) { called.push_back(name); });
  }
  TimerQueue queue;
  std::vector<int> called;
};

TEST_F(TimerQueueTest, CallsInTheOrderOfDeadlines) {
  auto a = make(1), b = make(2), c = make(3);
  queue.arm(*a, at(30));
  queue.arm(*b, at(10));
  queue.arm(*c, at(20));
  EXPECT_EQ(queue.next(), at(10));
  queue.run(at(9));
  EXPECT_THAT(called, IsEmpty());
  queue.run(at(20));
  EXPECT_THAT(called, ElementsAre(2, 3));
  EXPECT_EQ(queue.next(), at(30));
  EXPECT_TRUE(a->armed());
  EXPECT_FALSE(b->armed());
  queue.run(at(1000));
  EXPECT_THAT(called, ElementsAre(2, 3, 1));
  EXPECT_EQ(queue.next(), base::kNever);
}

TEST_F(TimerQueueTest, ArmMovesWhatIsArmed) {
  auto a = make(1);
  queue.arm(*a, at(10));
  queue.arm(*a, at(30));
  queue.run(at(20));
  EXPECT_THAT(called, IsEmpty());
  queue.arm(*a, at(5));
  queue.run(at(20));
  queue.run(at(40));
  EXPECT_THAT(called, ElementsAre(1));
}

TEST_F(TimerQueueTest, DestructionCancels) {
  auto a = make(1);
  queue.arm(*a, at(10));
  a.reset();
  EXPECT_EQ(queue.next(), base::kNever);
  queue.run(at(20));
  EXPECT_THAT(called, IsEmpty());
}

TEST_F(TimerQueueTest, OutlivedByItsTimers) {
  auto a = make(1), b = make(2);
  {
    TimerQueue other;
    other.arm(*a, at(10));
    other.arm(*b, at(20));
    other.run(at(10));
  }
  EXPECT_FALSE(b->armed());
  EXPECT_THAT(called, ElementsAre(1));
}

TEST_F(TimerQueueTest, ACallbackMayCancelWhatIsDueToo) {
  auto b = make(2);
  Alarm a([&](base::Time) { queue.cancel(*b); });
  queue.arm(a, at(10));
  queue.arm(*b, at(20));
  queue.run(at(20));
  EXPECT_THAT(called, IsEmpty());
  EXPECT_FALSE(b->armed());
}

TEST_F(TimerQueueTest, ACallbackMayDestroyWhatIsDueTooAndItself) {
  auto b = make(2);
  std::unique_ptr<Alarm> a;
  a = std::make_unique<Alarm>([&](base::Time) {
    b.reset();
    called.push_back(1);
    a.reset();
  });
  queue.arm(*a, at(10));
  queue.arm(*b, at(20));
  queue.run(at(20));
  EXPECT_THAT(called, ElementsAre(1));
}

TEST_F(TimerQueueTest, ACallbackMayPutOffWhatIsDueToo) {
  auto b = make(2);
  Alarm a([&](base::Time now) { queue.arm(*b, now + milliseconds(5)); });
  queue.arm(a, at(10));
  queue.arm(*b, at(20));
  queue.run(at(20));
  EXPECT_THAT(called, IsEmpty());
  EXPECT_EQ(queue.next(), at(25));
  queue.run(at(25));
  EXPECT_THAT(called, ElementsAre(2));
}

TEST_F(TimerQueueTest, WhatIsArmedForNowWaitsForTheNextRun) {
  int times = 0;
  std::unique_ptr<Alarm> a;
  a = std::make_unique<Alarm>([&](base::Time now) {
    ++times;
    queue.arm(*a, now);
  });
  queue.arm(*a, at(10));
  queue.run(at(10));
  EXPECT_EQ(times, 1);
  queue.run(at(10));
  EXPECT_EQ(times, 2);
}

// The queue against its definition: a table of deadlines. Callbacks arm, cancel and destroy at random.
TEST(TimerQueueModel, BehavesLikeATable) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
    TimerQueue queue;
    std::vector<std::unique_ptr<Alarm>> timers(40);
    std::map<int, base::Time> armed;  // what is armed by the definition
    std::map<int, base::Time> due;    // what the run in progress still has to call
    base::Time now = at(0);
    base::Time last_deadline = at(0);
    int calling = -1;

    std::function<void()> change;
    const auto make = [&](int i) {
      return std::make_unique<Alarm>([&, i](base::Time when) {
        EXPECT_EQ(when, now);
        ASSERT_TRUE(due.contains(i)) << "called without being due";
        EXPECT_GE(due[i], last_deadline);
        last_deadline = due[i];
        due.erase(i);
        calling = i;
        for (int n = below(3); n > 0; --n) change();
        calling = -1;
      });
    };
    for (int i = 0; i < 40; ++i) timers[static_cast<std::size_t>(i)] = make(i);
    change = [&] {
      const int i = below(40);
      std::unique_ptr<Alarm>& timer = timers[static_cast<std::size_t>(i)];
      switch (below(8)) {
        case 0:
        case 1:
          queue.cancel(*timer);
          armed.erase(i);
          break;
        case 2:
          if (i == calling) return;
          timer = make(i);
          armed.erase(i);
          break;
        default: armed[i] = now + milliseconds(below(50) - 5); queue.arm(*timer, armed[i]);
      }
      due.erase(i);
    };

    for (int step = 0; step < 400; ++step) {
      for (int n = below(4); n > 0; --n) change();
      base::Time earliest = base::kNever;
      for (const auto& [i, deadline] : armed) earliest = std::min(earliest, deadline);
      ASSERT_EQ(queue.next(), earliest);
      for (int i = 0; i < 40; ++i) {
        ASSERT_EQ(timers[static_cast<std::size_t>(i)]->armed(), armed.contains(i));
        if (armed.contains(i)) {
          ASSERT_EQ(timers[static_cast<std::size_t>(i)]->deadline(), armed[i]);
        }
      }
      now += milliseconds(below(10));
      std::erase_if(armed, [&](const auto& entry) {
        if (entry.second > now) return false;
        due.insert(entry);
        return true;
      });
      last_deadline = base::Time::min();
      queue.run(now);
      ASSERT_THAT(due, IsEmpty()) << "due and not called";
    }
  }
}

}  // namespace
}  // namespace shoal::io
