#include <fcntl.h>

#include <algorithm>
#include <set>

#include "controller/running_fleet.hpp"
#include "link/fields.hpp"

// Going over to another configuration.

namespace shoal::controller {
namespace {

using base::Time;
using fleet::Event;
using fleet::State;
using fleet::Step;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::vector<fleet::Observed> RunningFleet::observe() const {
  std::vector<fleet::Observed> all;
  for (const Instance& instance : instances_) {
    if (instance.leaving) continue;
    fleet::Observed observed{.config = &instance.config};
    observed.held = instance.held;
    observed.failed = instance.supervisor.state() == State::failed;
    // What starts later starts with what it was told last.
    if (instance.supervisor.wanted()) observed.serves = instance.serves ? &*instance.serves : &instance.config;
    all.push_back(observed);
  }
  return all;
}

// For everything that will listen where it does not yet.
fleet::Bound RunningFleet::bind_for(const fleet::Plan& plan, const config::FleetConfig& next, bool only_try) {
  std::vector<const config::InstanceConfig*> needed;
  std::set<std::string> later;
  const std::set<std::uint16_t> given_up = ports_given_up(plan);
  fleet::OpenSockets open;
  for (const Step& step : plan.steps) {
    if (const Instance* instance = find(step.name)) {
      for (const fleet::BoundListener& listener : instance->listeners)
        if (listener.fd) open.emplace(listener.url, listener.fd.get());
    }
    if (step.kind == Step::Kind::remove || step.stops) continue;
    const Instance* instance = find(step.name);
    const bool runs = instance && !instance->leaving && instance->supervisor.wanted();
    const config::InstanceConfig& wanted = *next.find(step.name);
    if (wants_one_of(wanted, given_up)) continue;
    if (runs && binds_when_it_starts(*instance, wanted)) {
      later.insert(step.name);
      if (wants_one_of(wanted, ports_of(*instance))) continue;
    }
    if (runs || step.starts || step.kind == Step::Kind::start) needed.push_back(&wanted);
  }
  fleet::Bound bound = sockets_.change(next, needed, open, only_try);
  std::erase_if(bound.instances, [&](const fleet::BoundInstance& one) { return later.contains(one.name); });
  return bound;
}

RunningFleet::Applied RunningFleet::apply(config::FleetConfig next, const ApplyOptions& options, Time now) {
  Applied applied;
  const auto refuse = [&](std::string what) { applied.problems.push_back({{next.file}, std::move(what)}); };
  if (ending_) refuse("the fleet is stopping");
  const std::pair<const char*, std::pair<const std::string&, const std::string&>> fixed[] = {
      {"state_dir", {config_.state_dir, next.state_dir}},
      {"log_dir", {config_.log_dir, next.log_dir}},
      {"run_dir", {config_.run_dir, next.run_dir}}};
  for (const auto& [key, values] : fixed) {
    if (values.first != values.second)
      refuse("fleet." + std::string(key) + " cannot change while the fleet runs (it is " + values.first +
             "); use `shoal down` and `shoal up -d`");
  }
  if (!applied.problems.empty()) return applied;

  applied.controller = config::fleet_changes(config_.values, next.values);
  applied.controller_due = config::fleet_changes(began_with_, next.values);
  std::erase_if(applied.controller_due, [](const config::Change& change) { return !change.needs_restart; });
  applied.plan = fleet::make_plan(next.instances, observe(), {.restart = options.restart});
  fleet::Bound bound;
  if (!options.one_by_one) bound = bind_for(applied.plan, next, options.only_try);
  applied.notes = bound.notes;
  applied.problems = std::move(bound.problems);
  if (options.only_try || !applied.problems.empty()) return applied;

  log_.set_level(next.log.level);
  config_ = std::move(next);
  for (const std::string& note : bound.notes) log_.warn("about a port", {{"what", note}});
  for (const Step& step : applied.plan.steps) {
    if (step.kind != Step::Kind::create || find(step.name)) continue;
    instances_.push_back({.config = *config_.find(step.name), .supervisor = fleet::Supervisor(options_.supervisor)});
    close_listeners(instances_.back());
  }
  for (fleet::BoundInstance& one : bound.instances) find(one.name)->listeners = std::move(one.listeners);
  for (const Step& step : applied.plan.steps) {
    log_.info("applying", {{"instance", step.name}, {"step", fleet::to_string(step.kind)}});
    carry_out(step, config_.find(step.name), now);
  }
  const auto place = [&](const Instance& instance) {
    const config::InstanceConfig* found = config_.find(instance.config.name);
    return found ? found - config_.instances.data() : std::ptrdiff_t{-1};
  };
  instances_.sort([&](const Instance& a, const Instance& b) { return place(a) < place(b); });
  return applied;
}

void RunningFleet::carry_out(const Step& step, const config::InstanceConfig* wanted, Time now) {
  Instance& instance = *find(step.name);
  if (step.kind == Step::Kind::remove) {
    instance.leaving = true;
    handle(instance, Event::stop, now);
    return;
  }
  // It may have been on its way out.
  if (std::exchange(instance.leaving, false)) instance.held = false;
  instance.config = *wanted;
  const bool runs = instance.supervisor.state() == State::ready || instance.supervisor.state() == State::starting;
  if (!instance.supervisor.wanted() && !step.starts && step.kind != Step::Kind::start) {
    close_listeners(instance);
  }
  if (step.stops) {
    handle(instance, Event::stop, now);
  } else if (step.restarts || step.kind == Step::Kind::restart) {
    if (runs) handle(instance, Event::stop, now);
    handle(instance, Event::start, now);
  } else if (step.starts || step.kind == Step::Kind::start) {
    handle(instance, Event::start, now);
  } else if (runs && goes_over_live(instance)) {
    change_worker(instance);
  }
}

void RunningFleet::change_worker(Instance& instance) {
  processes_.limit(instance.worker, instance.config.worker_limits);
  if (instance.changing) {
    instance.change_again = true;
    return;
  }
  instance.changing = fleet::without_restart(*instance.serves, instance.config);
  BrokerOptions options = instance.changing->options;
  std::vector<base::UniqueFd> fds;
  for (const fleet::BoundListener& listener : instance.listeners) {
    options.listeners.push_back({.url = listener.url});
    if (!contains(instance.served_urls, listener.url)) fds.emplace_back(::fcntl(listener.fd.get(), F_DUPFD_CLOEXEC, 0));
  }
  processes_.send(instance.worker, noted(link::to_change(options, instance.served_urls), instance), std::move(fds));
}

void RunningFleet::changed(Instance& instance, const std::string& error) {
  if (!instance.changing) return;
  if (error.empty()) {
    instance.serves = std::move(instance.changing);
    instance.served_urls.clear();
    for (const fleet::BoundListener& listener : instance.listeners) instance.served_urls.push_back(listener.url);
  }
  instance.changing.reset();
  if (std::exchange(instance.change_again, false)) return change_worker(instance);
  for (Watcher* watcher : watchers_) watcher->on_changed(instance.config.name, error);
}

bool RunningFleet::is_changing(std::string_view name) const {
  const Instance* instance = find(name);
  return instance && instance->changing;
}

void RunningFleet::forget_gone() {
  std::erase_if(instances_, [](const Instance& instance) {
    const State state = instance.supervisor.state();
    return instance.leaving && (state == State::stopped || state == State::failed);
  });
}

}  // namespace shoal::controller
