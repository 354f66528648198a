#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "controller/external_records.hpp"
#include "controller/machine.hpp"

namespace shoal::controller {

/// Foreign brokers as if they were workers with one instance: `ready` when one answers a CONNECT, `stopped` when it has
/// ended after a `stop`, which is SIGTERM to it. What else a worker is told they do not understand. They are waited for
/// by pidfd, outlive this process, and are found again by their records (decision 19). A resource; lives on the thread
/// that runs `context`.
class ExternalProcesses {
 public:
  using OnMessage = std::function<void(WorkerId, const link::Message&)>;
  using OnExit = std::function<void(WorkerId, const WorkerEnd&)>;

  ExternalProcesses(boost::asio::io_context& context, const std::string& run_dir, base::Log& log);
  /// Leaves what is left alone.
  ~ExternalProcesses();

  void listen(OnMessage on_message, OnExit on_exit);

  /// Takes over those that are there.
  std::vector<Adopted> adopt();

  /// Is it one of these? Their ids are not those of workers.
  static bool has(WorkerId id);
  Result<Spawned> spawn(const ExternalBroker& broker);
  void send(WorkerId id, const link::Message& message);
  /// SIGKILL, to all processes of its group.
  void kill(WorkerId id);
  /// When all have ended.
  void remove_folder() const { records_.remove_folder(); }

 private:
  struct External;

  External* find(WorkerId id);
  WorkerId add(std::unique_ptr<External> external);
  void probe(WorkerId id, External& external);
  void note(const External& external);
  void wait_for_exit(WorkerId id, External& external);
  void reap(WorkerId id);

  boost::asio::io_context& context_;
  ExternalRecords records_;
  base::Log& log_;
  OnMessage on_message_;
  OnExit on_exit_;
  std::map<WorkerId, std::unique_ptr<External>> externals_;
  std::uint64_t last_id_ = 0;
};

}  // namespace shoal::controller
