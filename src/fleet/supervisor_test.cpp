#include "fleet/supervisor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace shoal::fleet {
namespace {

using base::milliseconds;
using base::seconds;

constexpr base::Time kStart{seconds(1000)};
constexpr State kStates[] = {State::stopped,  State::starting, State::ready,
                             State::stopping, State::backoff,  State::failed};
constexpr Event kEvents[] = {Event::start,   Event::stop, Event::ready,   Event::refused,
                             Event::stopped, Event::died, Event::deadline};

Supervisor in_state(State state, SupervisorOptions options = {}) {
  if (state == State::failed) options.failures_max = 1;
  Supervisor supervisor(options);
  const auto go = [&](std::initializer_list<Event> events) {
    for (const Event event : events) supervisor.handle(event, kStart);
  };
  switch (state) {
    case State::stopped: break;
    case State::starting: go({Event::start}); break;
    case State::ready: go({Event::start, Event::ready}); break;
    case State::stopping: go({Event::start, Event::ready, Event::stop}); break;
    case State::backoff:
    case State::failed: go({Event::start, Event::died}); break;
  }
  return supervisor;
}

TEST(Supervisor, TheWholeTable) {
  struct Answer {
    State state;
    Action action = Action::none;
  };
  using S = State;
  using A = Action;
  // Rows: states; columns: events, both in the order of their enums.
  const Answer table[6][7] = {
      {{S::starting, A::launch}, {S::stopped}, {S::stopped}, {S::stopped}, {S::stopped}, {S::stopped}, {S::stopped}},
      {{S::starting},
       {S::stopping, A::stop_in_worker},
       {S::ready},
       {S::backoff, A::wait},
       {S::starting},
       {S::backoff, A::wait},
       {S::starting, A::kill_worker}},
      {{S::ready},
       {S::stopping, A::stop_in_worker},
       {S::ready},
       {S::backoff, A::wait},
       {S::backoff, A::wait},
       {S::backoff, A::wait},
       {S::ready}},
      {{S::stopping},
       {S::stopping},
       {S::stopping},
       {S::stopped, A::finish},
       {S::stopped, A::finish},
       {S::stopped, A::finish},
       {S::stopping, A::kill_worker}},
      {{S::starting, A::launch},
       {S::stopped, A::finish},
       {S::backoff},
       {S::backoff},
       {S::backoff},
       {S::backoff},
       {S::starting, A::launch}},
      {{S::starting, A::launch},
       {S::stopped, A::finish},
       {S::failed},
       {S::failed},
       {S::failed},
       {S::failed},
       {S::failed}},
  };
  for (const State state : kStates) {
    for (const Event event : kEvents) {
      SCOPED_TRACE(std::string(to_string(state)) + ", event " + std::to_string(static_cast<int>(event)));
      Supervisor supervisor = in_state(state);
      ASSERT_EQ(supervisor.state(), state);
      const Answer& answer = table[static_cast<int>(state)][static_cast<int>(event)];
      EXPECT_EQ(supervisor.handle(event, kStart), answer.action);
      EXPECT_EQ(supervisor.state(), answer.state);
    }
  }
}

TEST(Supervisor, NamesAreThoseOfTheListings) {
  std::string names;
  for (const State state : kStates) (names += to_string(state)) += ' ';
  EXPECT_EQ(names, "stopped starting ready stopping backoff failed ");
}

TEST(Supervisor, DeadlinesAreThoseOfTheOptionsAndAskedAgainEventsDoNotMoveThem) {
  const SupervisorOptions options{.start_limit = seconds(3), .stop_limit = seconds(4)};
  Supervisor supervisor(options);
  EXPECT_EQ(supervisor.deadline(), base::kNever);
  supervisor.handle(Event::start, kStart);
  supervisor.handle(Event::start, kStart + seconds(1));
  EXPECT_EQ(supervisor.deadline(), kStart + seconds(3));
  supervisor.handle(Event::ready, kStart);
  EXPECT_EQ(supervisor.deadline(), base::kNever);
  supervisor.handle(Event::stop, kStart);
  supervisor.handle(Event::stop, kStart + seconds(1));
  EXPECT_EQ(supervisor.deadline(), kStart + seconds(4));
  EXPECT_EQ(supervisor.handle(Event::deadline, kStart + seconds(4)), Action::kill_worker);
  EXPECT_EQ(supervisor.deadline(), kStart + seconds(8));
}

TEST(Supervisor, BackOffDoublesUpToItsMaximumAndThenItGivesUp) {
  Supervisor supervisor;
  base::Time now = kStart;
  supervisor.handle(Event::start, now);
  for (const int expected_ms : {200, 400, 800, 1600, 3200, 6400, 12800}) {
    EXPECT_EQ(supervisor.handle(Event::died, now), Action::wait);
    EXPECT_EQ(supervisor.deadline() - now, milliseconds(expected_ms));
    now = supervisor.deadline();
    EXPECT_EQ(supervisor.handle(Event::deadline, now), Action::launch);
  }
  EXPECT_EQ(supervisor.restarts(), 7u);
  EXPECT_EQ(supervisor.handle(Event::died, now), Action::give_up);
  EXPECT_EQ(supervisor.state(), State::failed);
  EXPECT_EQ(supervisor.deadline(), base::kNever);

  Supervisor patient({.failures_max = 100});
  patient.handle(Event::start, kStart);
  for (int i = 0; i < 20; ++i) {
    patient.handle(Event::died, kStart);
    if (i >= 7) {
      EXPECT_EQ(patient.deadline() - kStart, seconds(15));
    }
    patient.handle(Event::deadline, kStart);
  }
}

TEST(Supervisor, BeingReadyLongEnoughStartsTheBackOffOverButShorterDoesNot) {
  for (const bool healthy : {true, false}) {
    Supervisor supervisor;
    base::Time now = kStart;
    supervisor.handle(Event::start, now);
    supervisor.handle(Event::died, now);
    supervisor.handle(Event::deadline, now);
    supervisor.handle(Event::ready, now);
    now += healthy ? seconds(30) : milliseconds(29'999);
    supervisor.handle(Event::died, now);
    EXPECT_EQ(supervisor.deadline() - now, healthy ? milliseconds(200) : milliseconds(400));
    EXPECT_EQ(supervisor.restarts(), 1u);
  }
}

TEST(Supervisor, AFailedStartAfterALongHealthyTimeIsNotHealthy) {
  Supervisor supervisor({.failures_max = 3});
  base::Time now = kStart;
  supervisor.handle(Event::start, now);
  supervisor.handle(Event::ready, now);
  now += seconds(60);
  EXPECT_EQ(supervisor.handle(Event::died, now), Action::wait);
  supervisor.handle(Event::deadline, now);
  EXPECT_EQ(supervisor.handle(Event::refused, now), Action::wait);
  supervisor.handle(Event::deadline, now);
  EXPECT_EQ(supervisor.handle(Event::refused, now), Action::give_up);
}

TEST(Supervisor, StartWhileStoppingStartsAgainAfterTheStop) {
  Supervisor supervisor = in_state(State::stopping);
  EXPECT_EQ(supervisor.handle(Event::start, kStart), Action::none);
  EXPECT_EQ(supervisor.handle(Event::stopped, kStart), Action::launch);
  EXPECT_EQ(supervisor.state(), State::starting);
  // The wish is used up.
  supervisor.handle(Event::stop, kStart);
  EXPECT_EQ(supervisor.handle(Event::died, kStart), Action::finish);
}

TEST(Supervisor, StopTakesBackAStartWhileStopping) {
  Supervisor supervisor = in_state(State::stopping);
  supervisor.handle(Event::start, kStart);
  supervisor.handle(Event::stop, kStart);
  EXPECT_EQ(supervisor.handle(Event::stopped, kStart), Action::finish);
}

TEST(Supervisor, AStartByAPersonClearsTheCounters) {
  Supervisor supervisor;
  supervisor.handle(Event::start, kStart);
  supervisor.handle(Event::died, kStart);
  supervisor.handle(Event::deadline, kStart);
  supervisor.handle(Event::died, kStart);
  EXPECT_EQ(supervisor.restarts(), 1u);
  EXPECT_EQ(supervisor.handle(Event::start, kStart), Action::launch);
  EXPECT_EQ(supervisor.restarts(), 0u);
  supervisor.handle(Event::died, kStart);
  EXPECT_EQ(supervisor.deadline() - kStart, milliseconds(200));
}

/// Whatever happens in whatever order. The seed is in the trace of a failure.
TEST(Supervisor, InvariantsHoldForRandomEvents) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const SupervisorOptions options{.failures_max = 4};
    Supervisor supervisor(options);
    base::Time now = kStart;
    bool launched = false;  // and not known to have ended
    for (int step = 0; step < 300; ++step) {
      now += milliseconds(random() % 20'000);
      const Event event = kEvents[random() % std::size(kEvents)];
      const State before = supervisor.state();
      const base::Time deadline_before = supervisor.deadline();
      const unsigned restarts_before = supervisor.restarts();
      const Action action = supervisor.handle(event, now);
      const State after = supervisor.state();

      if (before == State::stopping && after != before) launched = false;
      if (action == Action::launch) {
        EXPECT_FALSE(launched) << "launched twice";
        launched = true;
        EXPECT_EQ(after, State::starting);
      }
      if (after == State::ready) {
        EXPECT_TRUE(launched);
      }
      if (after == State::backoff || after == State::stopped || after == State::failed) launched = false;

      const bool timed = after == State::starting || after == State::stopping || after == State::backoff;
      EXPECT_EQ(supervisor.deadline() != base::kNever, timed);
      if (timed && after != before) {
        EXPECT_GT(supervisor.deadline(), now);
      }
      if (after == before && action == Action::none) {
        EXPECT_EQ(supervisor.deadline(), deadline_before);
      }
      if (after == State::backoff && before != after) {
        EXPECT_GE(supervisor.deadline() - now, options.backoff_first);
        EXPECT_LE(supervisor.deadline() - now, options.backoff_max);
      }

      EXPECT_EQ(action == Action::wait, after == State::backoff && before != State::backoff);
      EXPECT_EQ(action == Action::give_up, after == State::failed && before != State::failed);
      EXPECT_EQ(action == Action::finish, after == State::stopped && before != State::stopped);
      EXPECT_EQ(action == Action::stop_in_worker, after == State::stopping && before != State::stopping);
      if (action == Action::kill_worker) {
        EXPECT_EQ(event, Event::deadline);
      }

      if (supervisor.restarts() > restarts_before) {
        EXPECT_EQ(before, State::backoff);
        EXPECT_EQ(event, Event::deadline);
      }
    }
  }
}

}  // namespace
}  // namespace shoal::fleet
