#include <algorithm>

#include "controller/running_fleet.hpp"

// Workers that hang, and instances that bring down the worker they share.

namespace shoal::controller {

using base::Time;

void RunningFleet::watch_workers(Time now) {
  for (auto& [id, process] : workers_) watch(process, now);
}

// One look is not enough: while the machine slept, or this process did, everybody's turn was long.
void RunningFleet::watch(Process& process, Time now) {
  if (!process.hangs_because.empty()) return;
  const WorkerPulse pulse = processes_.pulse(process.id);
  const bool same_turn = pulse.busy_since != base::kNever && pulse.busy_since == process.busy_since;
  process.busy_since = pulse.busy_since;
  if (!pulse.halted) process.halted_since = base::kNever;
  else if (process.halted_since == base::kNever) process.halted_since = now;

  const auto hangs_since = pulse.halted ? process.halted_since : same_turn ? process.busy_since : now;
  if (now - hangs_since < options_.stuck_after) return;
  const std::string during = names_of(pulse.working_for, process.id);
  process.hangs_because = pulse.halted
                              ? "it was halted by a signal"
                              : "it hangs: one turn takes " +
                                    std::to_string(base::duration_cast<base::seconds>(now - hangs_since).count()) +
                                    " s" + (during.empty() ? "" : ", for " + during);
  log_.error("worker hangs and is replaced",
             {{"worker", process.name}, {"pid", process.pid}, {"because", process.hangs_because}});
  processes_.ask_stacks(process.id);
  process.stacks_at = now + options_.stacks_wait;
}

void RunningFleet::replace_hanging(Process& process) {
  process.stacks_at = base::kNever;
  for (const std::string& line : processes_.stacks(process.id))
    log_.warn("stack", {{"worker", process.name}, {"at", line}});
  kill(process.id, process.hangs_because);
}

std::string RunningFleet::names_of(const std::vector<std::uint64_t>& ids, WorkerId worker) const {
  std::string names;
  for (const Instance& instance : instances_) {
    const std::string& name = instance.config.name;
    if (instance.worker != worker || std::find(ids.begin(), ids.end(), pulse_id(name)) == ids.end()) continue;
    names += (names.empty() ? "" : " and ") + name;
  }
  return names;
}

void RunningFleet::blame(Instance& instance, const Process& gone) {
  if (!gone.slot.starts_with("group ") || ++instance.crashes < options_.crashes_max) return;
  instance.moved_out = true;
  log_.error("instance gets a worker of its own, since it brought down the one it shared",
             {{"instance", instance.config.name}, {"worker", gone.name}, {"times", instance.crashes}});
}

}  // namespace shoal::controller
