#include <algorithm>
#include <charconv>

#include "config/external.hpp"
#include "controller/running_fleet.hpp"

// What is different with foreign brokers: they bind their ports themselves, and can be told nothing but to end.

namespace shoal::controller {
namespace {

using base::Time;
using config::Engine;
using fleet::Event;

std::uint16_t port_of(const std::string& url) {
  std::uint16_t port = 0;
  std::from_chars(url.data() + url.rfind(':') + 1, url.data() + url.size(), port);
  return port;
}

}  // namespace

bool RunningFleet::is_external(const Instance& instance) {
  return (instance.serves ? *instance.serves : instance.config).engine == Engine::external;
}

bool RunningFleet::is_external(std::string_view name) const {
  const Instance* instance = find(name);
  return instance != nullptr && is_external(*instance);
}

bool RunningFleet::goes_over_live(const Instance& instance) {
  return !is_external(instance) && instance.config.engine != Engine::external;
}

// One of the two has the port without the controller: nobody can have it for the time after the restart.
bool RunningFleet::binds_when_it_starts(const Instance& instance, const config::InstanceConfig& wanted) const {
  return is_external(instance) || wanted.engine == Engine::external;
}

std::set<std::uint16_t> RunningFleet::ports_of(const Instance& instance) {
  std::set<std::uint16_t> ports;
  for (const fleet::BoundListener& listener : instance.listeners) ports.insert(port_of(listener.url));
  return ports;
}

bool RunningFleet::wants_one_of(const config::InstanceConfig& wanted, const std::set<std::uint16_t>& ports) const {
  const std::vector<std::string> urls = sockets_.urls(wanted);
  return std::any_of(urls.begin(), urls.end(), [&](const std::string& url) { return ports.contains(port_of(url)); });
}

// Of foreign brokers that end by it. Who wants such a port binds it when he starts, and again until it is free.
std::set<std::uint16_t> RunningFleet::ports_given_up(const fleet::Plan& plan) const {
  using Kind = fleet::Step::Kind;
  std::set<std::uint16_t> ports;
  for (const fleet::Step& step : plan.steps) {
    const Instance* instance = find(step.name);
    const bool ends = step.kind == Kind::remove || step.kind == Kind::restart || step.stops || step.restarts;
    if (instance && ends && instance->serves && is_external(*instance)) ports.merge(ports_of(*instance));
  }
  return ports;
}

void RunningFleet::launch_external(Instance& instance, Time now) {
  const auto refuse = [&](const std::string& why) {
    instance.last_exit = why;
    handle(instance, Event::refused, now);
  };
  instance.listeners.clear();  // of another engine
  instance.moved_out = false;
  const auto problems = bind(instance);
  if (!problems.empty()) {
    close_listeners(instance);
    return refuse(problems.front().text());
  }
  const fleet::BoundListener& listener = instance.listeners.front();
  const config::InstanceConfig& config = instance.config;
  ExternalBroker broker{.name = config.name,
                        .program = config.external.program,
                        .args = config::expand(config, listener.port),
                        .folder = config.state_dir,
                        .log_file = config.options.log.file,
                        .port = listener.port};
  broker.notes.add("name", std::string_view(config.name)).add("listener", std::string_view(listener.url));
  broker.notes = noted(std::move(broker.notes), instance);
  const auto spawned = processes_.spawn_external(broker);
  if (!spawned) return refuse(spawned.error().message);
  log_.info("external broker started",
            {{"instance", config.name}, {"pid", spawned->pid}, {"program", config.external.program}});
  workers_.emplace(spawned->id, Process{.slot = "external " + config.name,
                                        .name = config.name,
                                        .id = spawned->id,
                                        .pid = spawned->pid,
                                        .instances = 1});
  instance.worker = spawned->id;
  instance.serves = config;
  instance.served_urls = {listener.url};
}

}  // namespace shoal::controller
