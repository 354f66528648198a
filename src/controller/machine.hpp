#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "api/limits.hpp"
#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "config/fleet_config.hpp"
#include "fleet/bind.hpp"
#include "link/channel.hpp"
#include "shoal/result.hpp"

// What the fleet needs of the machine, as interfaces: the logic is tested without processes and sockets.
namespace shoal::controller {

/// A worker process of this controller; never reused.
enum class WorkerId : std::uint64_t { none = 0 };

struct Spawned {
  WorkerId id = WorkerId::none;
  std::int64_t pid = 0;
};

/// A worker of the controller before, with what it has.
struct Adopted {
  WorkerId id = WorkerId::none;
  std::int64_t pid = 0;
  std::string slot;                   ///< see `Processes::spawn`; `external NAME` of a foreign broker
  std::vector<link::Received> hosts;  ///< a `hosts` message for each instance, with its sockets
};

/// A foreign broker that is to be started.
struct ExternalBroker {
  std::string name;
  std::string program;
  std::vector<std::string> args;
  std::string folder;      ///< where it works
  std::string log_file;    ///< gets what it says; empty: this process's standard output does
  std::uint16_t port = 0;  ///< where it is to answer
  /// What is to be known of it when it is `Adopted`: fields of a `hosts` message.
  link::Message notes{link::type::kHosts};
};

/// What a worker is doing.
struct WorkerPulse {
  base::Time busy_since = base::kNever;  ///< when the longest turn under way of its reactors began; kNever: they sleep
  std::vector<std::uint64_t> working_for{};  ///< `pulse_id` of instances
  bool halted = false;                       ///< by SIGSTOP or the like: it does nothing at all
};

/// How a worker ended.
struct WorkerEnd {
  std::string status;                        ///< one line, e.g. `killed by signal 9 (KILL)`
  bool crashed = false;                      ///< by its own fault, as far as that can be told
  std::vector<std::uint64_t> working_for{};  ///< as in WorkerPulse, when it ended
  std::vector<std::string> stacks{};         ///< where its threads were, in lines; empty: unknown
};

/// Worker processes. What they say and how they end reaches `RunningFleet::on_message` and `on_exit`,
/// later, never from within a call.
class Processes {
 public:
  virtual ~Processes() = default;
  /// Starts a worker; `name` is for people, by `slot` (`own NAME` or `group NAME`) a later controller finds it. Error:
  /// it cannot be started.
  virtual Result<Spawned> spawn(const std::string& slot, const std::string& name) = 0;
  /// Starts a foreign broker. From then on it is a worker that has this one instance: it tells that it is `ready`, and
  /// that it has `stopped` as it was told, and understands nothing but `stop` and `shutdown`. Error: it cannot be
  /// started.
  virtual Result<Spawned> spawn_external(const ExternalBroker& broker) {
    return Error{ErrorCode::unavailable, broker.program + ": these processes are workers only"};
  }
  /// Says something; when the worker is gone already, `on_exit` is on its way and tells.
  virtual void send(WorkerId id, const link::Message& message, std::vector<base::UniqueFd> fds) = 0;
  /// SIGKILL.
  virtual void kill(WorkerId id) = 0;

  virtual WorkerPulse pulse(WorkerId id) const = 0;
  /// Asks its threads where they are; a moment later `stacks` tells, in lines, what they answered.
  virtual void ask_stacks(WorkerId id) = 0;
  virtual std::vector<std::string> stacks(WorkerId id) const = 0;

  /// What it may take from now on; as far as this machine can hold it to that.
  virtual void limit(WorkerId id, const config::WorkerLimits& limits) = 0;
  /// What came of that: each limit, by what it is in force, and how much is used.
  virtual std::vector<api::Limit> limits(WorkerId id) const = 0;
};

/// The listening sockets of instances.
class Sockets {
 public:
  virtual ~Sockets() = default;
  /// Binds all listeners of all these instances or, with problems, none.
  virtual fleet::Bound bind(std::span<const config::InstanceConfig* const> plan) = 0;
  /// Urls of its listeners while they are closed: an automatic port that it has got already is in them.
  virtual std::vector<std::string> urls(const config::InstanceConfig& instance) const = 0;
  /// The same for a fleet that goes over to another configuration, to which `plan` belongs. `open`: see
  /// `fleet::bind_all`. With problems, or when it is only tried, it stays with the one before.
  virtual fleet::Bound change(const config::FleetConfig& next, std::span<const config::InstanceConfig* const> plan,
                              const fleet::OpenSockets& open, bool only_try) = 0;
};

}  // namespace shoal::controller
