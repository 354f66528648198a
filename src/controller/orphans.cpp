#include "controller/orphans.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "controller/external_orphans.hpp"
#include "controller/worker_sockets.hpp"

namespace shoal::controller {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// False when the time is over.
bool wait_for(const link::Channel& channel, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now()).count();
  pollfd wanted{.fd = channel.fd(), .events = POLLIN, .revents = 0};
  return left > 0 && ::poll(&wanted, 1, static_cast<int>(left)) == 1;
}

/// Of all that can be reached.
std::vector<link::Channel> channels(const std::string& run_dir) {
  std::vector<link::Channel> found;
  auto sockets = WorkerSockets::open(run_dir + "/workers");
  if (!sockets) return found;
  for (const std::string& slot : sockets->slots()) {
    auto socket = sockets->connect(slot);
    if (socket) found.emplace_back(std::move(*socket));
    else if (socket.error().code == ErrorCode::unavailable) sockets->remove(slot);
  }
  return found;
}

}  // namespace

Result<Greeting> hear_greeting(link::Channel& channel, milliseconds limit) {
  const auto until = Clock::now() + limit;
  Greeting greeting;
  bool hello = false;
  for (;;) {
    auto received = channel.receive();
    if (!received) return std::move(received).error();
    if (!received->has_value()) {
      if (!wait_for(channel, until)) return Error{ErrorCode::unavailable, "the worker does not answer"};
      continue;
    }
    link::Received& one = **received;
    if (one.message.type() == link::type::kHello) {
      greeting.hello = one.message;
      greeting.page = std::move(one.fds);
      hello = true;
    } else if (one.message.type() == link::type::kHosts) {
      greeting.hosts.push_back(std::move(one));
    }
    if (hello && greeting.hosts.size() >= greeting.hello.number("instances").value_or(0)) return greeting;
  }
}

Ended end_orphans(const std::string& run_dir, milliseconds drain, milliseconds limit) {
  const auto until = Clock::now() + limit;
  ExternalOrphans externals(run_dir);
  externals.terminate();
  std::vector<link::Channel> workers = channels(run_dir);
  Ended ended{.workers = workers.size() + externals.size()};
  const auto shutdown = link::Message(link::type::kShutdown)
                            .add("drain_ms", static_cast<std::uint64_t>(std::max<std::int64_t>(0, drain.count())));
  for (link::Channel& worker : workers) (void)worker.send(shutdown);
  for (link::Channel& worker : workers) {
    for (;;) {
      auto received = worker.receive();
      if (!received) break;  // it has ended
      if (received->has_value() || wait_for(worker, until)) continue;
      ++ended.left;
      break;
    }
  }
  ended.left += externals.wait(until);
  (void)channels(run_dir);  // removes what is left of those that ended
  if (ended.left == 0) {
    for (const char* left : {"/held", "/control.sock"}) ::unlink((run_dir + left).c_str());
  }
  return ended;
}

std::size_t count_orphans(const std::string& run_dir) {
  const std::size_t externals = ExternalOrphans(run_dir).size();
  auto sockets = WorkerSockets::open(run_dir + "/workers");
  if (!sockets) return externals;
  const std::vector<std::string> slots = sockets->slots();
  return externals + static_cast<std::size_t>(std::count_if(slots.begin(), slots.end(), [&](const std::string& slot) {
           return sockets->has_worker(slot);
         }));
}

}  // namespace shoal::controller
