#pragma once

#include <utility>

#include "controller/external_processes.hpp"

namespace shoal::controller {

/// `Processes` of both engines: real workers and foreign brokers.
class Engines : public Processes {
 public:
  Engines(Processes& workers, ExternalProcesses& externals) : workers_(workers), externals_(externals) {}

  Result<Spawned> spawn(const std::string& slot, const std::string& name) override {
    return workers_.spawn(slot, name);
  }
  Result<Spawned> spawn_external(const ExternalBroker& broker) override { return externals_.spawn(broker); }
  void send(WorkerId id, const link::Message& message, std::vector<base::UniqueFd> fds) override {
    if (ExternalProcesses::has(id)) externals_.send(id, message);
    else workers_.send(id, message, std::move(fds));
  }
  void kill(WorkerId id) override {
    if (ExternalProcesses::has(id)) externals_.kill(id);
    else workers_.kill(id);
  }
  /// Of a foreign broker nothing is known.
  WorkerPulse pulse(WorkerId id) const override {
    return ExternalProcesses::has(id) ? WorkerPulse{} : workers_.pulse(id);
  }
  void ask_stacks(WorkerId id) override {
    if (!ExternalProcesses::has(id)) workers_.ask_stacks(id);
  }
  std::vector<std::string> stacks(WorkerId id) const override {
    return ExternalProcesses::has(id) ? std::vector<std::string>() : workers_.stacks(id);
  }
  /// A foreign broker is held to nothing.
  void limit(WorkerId id, const config::WorkerLimits& limits) override {
    if (!ExternalProcesses::has(id)) workers_.limit(id, limits);
  }
  std::vector<api::Limit> limits(WorkerId id) const override {
    return ExternalProcesses::has(id) ? std::vector<api::Limit>() : workers_.limits(id);
  }

 private:
  Processes& workers_;
  ExternalProcesses& externals_;
};

}  // namespace shoal::controller
