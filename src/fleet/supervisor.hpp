#pragma once

#include <string_view>

#include "base/time.hpp"

namespace shoal::fleet {

/// State of an instance (DESIGN: words of `ps`).
enum class State { stopped, starting, ready, stopping, backoff, failed };

std::string_view to_string(State state);

/// What happens to an instance.
enum class Event {
  start,     ///< somebody wants it to run
  stop,      ///< somebody wants it stopped
  ready,     ///< its worker serves it
  refused,   ///< its worker says it cannot serve it
  stopped,   ///< its worker says it has ended, as asked
  died,      ///< its worker's process is gone
  deadline,  ///< the time of the current state is over
};

/// What the controller has to do on a transition.
enum class Action {
  none,
  launch,          ///< hand the instance (and its sockets) to a worker
  stop_in_worker,  ///< ask the worker to drain and stop it
  kill_worker,     ///< it did not end in time
  wait,            ///< back-off: start again at the deadline
  give_up,         ///< crash loop: close sockets, stay failed
  finish,          ///< it is stopped: close sockets
};

/// Limits of the table.
struct SupervisorOptions {
  base::Duration start_limit = base::seconds(10);
  base::Duration stop_limit = base::seconds(10);
  base::Duration backoff_first = base::milliseconds(200);
  base::Duration backoff_max = base::seconds(15);
  base::Duration healthy_after = base::seconds(30);  ///< ready this long: the back-off starts over
  unsigned failures_max = 8;                         ///< in a row without becoming healthy, then failed
};

/// The state of one instance and the only way it changes: a state x event table. Pure; time is an
/// argument. A value.
class Supervisor {
 public:
  explicit Supervisor(SupervisorOptions options = {}) : options_(options) {}

  State state() const { return state_; }
  /// It runs, or will without anybody's help.
  bool wanted() const;
  /// When `Event::deadline` is due; `base::kNever` when nothing is.
  base::Time deadline() const { return deadline_; }
  /// Times it was started again after a death, since `start`.
  unsigned restarts() const { return restarts_; }

  /// Begins in the state that somebody else has brought it to: starting, ready or stopping.
  void adopt(State state, unsigned restarts, base::Time now);

  /// Every pair of state and event has an answer; one that does not fit changes nothing and answers
  /// `Action::none`.
  Action handle(Event event, base::Time now);

 private:
  void set_deadline(base::Time now);

  SupervisorOptions options_;
  State state_ = State::stopped;
  base::Time deadline_ = base::kNever;
  base::Time ready_since_ = base::kNever;
  base::Duration backoff_{};
  unsigned restarts_ = 0;
  unsigned failures_ = 0;
  bool stop_wanted_ = false;
};

}  // namespace shoal::fleet
