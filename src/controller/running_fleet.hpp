#pragma once

#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/instance.hpp"
#include "base/log.hpp"
#include "base/time.hpp"
#include "config/fleet_config.hpp"
#include "controller/machine.hpp"
#include "fleet/plan.hpp"
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
  /// It serves with other options, or goes on with those it had.
  virtual void on_changed(const std::string& name, const std::string& error) = 0;
  /// A worker's answer to `RunningFleet::ask`, which has the question's `request`.
  virtual void on_answer(const std::string& /*name*/, const link::Message& /*answer*/) {}
};

/// Times of the fleet, beside those of the supervisor's table.
struct FleetOptions {
  fleet::SupervisorOptions supervisor{};
  base::Duration drain = base::seconds(5);         ///< clients of a stopped instance have this long
  base::Duration hold_sockets = base::seconds(2);  ///< in back-off, connects wait this long, then are refused
  base::Duration retire_limit = base::seconds(5);  ///< an empty worker ends within this or is killed
  base::Duration stuck_after = base::seconds(10);  ///< a worker that is busy with one turn for this long is replaced
  base::Duration stacks_wait = base::seconds(1);   ///< its threads have this long to tell where they are
  unsigned crashes_max = 2;                        ///< of a shared worker, then an instance gets one of its own
};

/// All instances and their workers: what should run, what does, and the steps between. No clock, no
/// system calls: time is an argument, the machine an interface. One thread.
class RunningFleet {
 public:
  RunningFleet(config::FleetConfig config, FleetOptions options, Processes& processes, Sockets& sockets,
               base::Log& log);

  /// Adds one who hears; it outlives the fleet.
  void watch(Watcher& watcher) { watchers_.push_back(&watcher); }

  /// Takes over workers of a controller before, and what they have. Ahead of the first `apply`, which then brings them
  /// to what is wanted.
  void take_over(std::vector<Adopted> workers, base::Time now);
  /// Instances that were stopped by hand, from a controller before.
  void hold(const std::vector<std::string>& names);
  std::vector<std::string> held() const;
  /// Drains and stops everything; nothing starts any more.
  void stop_all(base::Time now);
  /// Kills every worker.
  void kill_all();
  /// After `stop_all`: no instance runs and no process is left.
  bool ended() const;

  struct Applied {
    std::vector<config::Problem> problems;   ///< when there are any, nothing was changed
    std::vector<std::string> notes;          ///< ports that had to change, or cannot be remembered
    fleet::Plan plan;                        ///< what is being done
    std::vector<config::Change> controller;  ///< keys of [fleet] that are new with this
    /// Keys of [fleet] that wait for the controller to be executed again, these included.
    std::vector<config::Change> controller_due;
  };
  struct ApplyOptions {
    bool only_try = false;    ///< say what would be done
    bool restart = false;     ///< restart what needs it
    bool one_by_one = false;  ///< a listener that cannot be bound keeps only its own instance from starting
  };
  /// Goes over to another configuration: plans, binds every listener that the plan needs or none, then begins to carry
  /// it out. `Watcher::on_state` and `on_changed` tell how that goes.
  Applied apply(config::FleetConfig next, const ApplyOptions& options, base::Time now);
  /// The worker has not answered to what it was told last.
  bool is_changing(std::string_view name) const;

  /// `external`: it is a foreign broker, of which this cannot be asked.
  enum class Answer { done, already, no_such_instance, ending, external };
  Answer start(std::string_view name, base::Time now);
  Answer stop(std::string_view name, base::Time now);
  Answer restart(std::string_view name, base::Time now);
  /// Asks the worker; `Watcher::on_users_reloaded` answers. `already`: not ready, it reads them when it
  /// starts.
  Answer reload_users(std::string_view name);
  /// Asks the worker for counters; `Watcher::on_stats` answers. False: not ready, nothing will come.
  bool ask_stats(std::string_view name);
  /// In the order of the configuration.
  std::vector<std::string> names() const;
  /// Nobody wants it stopped, unless everything ends.
  bool is_wanted(std::string_view name) const;
  /// Asks the worker; `Watcher::on_answer` answers. False: not ready, nothing will come.
  bool ask(std::string_view name, const link::Message& question);
  void reopen_logs();
  /// Until the fleet ends or the configuration is read again; `controller` names this process's own log.
  Answer set_log_level(std::string_view name, LogLevel level);

