#include <charconv>

#include "controller/running_fleet.hpp"
#include "link/fields.hpp"

// Workers outlive their controller; the next one takes them over. What it has to know of an instance besides its
// options the worker keeps as notes.

namespace shoal::controller {
namespace {

using base::Time;
using fleet::Event;
using fleet::State;

constexpr std::string_view kKey = "note.key.";
constexpr std::string_view kRestarts = "note.restarts";
constexpr std::string_view kLastExit = "note.last_exit";
constexpr std::string_view kCrashes = "note.crashes";
constexpr std::string_view kMovedOut = "note.moved_out";

State told_state(const link::Message& message) {
  const std::string_view state = message.text("state");
  return state == "ready" ? State::ready : state == "stopping" ? State::stopping : State::starting;
}

/// `own NAME`, `group NAME` or `external NAME`.
std::string worker_of(const std::string& slot) {
  return slot.starts_with("group ") ? slot.substr(slot.find(' ') + 1) : "own";
}

/// Of a foreign broker only what it was told is known, by its written keys.
void take_over_external(const std::string& slot, const link::Message& told, config::InstanceConfig& serves) {
  if (!slot.starts_with("external ")) return;
  serves.engine = config::Engine::external;
  serves.external.program = told.text(std::string(kKey) + "program");
}

}  // namespace

link::Message RunningFleet::noted(link::Message message, const Instance& instance) {
  const config::InstanceConfig& config = instance.changing ? *instance.changing : instance.config;
  for (const auto& [key, value] : config.values) message.add(std::string(kKey) + key, std::string_view(value));
  message.add(kRestarts, instance.supervisor.restarts());
  message.add(kLastExit, std::string_view(instance.last_exit));
  message.add(kCrashes, instance.crashes);
  if (instance.moved_out) message.add(kMovedOut, 1u);
  return message;
}

void RunningFleet::take_over(std::vector<Adopted> workers, Time now) {
  for (Adopted& worker : workers) {
    const std::string name = worker.slot.substr(worker.slot.find(' ') + 1);
    workers_.emplace(worker.id, Process{.slot = worker.slot, .name = name, .id = worker.id, .pid = worker.pid});
    log_.info("worker taken over", {{"worker", name}, {"pid", worker.pid}, {"instances", worker.hosts.size()}});
    for (link::Received& hosted : worker.hosts) take_over(worker, hosted, now);
    Process& process = workers_.at(worker.id);
    limit_again(worker.id);
    if (process.instances > 0) continue;
    process.kill_at = now + options_.retire_limit;
    processes_.send(worker.id, link::Message(link::type::kShutdown).add("drain_ms", 0u), {});
  }
}

void RunningFleet::take_over(const Adopted& worker, link::Received& hosted, Time now) {
  const link::Message& told = hosted.message;
  const std::string name(told.text("name"));
  auto options = link::options_from(told);
  config::InstanceConfig serves;
  if (options) serves.options = std::move(*options);
  std::vector<std::string> urls;
  for (const ListenerOptions& listener : serves.options.listeners) urls.push_back(listener.url);
  serves.options.listeners.clear();
  serves.name = name;
  serves.worker = worker_of(worker.slot);
  serves.state_dir = config_.state_dir + '/' + name;
  take_over_external(worker.slot, told, serves);
  for (const auto& [key, value] : told.fields())
    if (key.starts_with(kKey)) serves.values[key.substr(kKey.size())] = value;

  Instance* instance = find(name);
  const bool unknown = instance == nullptr;
  if (unknown) {
    instances_.push_back({.config = serves, .supervisor = fleet::Supervisor(options_.supervisor)});
    instance = &instances_.back();
  }
  instance->leaving = unknown;
  instance->worker = worker.id;
  ++workers_.at(worker.id).instances;
  instance->serves = std::move(serves);
  instance->served_urls = urls;
  instance->last_exit = told.text(kLastExit);
  instance->crashes = static_cast<unsigned>(told.number(kCrashes).value_or(0));
  instance->moved_out = told.has(kMovedOut);
  instance->listeners.clear();
  for (std::size_t i = 0; i < urls.size(); ++i) {
    fleet::BoundListener& listener = instance->listeners.emplace_back(fleet::BoundListener{.fd = {}, .url = urls[i]});
    if (i < hosted.fds.size()) listener.fd = std::move(hosted.fds[i]);
    const std::string_view port = std::string_view(listener.url).substr(listener.url.rfind(':') + 1);
    std::from_chars(port.data(), port.data() + port.size(), listener.port);
  }
  const State state = told_state(told);
  instance->supervisor.adopt(state, static_cast<unsigned>(told.number(kRestarts).value_or(0)), now);
  if (state == State::ready) instance->ready_since = now - base::milliseconds(told.number("ready_ms").value_or(0));
  if (unknown) handle(*instance, Event::stop, now);
}

// As one of its instances is configured now: they agree.
void RunningFleet::limit_again(WorkerId id) {
  for (const Instance& instance : instances_) {
    const config::InstanceConfig* wanted = instance.worker == id ? config_.find(instance.config.name) : nullptr;
    if (wanted) return processes_.limit(id, wanted->worker_limits);
  }
}

void RunningFleet::hold(const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (Instance* instance = find(name)) instance->held = !instance->supervisor.wanted();
}

std::vector<std::string> RunningFleet::held() const {
  std::vector<std::string> names;
  for (const Instance& instance : instances_)
    if (instance.held && !instance.leaving) names.push_back(instance.config.name);
  return names;
}

}  // namespace shoal::controller
