#include "fleet/supervisor.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace shoal::fleet {
namespace {

/// What a transition does besides; `fail` and `end` may lead elsewhere than the table says.
enum class Rule {
  plain,
  begin,   ///< somebody wants it: counters and back-off start over
  again,   ///< it starts by itself: one more restart
  fail,    ///< one more failure; after too many: failed, give_up
  end,     ///< if it was wanted again meanwhile: starting, launch
  want,    ///< remember that it is wanted again
  unwant,  ///< forget that
};

struct Cell {
  State next;
  Action action = Action::none;
  Rule rule = Rule::plain;
};

using enum State;

constexpr std::size_t kStates = 6;
constexpr std::size_t kEvents = 7;

constexpr Cell kLaunch{starting, Action::launch, Rule::begin};
constexpr Cell kRetry{starting, Action::launch, Rule::again};
constexpr Cell kStop{stopping, Action::stop_in_worker, Rule::unwant};
constexpr Cell kFail{backoff, Action::wait, Rule::fail};
constexpr Cell kEnd{stopped, Action::finish, Rule::end};
constexpr Cell kDiscard{stopped, Action::finish};
constexpr Cell kLateStart{starting, Action::kill_worker};
constexpr Cell kLateStop{stopping, Action::kill_worker};
constexpr Cell kWanted{stopping, Action::none, Rule::want};
constexpr Cell kUnwanted{stopping, Action::none, Rule::unwant};

constexpr Cell stay(State state) { return {state}; }

// A worker that is late is killed, and the state stays until its death is seen: only then is it safe
// to launch again. `stopped` while starting answers a stop from before.
// clang-format off
constexpr std::array<std::array<Cell, kEvents>, kStates> kTable{{
    //             start            stop            ready            refused         stopped          died            deadline
    /*stopped */ {{kLaunch,         stay(stopped),  stay(stopped),   stay(stopped),  stay(stopped),   stay(stopped),  stay(stopped)}},
    /*starting*/ {{stay(starting),  kStop,          Cell{ready},     kFail,          stay(starting),  kFail,          kLateStart}},
    /*ready   */ {{stay(ready),     kStop,          stay(ready),     kFail,          kFail,           kFail,          stay(ready)}},
    /*stopping*/ {{kWanted,         kUnwanted,      stay(stopping),  kEnd,           kEnd,            kEnd,           kLateStop}},
    /*backoff */ {{kLaunch,         kDiscard,       stay(backoff),   stay(backoff),  stay(backoff),   stay(backoff),  kRetry}},
    /*failed  */ {{kLaunch,         kDiscard,       stay(failed),    stay(failed),   stay(failed),    stay(failed),   stay(failed)}},
}};
// clang-format on
static_assert(static_cast<std::size_t>(failed) + 1 == kStates);
static_assert(static_cast<std::size_t>(Event::deadline) + 1 == kEvents);

}  // namespace

std::string_view to_string(State state) {
  static constexpr std::array<std::string_view, kStates> kNames{"stopped",  "starting", "ready",
                                                                "stopping", "backoff",  "failed"};
  return kNames[static_cast<std::size_t>(state)];
}

bool Supervisor::wanted() const {
  switch (state_) {
    case starting:
    case ready:
    case backoff: return true;
    case stopping: return !stop_wanted_;
    case stopped:
    case failed: return false;
  }
  return false;
}

Action Supervisor::handle(Event event, base::Time now) {
  Cell cell = kTable[static_cast<std::size_t>(state_)][static_cast<std::size_t>(event)];
  switch (cell.rule) {
    case Rule::plain: break;
    case Rule::begin: restarts_ = failures_ = 0, backoff_ = {}; break;
    case Rule::again: ++restarts_; break;
    case Rule::fail:
      if (state_ == ready && now - ready_since_ >= options_.healthy_after) failures_ = 0, backoff_ = {};
      backoff_ = std::clamp(2 * backoff_, options_.backoff_first, options_.backoff_max);
      if (++failures_ >= options_.failures_max) cell = {failed, Action::give_up};
      break;
    case Rule::end:
      if (!stop_wanted_) cell = kLaunch, restarts_ = failures_ = 0, backoff_ = {};
      break;
    case Rule::want: stop_wanted_ = false; break;
    case Rule::unwant: stop_wanted_ = true; break;
  }

  const bool moved = cell.next != state_ || cell.action != Action::none;
  state_ = cell.next;
  if (moved) set_deadline(now);
  return cell.action;
}

void Supervisor::adopt(State state, unsigned restarts, base::Time now) {
  state_ = state;
  restarts_ = restarts;
  stop_wanted_ = state == stopping;
  set_deadline(now);
}

void Supervisor::set_deadline(base::Time now) {
  switch (state_) {
    case starting: deadline_ = now + options_.start_limit; break;
    case stopping: deadline_ = now + options_.stop_limit; break;
    case backoff: deadline_ = now + backoff_; break;
    case stopped:
    case ready:
    case failed: deadline_ = base::kNever; break;
  }
  if (state_ == ready) ready_since_ = now;
}

}  // namespace shoal::fleet