  void on_message(WorkerId id, const link::Message& message, base::Time now);
  void on_exit(WorkerId id, const WorkerEnd& end, base::Time now);
  /// Looks whether workers get on, and begins to replace those that hang. Call it every few seconds.
  void watch_workers(base::Time now);
  bool has_workers() const { return !workers_.empty(); }
  /// Does what is due. Call it at `deadline()`, or more often.
  void on_time(base::Time now);
  /// `base::kNever`: nothing is due.
  base::Time deadline() const;

  const config::FleetConfig& config() const { return config_; }
  std::optional<fleet::State> state(std::string_view name) const;
  /// Without counters. `clients` is what was last heard; 0 when it is not ready.
  std::optional<api::Instance> view(std::string_view name, base::Time now) const;
  std::optional<Stats> stats(std::string_view name) const;
  /// Those of its worker, as `Processes::limits`; empty while it has none.
  std::vector<api::Limit> worker_limits(std::string_view name) const;
  /// It is a foreign broker, or will be one when it starts: nobody knows what it counts.
  bool is_external(std::string_view name) const;
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
    unsigned crashes = 0;                              // of a shared worker, while it worked for this one
    bool moved_out = false;                            // for that reason it has a worker of its own
    bool held = false;                                 // stopped by hand
    bool leaving = false;                              // it goes as soon as it is stopped
    std::optional<config::InstanceConfig> serves{};    // what the worker was started with, or went over to
    std::vector<std::string> served_urls{};            // the listeners it has
    std::optional<config::InstanceConfig> changing{};  // what the worker was told and has not answered
    bool change_again = false;                         // there is something newer already
  };
  struct Process {
    std::string slot;  // which instances share it
    std::string name;  // for people
    WorkerId id = WorkerId::none;
    std::int64_t pid = 0;
    unsigned instances = 0;
    base::Time kill_at = base::kNever;  // set: it was told to end, and takes no more instances
    std::string killed_because{};
    base::Time busy_since = base::kNever;    // as seen by the last look
    base::Time halted_since = base::kNever;  // the same
    base::Time stacks_at = base::kNever;     // it hangs: then its threads have told where they are
    std::string hangs_because{};
  };

  std::vector<config::Problem> bind(Instance& instance);
  void close_listeners(Instance& instance);
  void take_over(const Adopted& worker, link::Received& hosted, base::Time now);
  void limit_again(WorkerId id);
  Instance* find(std::string_view name);
  const Instance* find(std::string_view name) const;
  void handle(Instance& instance, fleet::Event event, base::Time now);
  void act(Instance& instance, fleet::Action action, base::Time now);
  void launch(Instance& instance, base::Time now);
  void leave_worker(Instance& instance, base::Time now);
  void kill(WorkerId id, std::string because);
  static std::string slot_of(const Instance& instance);
  Result<Process*> process_for(const Instance& instance);
  void note_state(Instance& instance, fleet::State before, base::Time now);
  // running_fleet_watch.cpp
  void watch(Process& process, base::Time now);
  void replace_hanging(Process& process);
  std::string names_of(const std::vector<std::uint64_t>& ids, WorkerId worker) const;
  void blame(Instance& instance, const Process& gone);
  static link::Message noted(link::Message message, const Instance& instance);
  // running_fleet_external.cpp
  static bool is_external(const Instance& instance);
  static bool goes_over_live(const Instance& instance);
  bool binds_when_it_starts(const Instance& instance, const config::InstanceConfig& wanted) const;
  bool wants_one_of(const config::InstanceConfig& wanted, const std::set<std::uint16_t>& ports) const;
  static std::set<std::uint16_t> ports_of(const Instance& instance);
  std::set<std::uint16_t> ports_given_up(const fleet::Plan& plan) const;
  void launch_external(Instance& instance, base::Time now);
  // running_fleet_apply.cpp
  std::vector<fleet::Observed> observe() const;
  fleet::Bound bind_for(const fleet::Plan& plan, const config::FleetConfig& next, bool only_try);
  void carry_out(const fleet::Step& step, const config::InstanceConfig* wanted, base::Time now);
  void change_worker(Instance& instance);
  void changed(Instance& instance, const std::string& error);
  void forget_gone();

  config::FleetConfig config_;
  const std::map<std::string, std::string> began_with_;  // keys of [fleet]
  FleetOptions options_;
  Processes& processes_;
  Sockets& sockets_;
  base::Log& log_;
  std::vector<Watcher*> watchers_;
  std::list<Instance> instances_;        // in the order of the configuration
  std::map<WorkerId, Process> workers_;  // alive, as far as we know
  bool ending_ = false;
};

}  // namespace shoal::controller
