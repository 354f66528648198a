#include "controller/running_fleet.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cassert>

#include "link/fields.hpp"

namespace shoal::controller {
namespace {

using base::Time;
using fleet::Action;
using fleet::Event;
using fleet::State;

std::uint64_t in_ms(base::Duration duration) {
  return static_cast<std::uint64_t>(base::duration_cast<base::milliseconds>(duration).count());
}

void close_sockets(std::vector<fleet::BoundListener>& listeners) {
  for (fleet::BoundListener& listener : listeners) listener.fd.reset();
}

bool are_open(const std::vector<fleet::BoundListener>& listeners) {
  return std::all_of(listeners.begin(), listeners.end(), [](const fleet::BoundListener& l) { return bool(l.fd); });
}

constexpr const char* kNoDescriptors =
    "the controller has no descriptor left for its sockets; raise `ulimit -n` or LimitNOFILE= of the unit";

std::vector<base::UniqueFd> duplicates(const std::vector<fleet::BoundListener>& listeners) {
  std::vector<base::UniqueFd> fds;
  for (const fleet::BoundListener& listener : listeners)
    fds.emplace_back(::fcntl(listener.fd.get(), F_DUPFD_CLOEXEC, 0));
  std::erase_if(fds, [](const base::UniqueFd& fd) { return !fd; });
  return fds;
}

}  // namespace

RunningFleet::RunningFleet(config::FleetConfig config, FleetOptions options, Processes& processes, Sockets& sockets,
                           base::Log& log)
    : config_(std::move(config)),
      began_with_(config_.values),
      options_(options),
      processes_(processes),
      sockets_(sockets),
      log_(log) {
  for (const config::InstanceConfig& instance : config_.instances) {
    Instance& added =
        instances_.emplace_back(Instance{.config = instance, .supervisor = fleet::Supervisor(options_.supervisor)});
    close_listeners(added);
  }
}

RunningFleet::Instance* RunningFleet::find(std::string_view name) {
  const auto found = std::find_if(instances_.begin(), instances_.end(),
                                  [&](const Instance& instance) { return instance.config.name == name; });
  return found == instances_.end() ? nullptr : &*found;
}

const RunningFleet::Instance* RunningFleet::find(std::string_view name) const {
  return const_cast<RunningFleet*>(this)->find(name);
}

// They have their urls all the same.
void RunningFleet::close_listeners(Instance& instance) {
  instance.listeners.clear();
  for (const std::string& url : sockets_.urls(instance.config)) instance.listeners.push_back({.fd = {}, .url = url});
}

std::vector<config::Problem> RunningFleet::bind(Instance& instance) {
  const config::InstanceConfig* const plan[] = {&instance.config};
  fleet::Bound bound = sockets_.bind(plan);
  for (const std::string& note : bound.notes) log_.warn("about a port", {{"what", note}});
  if (!bound.problems.empty()) return std::move(bound.problems);
  instance.listeners = std::move(bound.instances.front().listeners);
  return {};
}

void RunningFleet::stop_all(Time now) {
  ending_ = true;
  for (Instance& instance : instances_) handle(instance, Event::stop, now);
}

void RunningFleet::kill_all() {
  for (const auto& [id, process] : workers_) processes_.kill(id);
}

bool RunningFleet::ended() const {
  return ending_ && workers_.empty() && std::all_of(instances_.begin(), instances_.end(), [](const Instance& instance) {
           return instance.supervisor.state() == State::stopped || instance.supervisor.state() == State::failed;
         });
}

bool RunningFleet::settled() const {
  return std::none_of(instances_.begin(), instances_.end(), [](const Instance& instance) {
    return instance.supervisor.state() == State::starting || instance.supervisor.state() == State::stopping;
  });
}

RunningFleet::Answer RunningFleet::start(std::string_view name, Time now) {
  Instance* instance = find(name);
  if (instance == nullptr) return Answer::no_such_instance;
  if (ending_) return Answer::ending;
  const State state = instance->supervisor.state();
  if (state == State::ready || state == State::starting) return Answer::already;
  instance->held = false;
  instance->crashes = 0;
  instance->moved_out = false;
  handle(*instance, Event::start, now);
  return Answer::done;
}

RunningFleet::Answer RunningFleet::stop(std::string_view name, Time now) {
  Instance* instance = find(name);
  if (instance == nullptr) return Answer::no_such_instance;
  if (ending_) return Answer::ending;
  if (instance->supervisor.state() == State::stopped) return Answer::already;
  instance->held = true;
  handle(*instance, Event::stop, now);
  return Answer::done;
}

RunningFleet::Answer RunningFleet::restart(std::string_view name, Time now) {
  Instance* instance = find(name);
  if (instance == nullptr) return Answer::no_such_instance;
  if (ending_) return Answer::ending;
  const State state = instance->supervisor.state();
  instance->held = false;
  instance->crashes = 0;
  instance->moved_out = false;
  if (state == State::ready || state == State::starting) handle(*instance, Event::stop, now);
  handle(*instance, Event::start, now);
  return Answer::done;
}

RunningFleet::Answer RunningFleet::reload_users(std::string_view name) {
  Instance* instance = find(name);
  if (instance == nullptr) return Answer::no_such_instance;
  if (ending_) return Answer::ending;
  if (is_external(*instance)) return Answer::external;
  if (instance->supervisor.state() != State::ready) return Answer::already;
  processes_.send(instance->worker, link::Message(link::type::kReloadUsers).add("name", name), {});
  return Answer::done;
}

bool RunningFleet::ask_stats(std::string_view name) {
  const Instance* instance = find(name);
  if (instance == nullptr || instance->supervisor.state() != State::ready || is_external(*instance)) return false;
  processes_.send(instance->worker, link::Message(link::type::kStats).add("name", name), {});
  return true;
}

bool RunningFleet::ask(std::string_view name, const link::Message& question) {
  const Instance* instance = find(name);
  if (instance == nullptr || instance->supervisor.state() != State::ready || is_external(*instance)) return false;
  processes_.send(instance->worker, question, {});
  return true;
}

void RunningFleet::reopen_logs() {
  for (const auto& [id, process] : workers_) processes_.send(id, link::Message(link::type::kReopenLogs), {});
}

RunningFleet::Answer RunningFleet::set_log_level(std::string_view name, LogLevel level) {
  Instance* instance = find(name);
  if (ending_) return Answer::ending;
  if (instance != nullptr && is_external(*instance)) return Answer::external;
  if (instance != nullptr) {
    instance->config.options.log.level = level;
    if (instance->worker != WorkerId::none) {
      processes_.send(instance->worker, link::to_set_log_level(name, level), {});
    }
  } else if (name == "controller") {
    log_.set_level(level);
  } else {
    return Answer::no_such_instance;
  }
  log_.info("log level changed", {{"instance", name}, {"level", base::to_string(level)}});
  return Answer::done;
}

void RunningFleet::handle(Instance& instance, Event event, Time now) {
  const State before = instance.supervisor.state();
  const Action action = instance.supervisor.handle(event, now);
  note_state(instance, before, now);
  act(instance, action, now);
}

void RunningFleet::note_state(Instance& instance, State before, Time now) {
  const State state = instance.supervisor.state();
  if (state == before) return;
  instance.ready_since = state == State::ready ? now : base::kNever;
  if (state != State::ready) instance.stats = {};
  if (state != State::ready && state != State::starting) {
    instance.serves.reset();
    instance.changing.reset();
    instance.change_again = false;
  }
  const std::string& name = instance.config.name;
  switch (state) {
    case State::ready: {
      const auto process = workers_.find(instance.worker);
      log_.info("instance is ready",
                {{"instance", name}, {"pid", process == workers_.end() ? 0 : process->second.pid}});
      break;
    }
    case State::backoff:
      log_.warn("instance starts again soon", {{"instance", name}, {"because", instance.last_exit}});
      break;
    case State::failed:
      log_.error("instance failed too often; it stays down until `shoal start`",
                 {{"instance", name}, {"because", instance.last_exit}});
      break;
    default: log_.info("instance changes", {{"instance", name}, {"state", fleet::to_string(state)}});
  }
  for (Watcher* watcher : watchers_) watcher->on_state(name, state);
}

void RunningFleet::act(Instance& instance, Action action, Time now) {
  switch (action) {
    case Action::none: return;
    case Action::launch: return launch(instance, now);
    case Action::stop_in_worker:
      return processes_.send(instance.worker,
                             link::Message(link::type::kStop)
                                 .add("name", std::string_view(instance.config.name))
                                 .add("drain_ms", in_ms(options_.drain)),
                             {});
    case Action::kill_worker:
      return kill(instance.worker,
                  instance.config.name + (instance.supervisor.state() == State::stopping ? " did not stop in time"
                                                                                         : " was not ready in time"));
    case Action::wait:
      leave_worker(instance, now);
      instance.close_sockets_at = now + options_.hold_sockets;
      return;
    case Action::give_up:
      leave_worker(instance, now);
      close_sockets(instance.listeners);
      return;
    case Action::finish:
      leave_worker(instance, now);
      instance.close_sockets_at = base::kNever;
      close_sockets(instance.listeners);
      return;
  }
}

void RunningFleet::launch(Instance& instance, Time now) {
  const auto refuse = [&](const std::string& why) {
    instance.last_exit = why;
    handle(instance, Event::refused, now);
  };
  leave_worker(instance, now);  // a restart: the sockets stay, so that no connect is refused
  instance.close_sockets_at = base::kNever;
  if (instance.config.engine == config::Engine::external) return launch_external(instance, now);
  if (!are_open(instance.listeners)) {
    const auto problems = bind(instance);
    if (!problems.empty()) return refuse(problems.front().text());
  }
  std::vector<base::UniqueFd> fds = duplicates(instance.listeners);
  if (fds.size() != instance.listeners.size()) return refuse(kNoDescriptors);
  auto process = process_for(instance);
  if (!process) return refuse(process.error().message);
  instance.worker = (*process)->id;
  ++(*process)->instances;
  BrokerOptions options = instance.config.options;
  instance.serves = instance.config;
  instance.served_urls.clear();
  for (const fleet::BoundListener& listener : instance.listeners) {
    options.listeners.push_back({.url = listener.url});
    instance.served_urls.push_back(listener.url);
  }
  link::Message start = link::to_start(options);
  link::add_worker_threads(start, instance.config.worker_threads);
  processes_.send(instance.worker, noted(std::move(start), instance), std::move(fds));
}

// Instances with the same slot share a process. A group may be called like an instance.
std::string RunningFleet::slot_of(const Instance& instance) {
  const config::InstanceConfig& config = instance.config;
  return config.worker == "own" || instance.moved_out ? "own " + config.name : "group " + config.worker;
}

Result<RunningFleet::Process*> RunningFleet::process_for(const Instance& instance) {
  const std::string slot = slot_of(instance);
  for (auto& [id, process] : workers_)
    if (process.slot == slot && process.kill_at == base::kNever) return &process;
  const std::string name = slot.substr(slot.find(' ') + 1);
  auto spawned = processes_.spawn(slot, name);
  if (!spawned) return std::move(spawned).error();
  log_.info("worker started", {{"worker", name}, {"pid", spawned->pid}});
  processes_.limit(spawned->id, instance.config.worker_limits);
  Process process{.slot = slot, .name = name, .id = spawned->id, .pid = spawned->pid};
  return &workers_.emplace(spawned->id, std::move(process)).first->second;
}

void RunningFleet::leave_worker(Instance& instance, Time now) {
  const auto found = workers_.find(std::exchange(instance.worker, WorkerId::none));
  if (found == workers_.end()) return;
  Process& process = found->second;
  if (--process.instances > 0) return;
  process.kill_at = now + options_.retire_limit;
  processes_.send(process.id, link::Message(link::type::kShutdown).add("drain_ms", 0u), {});
}

void RunningFleet::kill(WorkerId id, std::string because) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  log_.warn("worker is killed", {{"worker", found->second.name}, {"pid", found->second.pid}, {"because", because}});
  found->second.killed_because = std::move(because);
  processes_.kill(id);
}

