#include "auth/password_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace shoal::auth {
namespace {

constexpr Verdict kYes{Decision::accepted, "yes"};
const int kA = 0;
const int kB = 0;
const int kC = 0;

/// A job whose verification waits until the test opens the gate.
struct Gate {
  std::promise<void> entered;
  std::promise<void> open;

  PasswordPool::Job job(std::function<void(Verdict)> done = [](Verdict) {}) {
    return {[this] {
              entered.set_value();
              open.get_future().wait();
              return kYes;
            },
            std::move(done)};
  }
};

TEST(PasswordPool, GivesTheVerdictToTheCompletion) {
  std::promise<Verdict> verdict;
  PasswordPool pool;
  ASSERT_TRUE(pool.submit(&kA, {[] { return kYes; }, [&](Verdict v) { verdict.set_value(v); }}));
  const Verdict got = verdict.get_future().get();
  EXPECT_EQ(got.decision, Decision::accepted);
  EXPECT_EQ(got.reason, "yes");
}

TEST(PasswordPool, AFloodedInstanceDelaysItsNeighboursByOneTurn) {
  std::vector<std::string> order;
  std::latch all(1002);
  Gate gate;
  PasswordPool pool({.threads = 1});
  ASSERT_TRUE(pool.submit(&kC, gate.job()));
  gate.entered.get_future().wait();
  const auto job = [&](std::string name) {
    return PasswordPool::Job{[&order, name = std::move(name)] {
                               order.push_back(name);
                               return kYes;
                             },
                             [&all](Verdict) { all.count_down(); }};
  };
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pool.submit(&kA, job("a")));
  ASSERT_TRUE(pool.submit(&kB, job("b")));
  ASSERT_TRUE(pool.submit(&kC, job("c")));
  gate.open.set_value();
  all.wait();
  EXPECT_EQ((std::vector<std::string>{order.begin(), order.begin() + 4}),
            (std::vector<std::string>{"a", "b", "c", "a"}));
}

TEST(PasswordPool, RefusesBeyondAnInstancesBoundAndCountsIt) {
  Gate gate;
  PasswordPool pool({.threads = 1, .queued_jobs = 2});
  ASSERT_TRUE(pool.submit(&kA, gate.job()));
  gate.entered.get_future().wait();
  const PasswordPool::Job job{[] { return kYes; }, [](Verdict) {}};
  EXPECT_TRUE(pool.submit(&kA, job));
  EXPECT_TRUE(pool.submit(&kA, job));
  EXPECT_FALSE(pool.submit(&kA, job));
  EXPECT_TRUE(pool.submit(&kB, job));
  EXPECT_EQ(pool.stats().jobs_refused, 1u);
  EXPECT_EQ(pool.stats().queued_now, 3u);
  gate.open.set_value();
}

TEST(PasswordPool, NoCompletionComesAfterCancel) {
  std::atomic<int> completions_a = 0;
  std::promise<void> b_done;
  Gate gate;
  PasswordPool pool({.threads = 1});
  ASSERT_TRUE(pool.submit(&kA, gate.job([&](Verdict) { ++completions_a; })));
  gate.entered.get_future().wait();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(pool.submit(&kA, {[] { return kYes; }, [&](Verdict) { ++completions_a; }}));
  }
  ASSERT_TRUE(pool.submit(&kB, {[] { return kYes; }, [&](Verdict) { b_done.set_value(); }}));
  pool.cancel(&kA);  // returns although a verification of this instance is under way
  gate.open.set_value();
  b_done.get_future().wait();
  EXPECT_EQ(completions_a, 0);
}

TEST(PasswordPool, CancelWaitsForACompletionInProgress) {
  std::promise<void> completing;
  std::promise<void> go_on;
  std::atomic<bool> completed = false;
  PasswordPool pool({.threads = 1});
  ASSERT_TRUE(pool.submit(&kA, {[] { return kYes; },
                                [&](Verdict) {
                                  completing.set_value();
                                  go_on.get_future().wait();
                                  completed = true;
                                }}));
  completing.get_future().wait();
  auto cancelled = std::async(std::launch::async, [&] {
    pool.cancel(&kA);
    return completed.load();
  });
  go_on.set_value();
  EXPECT_TRUE(cancelled.get());
}

TEST(PasswordPool, AnInstanceMaySubmitAgainAfterCancel) {
  std::promise<void> done;
  PasswordPool pool;
  pool.cancel(&kA);
  ASSERT_TRUE(pool.submit(&kA, {[] { return kYes; }, [&](Verdict) { done.set_value(); }}));
  done.get_future().wait();
}

TEST(PasswordPool, HasNoThreadBeforeTheFirstJobAndNoneWhenIdle) {
  PasswordPool pool({.idle_limit = std::chrono::milliseconds(0)});
  EXPECT_EQ(pool.stats().threads_now, 0u);
  for (std::uint64_t round = 1; round <= 100; ++round) {
    ASSERT_TRUE(pool.submit(&kA, {[] { return kYes; }, [](Verdict) {}}));
    while (pool.stats().jobs_done != round) std::this_thread::yield();
  }
  while (pool.stats().threads_now != 0) std::this_thread::yield();
}

TEST(PasswordPool, NeverHasMoreThreadsThanAsked) {
  std::latch all(200);
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  PasswordPool pool({.threads = 2});
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(pool.submit(&kA, {[&] {
                                    const int running = ++now;
                                    int seen = most;
                                    while (seen < running && !most.compare_exchange_weak(seen, running)) {
                                    }
                                    --now;
                                    return kYes;
                                  },
                                  [&](Verdict) { all.count_down(); }}));
  }
  all.wait();
  EXPECT_LE(most, 2);
  EXPECT_LE(pool.stats().threads_now, 2u);
}

TEST(PasswordPool, TheDestructorEndsThreadsAndFreesWhatIsQueued) {
  const auto token = std::make_shared<int>(0);
  Gate gate;
  {
    PasswordPool pool({.threads = 1});
    ASSERT_TRUE(pool.submit(&kA, gate.job([token](Verdict) {})));
    gate.entered.get_future().wait();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(pool.submit(&kB, {[token] { return kYes; }, [token](Verdict) {}}));
    gate.open.set_value();
  }
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace shoal::auth
