#include "controller/waiting.hpp"

namespace shoal::controller {

using api::Verb;
using base::Time;
using fleet::State;

WaitingForStats::WaitingForStats(Time until, std::set<std::string> names, Answer answer)
    : Waiting(until), missing_(std::move(names)), answer_(std::move(answer)) {
  over_ = missing_.empty();
}

void WaitingForStats::has_come(const std::string& name) {
  if (missing_.erase(name) != 0) over_ = missing_.empty();
}

// They will not come, then.
void WaitingForStats::on_state(const std::string& name, State state) {
  if (state != State::ready) has_come(name);
}

void WaitingForStats::on_stats(const std::string& name) { has_come(name); }

Outcome outcome_of(Verb verb, State state) {
  switch (state) {
    case State::starting:
    case State::stopping: return Outcome::pending;
    case State::ready: return verb == Verb::stop ? Outcome::pending : Outcome::done;
    case State::stopped: return verb == Verb::stop ? Outcome::done : Outcome::failed;
    case State::backoff:
    case State::failed: return Outcome::failed;
  }
  return Outcome::failed;
}

WaitingForOutcome::WaitingForOutcome(Time until, std::string name, Verb verb, State state, Answer answer)
    : Waiting(until), name_(std::move(name)), verb_(verb), answer_(std::move(answer)) {
  over_ = outcome_of(verb_, state) != Outcome::pending;
}

void WaitingForOutcome::on_state(const std::string& name, State state) {
  if (name == name_) over_ = outcome_of(verb_, state) != Outcome::pending;
}

WaitingForUsers::WaitingForUsers(Time until, std::string name, Answer answer)
    : Waiting(until), name_(std::move(name)), answer_(std::move(answer)) {}

// It reads them when it starts.
void WaitingForUsers::on_state(const std::string& name, State state) {
  if (name == name_) over_ = state != State::ready;
}

bool WaitingForUsers::on_users_reloaded(const std::string& name, const std::string& error) {
  if (over_ || name != name_) return false;
  error_ = error;
  over_ = true;
  return true;
}

WaitingForApply::WaitingForApply(Time until, std::set<std::string> names, OnItsWay is_on_its_way, Answer answer)
    : Waiting(until), names_(std::move(names)), is_on_its_way_(std::move(is_on_its_way)), answer_(std::move(answer)) {
  over_ = names_.empty();
}

void WaitingForApply::on_state(const std::string& name, State) {
  if (!names_.contains(name)) return;
  if (!is_on_its_way_(name)) names_.erase(name);
  over_ = names_.empty();
}

void WaitingForApply::on_changed(const std::string& name, const std::string& error) {
  if (!names_.contains(name)) return;
  if (!error.empty()) errors_[name] = error;
  on_state(name, State::ready);
}

WaitingForAnswer::WaitingForAnswer(Time until, std::string name, std::uint64_t request, bool asked, Answer answer)
    : Waiting(until), name_(std::move(name)), request_(request), answer_(std::move(answer)) {
  over_ = !asked;
}

void WaitingForAnswer::on_state(const std::string& name, State state) {
  if (name == name_ && state != State::ready) over_ = true;
}

void WaitingForAnswer::on_answer(const link::Message& answer) {
  if (answer.number("request").value_or(0) != request_ || answer.text("name") != name_) return;
  told_ = answer;
  over_ = true;
}

WaitingForEvents::WaitingForEvents(Time until, bool there, Answer answer) : Waiting(until), answer_(std::move(answer)) {
  over_ = there;
}

}  // namespace shoal::controller