void RunningFleet::on_message(WorkerId id, const link::Message& message, Time now) {
  const std::string& type = message.type();
  if (type == link::type::kHello) {
    const auto version = message.number("version").value_or(0);
    if (version == link::kVersion) return;
    return kill(id, "it speaks version " + std::to_string(version) + "; shoal and shoal-worker must be of one package");
  }
  Instance* instance = find(message.text("name"));
  if (instance == nullptr || instance->worker != id) return;
  if (message.has("request")) {
    for (Watcher* watcher : watchers_) watcher->on_answer(instance->config.name, message);
  } else if (type == link::type::kReady) {
    handle(*instance, Event::ready, now);
  } else if (type == link::type::kRefused) {
    instance->last_exit = message.text("error");
    handle(*instance, Event::refused, now);
  } else if (type == link::type::kStopped) {
    const bool asked = instance->supervisor.state() == State::stopping;
    instance->last_exit = asked ? "stopped as asked" : "its worker got SIGTERM from somebody";
    handle(*instance, Event::stopped, now);
  } else if (type == link::type::kStats) {
    instance->stats = link::stats_from(message);
    for (Watcher* watcher : watchers_) watcher->on_stats(instance->config.name);
  } else if (type == link::type::kReply) {
    const std::string error(message.text("error"));
    if (!error.empty()) {
      log_.warn("worker could not do it",
                {{"instance", instance->config.name}, {"what", message.text("to")}, {"error", error}});
    }
    if (message.text("to") == link::type::kChange) return changed(*instance, error);
    if (message.text("to") != link::type::kReloadUsers) return;
    for (Watcher* watcher : watchers_) watcher->on_users_reloaded(instance->config.name, error);
  }
}

