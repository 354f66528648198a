#include "io/reactor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

namespace shoal::io {
namespace {

using testing::ElementsAre;

struct Handler final : EventHandler {
  explicit Handler(std::function<void(std::uint32_t)> c) : callback(std::move(c)) {}
  void on_events(std::uint32_t events) override { callback(events); }
  std::function<void(std::uint32_t)> callback;
};

struct End final : TurnEnd {
  explicit End(std::function<void()> c) : callback(std::move(c)) {}
  void on_turn_end() override { callback(); }
  std::function<void()> callback;
};

struct Deadline final : Timer {
  explicit Deadline(std::function<void(base::Time)> c) : callback(std::move(c)) {}
  void on_deadline(base::Time now) override { callback(now); }
  std::function<void(base::Time)> callback;
};

struct SocketPair {
  SocketPair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    near.reset(fds[0]);
    far.reset(fds[1]);
  }
  void send(std::string_view text) {
    EXPECT_EQ(::write(far.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string read() {
    std::array<char, 100> bytes{};
    const ssize_t got = ::read(near.get(), bytes.data(), bytes.size());
    return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : std::string();
  }
  base::UniqueFd near;
  base::UniqueFd far;
};

struct ReactorTest : testing::Test {
  std::unique_ptr<Reactor> reactor = std::move(*Reactor::open());
  std::vector<std::string> happened;
};

TEST_F(ReactorTest, PostedTasksRunInOrderOnTheLoopsThread) {
  EXPECT_FALSE(reactor->on_loop_thread());
  reactor->post([&] { happened.push_back(reactor->on_loop_thread() ? "on the loop" : "elsewhere"); });
  reactor->post([&] {
    reactor->post([&] {
      happened.push_back("posted inside");
      reactor->stop();
    });
    happened.push_back("second");
  });
  reactor->run();
  EXPECT_THAT(happened, ElementsAre("on the loop", "second", "posted inside"));
}

TEST_F(ReactorTest, TasksOfManyThreadsKeepTheirOrder) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 2000;
  std::array<std::vector<int>, kThreads> seen;
  std::thread loop([&] { reactor->run(); });
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) reactor->post([&, t, i] { seen[t].push_back(i); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  reactor->stop();
  loop.join();  // what was posted before `stop` has run
  for (const auto& order : seen) {
    ASSERT_EQ(order.size(), static_cast<std::size_t>(kTasks));
    for (int i = 0; i < kTasks; ++i) ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

TEST_F(ReactorTest, CallWaitsForItsTask) {
  std::thread loop([&] { reactor->run(); });
  const auto here = std::this_thread::get_id();
  std::thread::id there;
  bool nested = false;
  reactor->call([&] {
    there = std::this_thread::get_id();
    reactor->call([&] { nested = true; });  // at once: waiting would never end
    EXPECT_TRUE(nested);
  });
  EXPECT_NE(there, here);
  EXPECT_EQ(there, loop.get_id());
  reactor->stop();
  loop.join();
}

TEST_F(ReactorTest, CallBeforeRunOnTheThreadThatAdoptedIt) {
  reactor->adopt_thread();
  bool called = false;
  reactor->call([&] { called = true; });
  EXPECT_TRUE(called);
}

TEST_F(ReactorTest, RunsAgainAfterStop) {
  for (int i = 0; i < 2; ++i) {
    reactor->post([&] { reactor->stop(); });
    reactor->post([&] { happened.push_back("in the same turn"); });
    reactor->run();
  }
  EXPECT_EQ(happened.size(), 2u);
}

TEST_F(ReactorTest, TellsWhatIsReadable) {
  SocketPair pair;
  Handler handler([&](std::uint32_t events) {
    EXPECT_NE(events & EPOLLIN, 0u);
    happened.push_back(pair.read());
    if (happened.back() == "one") return pair.send("two");
    reactor->stop();
  });
  ASSERT_TRUE(reactor->add(pair.near.get(), EPOLLIN, handler));
  pair.send("one");
  reactor->run();
  EXPECT_THAT(happened, ElementsAre("one", "two"));
}

TEST_F(ReactorTest, IsLevelTriggered) {
  SocketPair pair;
  int times = 0;
  Handler handler([&](std::uint32_t) {
    if (++times == 3) reactor->stop();
  });
  ASSERT_TRUE(reactor->add(pair.near.get(), EPOLLIN, handler));
  pair.send("left unread");
  reactor->run();
  EXPECT_EQ(times, 3);
}

TEST_F(ReactorTest, ModifyAndRemove) {
  SocketPair pair;
  Handler handler([&](std::uint32_t events) {
    if ((events & EPOLLIN) != 0) {
      happened.push_back("readable");
      reactor->modify(pair.near.get(), EPOLLOUT, handler);
    } else {
      happened.push_back("writable");
      reactor->remove(pair.near.get());
      // Were it still watched, its event would come before this task's turn ended.
      reactor->post([&] { reactor->post([&] { reactor->stop(); }); });
    }
  });
  ASSERT_TRUE(reactor->add(pair.near.get(), EPOLLIN, handler));
  pair.send("x");
  reactor->run();
  EXPECT_THAT(happened, ElementsAre("readable", "writable"));
}

TEST_F(ReactorTest, WatchingABadDescriptorIsAnError) {
  Handler handler([](std::uint32_t) {});
  const auto added = reactor->add(-1, EPOLLIN, handler);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ErrorCode::io);
}

TEST_F(ReactorTest, TurnEndComesOncePerTurnAndLast) {
  End end([&] { happened.push_back("end"); });
  Deadline due([&](base::Time) {
    reactor->at_turn_end(end);
    happened.push_back("deadline");
  });
  reactor->post([&] {
    reactor->at_turn_end(end);
    reactor->at_turn_end(end);
    happened.push_back("task");
    reactor->timers().arm(due, reactor->now());
    reactor->post([&] {
      reactor->at_turn_end(end);
      reactor->stop();
    });
  });
  reactor->run();
  EXPECT_THAT(happened, ElementsAre("task", "end", "deadline", "end"));
}

TEST_F(ReactorTest, WhoAsksAgainAtTheTurnsEndKeepsNobodyWaiting) {
  SocketPair pair;
  End endless([&] { reactor->at_turn_end(endless); });
  Handler stop([&](std::uint32_t) { reactor->stop(); });
  ASSERT_TRUE(reactor->add(pair.near.get(), EPOLLIN, stop));
  reactor->at_turn_end(endless);
  pair.send("x");
  reactor->run();
  reactor->forget(endless);
}

TEST_F(ReactorTest, DisposesWhenNothingOfTheTurnIsLeft) {
  SocketPair first;
  SocketPair second;
  bool alive = true;
  std::vector<bool> seen;
  const auto on_event = [&](std::uint32_t) {
    seen.push_back(alive);
    if (seen.size() == 1) reactor->dispose(std::shared_ptr<void>(nullptr, [&](void*) { alive = false; }));
    else reactor->stop();
  };
  Handler a(on_event);
  Handler b(on_event);
  ASSERT_TRUE(reactor->add(first.near.get(), EPOLLIN, a));
  ASSERT_TRUE(reactor->add(second.near.get(), EPOLLIN, b));
  first.send("x");
  second.send("x");
  reactor->run();
  EXPECT_THAT(seen, ElementsAre(true, true));
  EXPECT_FALSE(alive);
  alive = true;
  reactor->dispose(std::shared_ptr<void>(nullptr, [&](void*) { alive = false; }));
  EXPECT_FALSE(alive);
}

TEST_F(ReactorTest, NobodyWaitsForALoopThatIsOver) {
  std::thread loop([&] { reactor->run(); });
  EXPECT_TRUE(reactor->call([] {}));
  reactor->stop();
  loop.join();
  EXPECT_FALSE(reactor->call([&] { happened.push_back("never"); }));
  std::thread again([&] { reactor->run(); });
  while (!reactor->call([&] { happened.push_back("ran"); })) std::this_thread::yield();
  reactor->stop();
  again.join();
  EXPECT_THAT(happened, ElementsAre("ran"));
}

TEST_F(ReactorTest, TurnEndsMayForgetEachOther) {
  std::unique_ptr<End> gone = std::make_unique<End>([&] { happened.push_back("gone"); });
  End last([&] {
    happened.push_back("last");
    reactor->forget(*gone);
    gone.reset();
    reactor->stop();
  });
  reactor->post([&] {
    reactor->at_turn_end(*gone);
    reactor->at_turn_end(last);
  });
  reactor->run();
  EXPECT_THAT(happened, ElementsAre("last"));
}

TEST_F(ReactorTest, WhoAsksForEveryTurnsEndComesAfterWhoeverJustCame) {
  End light([&] {
    happened.push_back("light");
    reactor->stop();
  });
  End busy([&] {
    happened.push_back("busy");
    reactor->at_turn_end(busy);
    if (happened.size() == 2) reactor->post([&] { reactor->at_turn_end(light); });
  });
  reactor->at_turn_end(busy);
  reactor->run();
  ASSERT_GT(happened.size(), 2u);
  const auto when = std::find(happened.begin(), happened.end(), "light");
  ASSERT_NE(when, happened.end());
  EXPECT_EQ(happened.end() - when, 3) << "then the busy one in the same turn, and once more when `run` ends";
  reactor->forget(busy);
}

TEST_F(ReactorTest, AskedForBeforeRunTheTurnEndComes) {
  End end([&] { reactor->stop(); });
  reactor->at_turn_end(end);
  reactor->run();
}

TEST_F(ReactorTest, DeadlinesAreMetAndNotEarly) {
  base::Time called{};
  Deadline alarm([&](base::Time now) {
    called = now;
    EXPECT_EQ(now, reactor->now());
    reactor->stop();
  });
  const base::Time deadline = std::chrono::steady_clock::now() + base::milliseconds(3);
  reactor->timers().arm(alarm, deadline);
  reactor->run();
  EXPECT_GE(called, deadline);
}

TEST_F(ReactorTest, TheClockStandsStillDuringATurn) {
  reactor->post([&] {
    const base::Time before = reactor->now();
    EXPECT_LE(before, std::chrono::steady_clock::now());
    while (std::chrono::steady_clock::now() - before < base::milliseconds(1)) {
    }
    EXPECT_EQ(reactor->now(), before);
    reactor->stop();
  });
  reactor->run();
}

}  // namespace
}  // namespace shoal::io
