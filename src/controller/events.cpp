#include "controller/events.hpp"

#include <algorithm>
#include <utility>

namespace shoal::controller {

using fleet::State;

void Events::add(api::Event event) {
  event.number = ++last_;
  events_.push_back(std::move(event));
  if (events_.size() > kKept) events_.pop_front();
}

void Events::changed(const std::string& name, State state, const std::string& because, std::int64_t time_ms) {
  Known& known = known_[name];
  const State was = std::exchange(known.state, state);
  add({.time_ms = time_ms,
       .instance = name,
       .kind = "state",
       .texts = {{"state", std::string(fleet::to_string(state))},
                 {"was", std::string(fleet::to_string(was))},
                 {"because", because}}});
  if (state == State::ready || state == State::stopping) return;
  known.limit_hits = {};  // it counts from 0 again
  known.alarm.clear();
}

void Events::heard(const std::string& name, const Stats& stats, std::int64_t time_ms) {
  Known& known = known_[name];
  for (std::size_t bound = 0; bound < kBounds; ++bound) {
    const std::uint64_t before = std::exchange(known.limit_hits[bound], stats.limit_hits[bound]);
    if (stats.limit_hits[bound] <= before) continue;
    add({.time_ms = time_ms,
         .instance = name,
         .kind = "limit",
         .texts = {{"limit", std::string(to_string(static_cast<Bound>(bound)))}},
         .times = stats.limit_hits[bound] - before});
  }
  if (stats.alarm == known.alarm) return;
  known.alarm = stats.alarm;
  add({.time_ms = time_ms, .instance = name, .kind = "alarm", .texts = {{"alarm", stats.alarm}}});
}

api::EventPage Events::since(std::uint64_t after) const {
  api::EventPage page{.events = {}, .next = last_};
  if (after > last_) after = 0;
  const auto first = std::find_if(events_.begin(), events_.end(), [&](const auto& one) { return one.number > after; });
  page.events.assign(first, events_.end());
  if (after != 0 && !page.events.empty()) page.missed = page.events.front().number - after - 1;
  return page;
}

}  // namespace shoal::controller