void RunningFleet::on_exit(WorkerId id, const WorkerEnd& end, Time now) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  const Process gone = found->second;
  const bool its_fault = end.crashed || !gone.hangs_because.empty();
  const std::string during = its_fault ? names_of(end.working_for, id) : "";
  workers_.erase(found);
  std::string how = gone.killed_because.empty() ? end.status : "killed: " + gone.killed_because;
  if (end.crashed && !during.empty()) how += " while it worked for " + during;
  if (gone.instances > 0) log_.warn("worker died", {{"worker", gone.name}, {"pid", gone.pid}, {"how", how}});
  else log_.info("worker ended", {{"worker", gone.name}, {"pid", gone.pid}, {"how", how}});
  for (const std::string& line : end.stacks) log_.warn("stack", {{"worker", gone.name}, {"at", line}});
  for (Instance& instance : instances_) {
    if (instance.worker != id) continue;
    instance.worker = WorkerId::none;
    instance.last_exit = how;
    const bool at_work = std::find(end.working_for.begin(), end.working_for.end(), pulse_id(instance.config.name)) !=
                         end.working_for.end();
    if (its_fault && at_work) blame(instance, gone);
    handle(instance, Event::died, now);
  }
}

bool RunningFleet::is_wanted(std::string_view name) const {
  const Instance* instance = find(name);
  return instance != nullptr && (ending_ || instance->supervisor.wanted());
}

