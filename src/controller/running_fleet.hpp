#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/instance.hpp"
#include "base/log.hpp"
#include "base/time.hpp"
#include "config/fleet_config.hpp"
#include "controller/machine.hpp"
#include "fleet/supervisor.hpp"
#include "shoal/broker.hpp"

namespace shoal::controller {

/// Hears what happens in the fleet. Called from within the functions of RunningFleet; must not call
/// them back, views excepted.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_state(const std::string& name, fleet::State state) = 0;
  virtual void on_stats(const std::string& name) = 0;
  /// `error` is empty when the users were read.
  virtual void on_users_reloaded(const std::string& name, const std::string& error) = 0;
  /// A worker's answer to `RunningFleet::ask`, which has the question's `request`.
  virtual void on_answer(const std::string& /*name*/, const link::Message& /*answer*/) {}
};

/// Times of the fleet, beside those of the supervisor's table.
struct FleetOptions {
  fleet::SupervisorOptions supervisor{};
  base::Duration drain = base::seconds(5);         ///< clients of a stopped instance have this long
  base::Duration hold_sockets = base::seconds(2);  ///< in back-off, connects wait this long, then are refused
  base::Duration retire_limit = base::seconds(5);  ///< an empty worker ends within this or is killed
};

/// All instances and their workers: what should run, what does, and the steps between. No clock, no
/// system calls: time is an argument, the machine an interface. One thread.
class RunningFleet {
 public:
  RunningFleet(config::FleetConfig config, FleetOptions options, Processes& processes, Sockets& sockets,
               base::Log& log);

  /// Adds one who hears; it outlives the fleet.
  void watch(Watcher& watcher) { watchers_.push_back(&watcher); }

  /// Binds the listeners of every instance. All problems, each with its place; when there are any,
  /// nothing stays bound.
  std::vector<config::Problem> bind_all();
  void start_all(base::Time now);
  /// Drains and stops everything; nothing starts any more.
  void stop_all(base::Time now);
  /// Kills every worker.
  void kill_all();
  /// After `stop_all`: no instance runs and no process is left.
  bool ended() const;

  enum class Answer { done, already, no_such_instance, ending };
  Answer start(std::string_view name, base::Time now);
  Answer stop(std::string_view name, base::Time now);
  Answer restart(std::string_view name, base::Time now);
  /// Asks the worker; `Watcher::on_users_reloaded` answers. `already`: not ready, it reads them when it
  /// starts.
  Answer reload_users(std::string_view name);
  /// Asks the worker for counters; `Watcher::on_stats` answers. False: not ready, nothing will come.
  bool ask_stats(std::string_view name);
  /// Asks the worker; `Watcher::on_answer` answers. False: not ready, nothing will come.
  bool ask(std::string_view name, const link::Message& question);
  void reopen_logs();

  void on_message(WorkerId id, const link::Message& message, base::Time now);
  /// `status`: one line, e.g. `killed by signal 9 (KILL)`.
  void on_exit(WorkerId id, const std::string& status, base::Time now);
  /// Does what is due. Call it at `deadline()`, or more often.
  void on_time(base::Time now);
  /// `base::kNever`: nothing is due.
  base::Time deadline() const;

  const config::FleetConfig& config() const { return config_; }
  std::optional<fleet::State> state(std::string_view name) const;
  /// Without counters. `clients` is what was last heard; 0 when it is not ready.
  std::optional<api::Instance> view(std::string_view name, base::Time now) const;
  std::optional<Stats> stats(std::string_view name) const;
  /// True when every instance is ready or will not be without help or another try.
  bool settled() const;

 private:
  struct Instance {
    config::InstanceConfig config;
    fleet::Supervisor supervisor;
    std::vector<fleet::BoundListener> listeners{};  // the urls stay when the sockets are closed
    WorkerId worker = WorkerId::none;               // whose process hosts it, or shall
    base::Time ready_since = base::kNever;
    base::Time close_sockets_at = base::kNever;
    std::string last_exit{};
    Stats stats{};
  };
  struct Process {
    std::string slot;  // which instances share it
    std::string name;  // for people
    WorkerId id = WorkerId::none;
    std::int64_t pid = 0;
    unsigned instances = 0;
    base::Time kill_at = base::kNever;  // set: it was told to end, and takes no more instances
    std::string killed_because{};
  };

  std::vector<config::Problem> bind(const std::vector<Instance*>& instances);
  Instance* find(std::string_view name);
  const Instance* find(std::string_view name) const;
  void handle(Instance& instance, fleet::Event event, base::Time now);
  void act(Instance& instance, fleet::Action action, base::Time now);
  void launch(Instance& instance, base::Time now);
  void leave_worker(Instance& instance, base::Time now);
  void kill(WorkerId id, std::string because);
  Result<Process*> process_for(const Instance& instance);
  void note_state(Instance& instance, fleet::State before, base::Time now);

  config::FleetConfig config_;
  FleetOptions options_;
  Processes& processes_;
  Sockets& sockets_;
  base::Log& log_;
  std::vector<Watcher*> watchers_;
  std::vector<Instance> instances_;      // in the order of the configuration
  std::map<WorkerId, Process> workers_;  // alive, as far as we know
  bool ending_ = false;
};

}  // namespace shoal::controller
