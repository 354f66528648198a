#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/machine.hpp"
#include "controller/running_fleet.hpp"

namespace shoal::controller {

/// Processes that only write down what they are told. Ids count from 1, pids from 1001.
struct FakeProcesses : Processes {
  struct Spawn {
    std::string name;
  };
  struct Sent {
    WorkerId id;
    link::Message message;
    std::size_t fds;
  };

  Result<Spawned> spawn(const std::string&, const std::string& name) override {
    if (!refuse.empty()) return Error{ErrorCode::io, refuse};
    spawned.push_back({name});
    return Spawned{WorkerId{spawned.size()}, static_cast<std::int64_t>(1000 + spawned.size())};
  }
  Result<Spawned> spawn_external(const ExternalBroker& broker) override {
    if (!refuse.empty()) return Error{ErrorCode::io, refuse};
    spawned.push_back({broker.name});
    brokers.push_back(broker);
    return Spawned{WorkerId{spawned.size()}, static_cast<std::int64_t>(1000 + spawned.size())};
  }
  void send(WorkerId id, const link::Message& message, std::vector<base::UniqueFd> fds) override {
    sent.push_back({id, message, fds.size()});
  }
  void kill(WorkerId id) override { killed.push_back(id); }
  WorkerPulse pulse(WorkerId id) const override {
    const auto found = pulses.find(id);
    return found == pulses.end() ? WorkerPulse{} : found->second;
  }
  void ask_stacks(WorkerId id) override { asked_stacks.push_back(id); }
  std::vector<std::string> stacks(WorkerId) const override { return {"thread 1", "  main"}; }
  void limit(WorkerId id, const config::WorkerLimits& limits) override { limited[id] = limits; }
  std::vector<api::Limit> limits(WorkerId id) const override {
    const auto found = limited.find(id);
    if (found == limited.end()) return {};
    return {{.key = "worker_limits.descriptors", .limit = found->second.descriptors, .unit = "count"}};
  }

  /// Type and name of all that a worker was told.
  std::vector<std::string> told(std::uint64_t id) const {
    std::vector<std::string> lines;
    for (const Sent& one : sent)
      if (one.id == WorkerId{id}) lines.push_back(one.message.type() + ' ' + std::string(one.message.text("name")));
    return lines;
  }

  std::string refuse;
  std::vector<Spawn> spawned;
  std::vector<ExternalBroker> brokers;  // of these, the foreign ones
  std::vector<Sent> sent;
  std::vector<WorkerId> killed;
  std::map<WorkerId, WorkerPulse> pulses;
  std::vector<WorkerId> asked_stacks;
  std::map<WorkerId, config::WorkerLimits> limited;
};

/// Sockets that are /dev/null; each instance keeps its port.
struct FakeSockets : Sockets {
  fleet::Bound bind(std::span<const config::InstanceConfig* const> plan) override {
    fleet::Bound bound;
    for (const config::InstanceConfig* instance : plan) {
      if (instance->name == refuse) bound.problems.push_back({instance->at, "port 18000 is held by somebody"});
    }
    if (!bound.problems.empty()) return bound;
    for (const config::InstanceConfig* instance : plan) {
      const int port = ports.emplace(instance->name, 18000 + static_cast<int>(ports.size())).first->second;
      ++binds;
      fleet::BoundListener listener;
      listener.fd.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      listener.url = "mqtt://127.0.0.1:" + std::to_string(port);
      listener.port = static_cast<std::uint16_t>(port);
      given.push_back(listener.fd.get());
      bound.instances.push_back({.name = instance->name, .listeners = {}});
      bound.instances.back().listeners.push_back(std::move(listener));
    }
    return bound;
  }

  std::vector<std::string> urls(const config::InstanceConfig& instance) const override {
    std::vector<std::string> all;
    for (const config::ListenerConfig& listener : instance.listeners) all.push_back(listener.url());
    return all;
  }
  fleet::Bound change(const config::FleetConfig&, std::span<const config::InstanceConfig* const> plan,
                      const fleet::OpenSockets& open, bool only_try) override {
    reused = open.size();
    tried += only_try ? 1 : 0;
    return bind(plan);
  }

  /// How many of the given descriptors are open now.
  std::size_t open() const {
    std::set<int> alive;
    for (const int fd : given)
      if (::fcntl(fd, F_GETFD) >= 0) alive.insert(fd);
    return alive.size();
  }

  std::string refuse;
  std::map<std::string, int> ports;
  std::vector<int> given;
  std::size_t binds = 0;
  std::size_t reused = 0;  // sockets that were there when it changed
  std::size_t tried = 0;
};

/// A fleet of a (own), b (own), lab and lab2 (worker small) on a fake machine with a clock that stands.
struct FakeFleet {
  static config::FleetConfig four_instances() {
    config::FleetConfig config;
    for (const auto& [name, worker] : std::initializer_list<std::pair<const char*, const char*>>{
             {"a", "own"}, {"b", "own"}, {"lab", "small"}, {"lab2", "small"}}) {
      config::InstanceConfig instance;
      instance.name = instance.options.name = name;
      instance.worker = worker;
      instance.listeners.push_back({.host = "127.0.0.1", .ipv6 = false, .port = std::nullopt, .at = {}});
      config.instances.push_back(instance);
    }
    return config;
  }

  void begin() { EXPECT_TRUE(running.apply(four_instances(), {}, now).problems.empty()); }
  void ready(std::string_view name, std::uint64_t worker) {
    running.on_message(WorkerId{worker}, link::Message(link::type::kReady).add("name", name), now);
  }
  void ready_all() {
    ready("a", 1);
    ready("b", 2);
    ready("lab", 3);
    ready("lab2", 3);
  }
  void stopped(std::string_view name, std::uint64_t worker) {
    running.on_message(WorkerId{worker}, link::Message(link::type::kStopped).add("name", name), now);
  }
  void pass_until_deadline() {
    ASSERT_NE(running.deadline(), base::kNever);
    now = running.deadline();
    running.on_time(now);
  }

  base::Time now{base::seconds(1000)};
  FakeProcesses processes;
  FakeSockets sockets;
  base::Log log;
  RunningFleet running{four_instances(), {}, processes, sockets, log};
};

}  // namespace shoal::controller