std::vector<std::string> RunningFleet::names() const {
  std::vector<std::string> all;
  for (const Instance& instance : instances_) all.push_back(instance.config.name);
  return all;
}

void RunningFleet::on_time(Time now) {
  forget_gone();
  for (Instance& instance : instances_) {
    if (instance.close_sockets_at <= now) {
      instance.close_sockets_at = base::kNever;
      close_sockets(instance.listeners);
    }
    if (instance.supervisor.deadline() <= now) handle(instance, Event::deadline, now);
  }
  for (auto& [id, process] : workers_) {
    if (process.stacks_at <= now) replace_hanging(process);
    if (process.kill_at > now) continue;
    process.kill_at = now + options_.retire_limit;
    kill(id, "it did not end in time");
  }
}

Time RunningFleet::deadline() const {
  Time first = base::kNever;
  for (const Instance& instance : instances_) {
    first = std::min({first, instance.supervisor.deadline(), instance.close_sockets_at});
  }
  for (const auto& [id, process] : workers_) first = std::min({first, process.kill_at, process.stacks_at});
  return first;
}

std::optional<State> RunningFleet::state(std::string_view name) const {
  const Instance* instance = find(name);
  if (instance == nullptr) return std::nullopt;
  return instance->supervisor.state();
}

std::optional<Stats> RunningFleet::stats(std::string_view name) const {
  const Instance* instance = find(name);
  if (instance == nullptr) return std::nullopt;
  return instance->stats;
}

std::vector<api::Limit> RunningFleet::worker_limits(std::string_view name) const {
  const Instance* instance = find(name);
  return instance && instance->worker != WorkerId::none ? processes_.limits(instance->worker)
                                                        : std::vector<api::Limit>();
}

std::optional<api::Instance> RunningFleet::view(std::string_view name, Time now) const {
  const Instance* found = find(name);
  if (found == nullptr) return std::nullopt;
  const Instance& instance = *found;
  api::Instance view;
  view.name = instance.config.name;
  view.state = fleet::to_string(instance.supervisor.state());
  if (const auto process = workers_.find(instance.worker); process != workers_.end()) view.pid = process->second.pid;
  view.worker = instance.moved_out ? "own" : instance.config.worker;
  if (instance.moved_out) {
    view.notes.push_back("has a worker of its own because worker " + instance.config.worker + " crashed " +
                         std::to_string(instance.crashes) + " times while it worked for it; `shoal restart " +
                         instance.config.name + "` brings it back there");
  }
  for (const fleet::BoundListener& listener : instance.listeners) view.listeners.push_back(listener.url);
  if (is_external(instance)) {
    view.engine = "external";
    view.program = (instance.serves ? *instance.serves : instance.config).external.program;
  } else {
    view.clients = instance.stats.connections_now;
    view.cpu_s = static_cast<double>(instance.stats.cpu_us) * 1e-6;
  }
  view.restarts = instance.supervisor.restarts();
  if (instance.ready_since != base::kNever) {
    view.uptime_s = static_cast<std::uint64_t>(base::duration_cast<base::seconds>(now - instance.ready_since).count());
  }
  view.last_exit = instance.last_exit;
  view.log = instance.config.options.log.file;
  view.state_dir = instance.config.state_dir;
  return view;
}

}  // namespace shoal::controller
