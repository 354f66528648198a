#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/log.hpp"
#include "controller/machine.hpp"
#include "controller/orphans.hpp"
#include "controller/worker_limits.hpp"
#include "controller/worker_sockets.hpp"
#include "link/channel.hpp"

namespace shoal::controller {

/// `Processes` of real shoal-worker executables, waited for by pidfd, heard by their control sockets. A
/// child gets a session of its own, /dev/null, this process's stderr and the socket it listens on, nothing
/// else, but stdout when it is for its logs; it outlives this process, and `adopt` finds it again. A resource; lives
/// on the thread that runs `context`.
class WorkerProcesses : public Processes {
 public:
  using OnMessage = std::function<void(WorkerId, const link::Message&)>;
  using OnExit = std::function<void(WorkerId, const WorkerEnd&)>;

  WorkerProcesses(boost::asio::io_context& context, std::string executable, WorkerSockets sockets, base::Log& log,
                  bool logs_to_stdout = false, WorkerLimiter limiter = WorkerLimiter());
  /// Leaves what is left alone.
  ~WorkerProcesses() override;

  void listen(OnMessage on_message, OnExit on_exit);

  /// Takes over the workers that are there. Those that do not answer within five seconds, or speak another version,
  /// are killed. Blocks.
  std::vector<Adopted> adopt();

  Result<Spawned> spawn(const std::string& slot, const std::string& name) override;
  void send(WorkerId id, const link::Message& message, std::vector<base::UniqueFd> fds) override;
  void kill(WorkerId id) override;
  WorkerPulse pulse(WorkerId id) const override;
  void ask_stacks(WorkerId id) override;
  std::vector<std::string> stacks(WorkerId id) const override;
  void limit(WorkerId id, const config::WorkerLimits& limits) override;
  std::vector<api::Limit> limits(WorkerId id) const override;

 private:
  struct Worker;

  // What came of connecting to a worker of the controller before.
  struct Met {
    pid_t pid;
    base::UniqueFd pidfd;
    link::Channel channel;
    Result<Greeting> greeting;
  };
  std::optional<Met> meet(const std::string& slot);
  WorkerId add(std::unique_ptr<Worker> worker);
  void wait_for_exit(WorkerId id, Worker& worker);
  void wait_for_message(WorkerId id, Worker& worker);
  void wait_to_write(WorkerId id, Worker& worker);
  void read(WorkerId id);
  void reap(WorkerId id);
  Worker* find(WorkerId id) const;
  std::vector<std::string> stacks(const Worker& worker) const;

  boost::asio::io_context& context_;
  std::string executable_;
  WorkerSockets sockets_;
  bool logs_to_stdout_;
  WorkerLimiter limiter_;
  base::Log& log_;
  OnMessage on_message_;
  OnExit on_exit_;
  std::map<WorkerId, std::unique_ptr<Worker>> workers_;
  std::uint64_t last_id_ = 0;
};

}  // namespace shoal::controller
