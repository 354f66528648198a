#include "controller/totals.hpp"

#include <utility>

#include "link/fields.hpp"

namespace shoal::controller {

using fleet::State;

Totals::Instance& Totals::at(std::string_view name) {
  const auto found = instances_.find(name);
  return found != instances_.end() ? found->second : instances_.emplace(name, Instance{}).first->second;
}

const Totals::Instance* Totals::find(std::string_view name) const {
  const auto found = instances_.find(name);
  return found == instances_.end() ? nullptr : &found->second;
}

void Totals::heard(std::string_view name, const Stats& stats) { at(name).now = stats; }

void Totals::changed(std::string_view name, State state) {
  Instance& instance = at(name);
  const State before = std::exchange(instance.state, state);
  if (before == State::backoff && state == State::starting) ++instance.restarts;
  // While it stops it is still the same one, which may have a last word.
  if (state == State::ready || state == State::stopping) return;
  link::add_totals(instance.before, std::exchange(instance.now, {}));
}

Stats Totals::of(std::string_view name) const {
  const Instance* const instance = find(name);
  if (instance == nullptr) return {};
  Stats stats;
  if (instance->state == State::ready) {
    stats = instance->now;
  } else {
    link::add_totals(stats, instance->now);
  }
  link::add_totals(stats, instance->before);
  return stats;
}

std::uint64_t Totals::restarts(std::string_view name) const {
  const Instance* const instance = find(name);
  return instance == nullptr ? 0 : instance->restarts;
}

double CpuTotals::add(const std::string& name, std::int64_t pid, double seconds) {
  Worker& worker = workers_[name];
  if (worker.pid != pid) {
    worker.before += std::exchange(worker.now, 0);
    worker.pid = pid;
  }
  worker.now = seconds;
  return worker.before + worker.now;
}

}  // namespace shoal::controller
