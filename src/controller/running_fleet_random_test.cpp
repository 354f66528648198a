#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

#include "controller/fake_machine_test.hpp"

namespace shoal::controller {
namespace {

/// Workers that do at random what real ones may do, and keep the books: who has been given which instance, and may
/// have it still.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {
    EXPECT_TRUE(fleet_.running.apply(FakeFleet::four_instances(), {}, fleet_.now).problems.empty());
  }

  void step() {
    fleet_.now += base::milliseconds(random_() % (random_() % 8 == 0 ? 20'000 : 300));
    switch (random_() % 10) {
      case 0: fleet_.running.start(any_name(), fleet_.now); break;
      case 1: fleet_.running.stop(any_name(), fleet_.now); break;
      case 2: fleet_.running.restart(any_name(), fleet_.now); break;
      case 3: apply_something(); break;
      case 4: die(); break;
      case 5: hang(); break;
      default: answer();
    }
    fleet_.running.on_time(fleet_.now);
    read_what_was_sent();
    check();
  }

  // Whatever went before: it comes to an end, and nothing is left.
  void end() {
    fleet_.running.stop_all(fleet_.now);
    for (int i = 0; i < 1000 && !fleet_.running.ended(); ++i) {
      fleet_.now += base::seconds(1);
      fleet_.running.on_time(fleet_.now);
      read_what_was_sent();
      answer();
      read_what_was_sent();
    }
    EXPECT_TRUE(fleet_.running.ended());
    EXPECT_EQ(fleet_.sockets.open(), 0u);
    EXPECT_TRUE(std::none_of(workers_.begin(), workers_.end(), [](const Worker& worker) { return worker.alive; }));
  }

 private:
  struct Worker {
    bool alive = true;
    bool told_to_end = false;
    bool hangs = false;
    std::map<std::string, fleet::State> has{};  // starting, ready or stopping
    std::deque<std::string> changes{};          // instances whose change waits for an answer
  };

  std::string any_name() { return std::vector<std::string>{"a", "b", "lab", "lab2", "new"}[random_() % 5]; }

  void apply_something() {
    config::FleetConfig next = FakeFleet::four_instances();
    for (config::InstanceConfig& instance : next.instances) {
      instance.enabled = random_() % 4 != 0;
      instance.options.limits.connections = random_() % 2 == 0 ? 10 : 20;
      instance.values["limits.connections"] = std::to_string(instance.options.limits.connections);
      if (random_() % 4 == 0) instance.worker = random_() % 2 == 0 ? "own" : "small";
      instance.values["worker"] = instance.worker;
    }
    if (random_() % 3 == 0) next.instances.erase(next.instances.begin() + random_() % 4);
    fleet_.running.apply(next, {.restart = random_() % 2 == 0}, fleet_.now);
  }

  Worker* any_alive() {
    std::vector<Worker*> alive;
    for (Worker& worker : workers_)
      if (worker.alive) alive.push_back(&worker);
    return alive.empty() ? nullptr : alive[random_() % alive.size()];
  }
  WorkerId id_of(const Worker& worker) const {
    return WorkerId{static_cast<std::uint64_t>(&worker - &workers_[0]) + 1};
  }

  void die() {
    if (Worker* const worker = any_alive()) end_of(*worker, random_() % 2 == 0);
  }

  void end_of(Worker& worker, bool crashed) {
    WorkerEnd how{.status = "killed by signal 11 (SEGV)", .crashed = crashed};
    for (const auto& [name, state] : worker.has)
      if (random_() % 2 == 0) how.working_for.push_back(pulse_id(name));
    worker.alive = false;
    worker.has.clear();
    fleet_.processes.pulses.erase(id_of(worker));
    fleet_.running.on_exit(id_of(worker), how, fleet_.now);
  }

  void hang() {
    Worker* const worker = any_alive();
    if (worker == nullptr) return;
    worker->hangs = random_() % 2 == 0;
    fleet_.processes.pulses[id_of(*worker)] =
        worker->hangs ? WorkerPulse{.busy_since = fleet_.now - base::seconds(20)} : WorkerPulse{};
    fleet_.running.watch_workers(fleet_.now);
    fleet_.running.watch_workers(fleet_.now);
  }

  // One of what workers have to say.
  void answer() {
    Worker* const worker = any_alive();
    if (worker == nullptr || worker->hangs) return;
    const auto say = [&](std::string_view type, const std::string& name) {
      link::Message message(type);
      message.add("name", std::string_view(name));
      if (type == link::type::kRefused) message.add("error", std::string_view("no room"));
      if (type == link::type::kReply) message.add("to", link::type::kChange);
      fleet_.running.on_message(id_of(*worker), message, fleet_.now);
    };
    if (!worker->changes.empty()) {
      const std::string name = worker->changes.front();
      worker->changes.pop_front();
      return say(link::type::kReply, name);
    }
    for (auto& [name, state] : worker->has) {
      const std::string who = name;
      if (state == fleet::State::starting) {
        const bool refused = random_() % 4 == 0;
        if (refused) worker->has.erase(who);
        else state = fleet::State::ready;
        return say(refused ? link::type::kRefused : link::type::kReady, who);
      }
      if (state == fleet::State::stopping) {
        worker->has.erase(who);
        return say(link::type::kStopped, who);
      }
    }
    if (worker->told_to_end && worker->has.empty()) end_of(*worker, false);
  }

  void read_what_was_sent() {
    workers_.resize(fleet_.processes.spawned.size());
    for (; read_ < fleet_.processes.sent.size(); ++read_) {
      const FakeProcesses::Sent sent = fleet_.processes.sent[read_];
      Worker& worker = workers_.at(static_cast<std::size_t>(sent.id) - 1);
      if (!worker.alive) continue;
      const std::string name(sent.message.text("name"));
      const std::string& type = sent.message.type();
      if (type == link::type::kStart) {
        for (const Worker& other : workers_) EXPECT_FALSE(other.alive && other.has.contains(name)) << name;
        EXPECT_FALSE(worker.told_to_end) << name;
        EXPECT_EQ(sent.fds, 1u) << name;
        worker.has[name] = fleet::State::starting;
      } else if (type == link::type::kStop && worker.has.contains(name)) {
        worker.has[name] = fleet::State::stopping;
      } else if (type == link::type::kStop) {
        worker.has[name] = fleet::State::stopping;  // it says that it is stopped all the same
      } else if (type == link::type::kChange) {
        worker.changes.push_back(name);
      } else if (type == link::type::kShutdown) {
        worker.told_to_end = true;
      }
    }
    for (; killed_ < fleet_.processes.killed.size(); ++killed_) {
      Worker& worker = workers_.at(static_cast<std::size_t>(fleet_.processes.killed[killed_]) - 1);
      if (worker.alive) end_of(worker, false);
    }
    if (read_ < fleet_.processes.sent.size() || killed_ < fleet_.processes.killed.size()) read_what_was_sent();
  }

  void check() {
    std::size_t sockets_at_most = 0;
    for (const std::string& name : fleet_.running.names()) {
      const auto view = *fleet_.running.view(name, fleet_.now);
      const fleet::State state = *fleet_.running.state(name);
      const auto has = std::count_if(workers_.begin(), workers_.end(),
                                     [&](const Worker& worker) { return worker.alive && worker.has.contains(name); });
      EXPECT_LE(has, 1) << name;
      if (state == fleet::State::ready) {
        EXPECT_EQ(has, 1) << name;
      }
      if (state == fleet::State::stopped || state == fleet::State::failed) {
        EXPECT_EQ(view.pid, 0) << name;
      } else {
        ++sockets_at_most;
      }
      const bool wanted = fleet_.running.is_wanted(name);
      if (state == fleet::State::starting || state == fleet::State::ready || state == fleet::State::backoff) {
        EXPECT_TRUE(wanted) << name;
      } else if (state != fleet::State::stopping) {
        EXPECT_FALSE(wanted) << name;
      }
    }
    EXPECT_LE(fleet_.sockets.open(), sockets_at_most);
    EXPECT_GT(fleet_.running.deadline(), fleet_.now) << "something is due, and was not done";
  }

  FakeFleet fleet_;
  std::mt19937 random_;
  std::vector<Worker> workers_;
  std::size_t read_ = 0;
  std::size_t killed_ = 0;
};

/// The seed is in the trace of a failure.
TEST(RunningFleetRandom, WhateverHappensNobodyIsServedTwiceAndAllComesToAnEnd) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) world.step();
    world.end();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace shoal::controller
