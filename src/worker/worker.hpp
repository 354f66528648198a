#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/unique_fd.hpp"
#include "link/channel.hpp"
#include "link/worker_page.hpp"
#include "shoal/broker.hpp"
#include "shoal/runtime.hpp"

namespace shoal::worker {

/// Hosts instances for a controller that connects to its socket. When that one goes it serves on, and tells the next
/// one what it has. Uses the public API only. A resource; everything happens on the thread of `run`, but that brokers
/// are started by another one: to read what survived may take long, and the others go on meanwhile.
class Worker {
 public:
  /// `listening`: SOCK_SEQPACKET socket that controllers connect to, one at a time. `signals`: a signalfd of TERM
  /// (drain and end) and USR1 (reopen logs), or none.
  Worker(base::UniqueFd listening, base::UniqueFd signals);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Serves until a controller says `shutdown`, or TERM comes, and everything is drained; or until it has neither
  /// a controller nor an instance. Error: the machine refuses what a worker needs (descriptors), or no controller
  /// comes within ten seconds.
  Result<void> run();

  /// What it shows its controller; null when there was no memory for it.
  link::WorkerPage* page() { return page_.page(); }

 private:
  struct Hosted;
  struct Starting;

  Result<void> prepare();
  void on_control();
  void hear();
  void meet_controllers();
  void greet();
  void on_signal();
  void on_event();
  Starting* find_starting(std::string_view name);
  void start_next();
  void on_started();
  void end_drained();
  void note_trouble(const std::string& name, std::string_view trouble);
  void tell_troubles();
  void obey(link::Received received);
  void start(link::Received& received);
  void change(link::Received received);
  void stop(const std::string& name, std::chrono::milliseconds drain);
  void reload_users(const std::string& name);
  void reopen_logs();
  void set(const std::string& name, const link::Message& message);
  void set_log_level(const std::string& name, LogLevel level);
  void tell_stats(std::string_view name);
  void tell_clients(const link::Message& question);
  void disconnect(const link::Message& question);
  void shutdown(std::chrono::milliseconds drain);
  void end_when_empty();
  void lose_controller();
  void send(const link::Message& message, std::vector<base::UniqueFd> fds = {});
  void want_write(bool wanted);

  base::UniqueFd listening_;
  std::optional<link::Channel> channel_;  // none: no controller
  base::UniqueFd signals_;
  base::UniqueFd poll_;    // epoll of these two, so that waiting to write can be watched as reading
  base::UniqueFd events_;  // eventfd: some instance is started, or drained
  bool write_wanted_ = false;
  bool ending_ = false;
  link::PageMapping page_;
  std::mutex troubles_mutex_;
  std::vector<std::pair<std::string, std::string>> troubles_;  // with logs: instance, and what it is
  Runtime runtime_;
  std::map<std::string, std::unique_ptr<Hosted>, std::less<>> hosted_;  // gone before the runtime
  std::deque<std::unique_ptr<Starting>> starting_;                      // the first one is being started
  std::thread starter_;                                                 // while there is one
};

/// What shoal-worker does: dispositions of signals, an end without memory, then a Worker on `control_fd`, a bound
/// socket. Returns the exit code: 0 done, 1 failed, 2 when `control_fd` is no control socket.
int worker_main(int control_fd);

}  // namespace shoal::worker
