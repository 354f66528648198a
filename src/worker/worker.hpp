#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "base/unique_fd.hpp"
#include "link/channel.hpp"
#include "shoal/broker.hpp"
#include "shoal/runtime.hpp"

namespace shoal::worker {

/// Hosts instances for a controller, which it hears through a control channel. Uses the public API
/// only. A resource; everything happens on the thread of `run`, but that brokers are started by another one: to read
/// what survived may take long, and the others go on meanwhile.
class Worker {
 public:
  /// `control`: connected SOCK_SEQPACKET socket to the controller. `signals`: a signalfd of TERM (drain
  /// and end) and USR1 (reopen logs), or none.
  Worker(base::UniqueFd control, base::UniqueFd signals);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Serves until the controller says `shutdown` or goes away, or TERM comes, and everything is
  /// drained. Error: the machine refuses what a worker needs (descriptors).
  Result<void> run();

 private:
  struct Hosted;
  struct Starting;

  Result<void> prepare();
  void on_control();
  void on_signal();
  void on_event();
  Starting* find_starting(std::string_view name);
  void start_next();
  void on_started();
  void end_drained();
  void obey(link::Received received);
  void start(link::Received& received);
  void stop(const std::string& name, std::chrono::milliseconds drain);
  void reload_users(const std::string& name);
  void reopen_logs();
  void tell_stats(std::string_view name);
  void tell_clients(const link::Message& question);
  void disconnect(const link::Message& question);
  void shutdown(std::chrono::milliseconds drain);
  void end_when_empty();
  void lose_controller();
  void send(const link::Message& message);
  void want_write(bool wanted);

  link::Channel channel_;
  base::UniqueFd signals_;
  base::UniqueFd poll_;    // epoll of the channel, so that waiting to write can be watched as reading
  base::UniqueFd events_;  // eventfd: some instance is started, or drained
  bool connected_ = true;
  bool write_wanted_ = false;
  bool ending_ = false;
  Runtime runtime_;
  std::map<std::string, std::unique_ptr<Hosted>, std::less<>> hosted_;  // gone before the runtime
  std::deque<std::unique_ptr<Starting>> starting_;                      // the first one is being started
  std::thread starter_;                                                 // while there is one
};

/// What shoal-worker does: dispositions of signals, limits, then a Worker on `control_fd`. Returns the
/// exit code: 0 done, 1 failed, 2 when `control_fd` is no control socket.
int worker_main(int control_fd);

}  // namespace shoal::worker
