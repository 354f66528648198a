#include "controller/orphans.hpp"

#include <unistd.h>

#include <algorithm>

#include "controller/external_orphans.hpp"
#include "controller/wait_readable.hpp"
#include "controller/worker_sockets.hpp"

namespace shoal::controller {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Orphan {
  link::Channel channel;
  base::UniqueFd process;
};

/// All that can be reached.
std::vector<Orphan> orphans(const std::string& run_dir) {
  std::vector<Orphan> found;
  auto sockets = WorkerSockets::open(run_dir + "/workers");
  if (!sockets) return found;
  for (const std::string& slot : sockets->slots()) {
    auto socket = sockets->connect(slot);
    if (socket) {
      base::UniqueFd process = process_behind(*socket).pidfd;
      found.push_back({link::Channel(std::move(*socket)), std::move(process)});
    } else if (socket.error().code == ErrorCode::unavailable) {
      sockets->remove(slot);
    }
  }
  return found;
}

/// A worker closes its channel a little before it is gone. False when the time is over.
bool wait_for_end(Orphan& orphan, Clock::time_point until) {
  for (;;) {
    auto received = orphan.channel.receive();
    if (!received) return !orphan.process || wait_readable(orphan.process.get(), until);
    if (!received->has_value() && !wait_readable(orphan.channel.fd(), until)) return false;
  }
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
      if (!wait_readable(channel.fd(), until)) return Error{ErrorCode::unavailable, "the worker does not answer"};
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
  std::vector<Orphan> workers = orphans(run_dir);
  Ended ended{.workers = workers.size() + externals.size()};
  const auto shutdown = link::Message(link::type::kShutdown)
                            .add("drain_ms", static_cast<std::uint64_t>(std::max<std::int64_t>(0, drain.count())));
  for (Orphan& worker : workers) (void)worker.channel.send(shutdown);
  for (Orphan& worker : workers) ended.left += wait_for_end(worker, until) ? 0 : 1;
  ended.left += externals.wait(until);
  (void)orphans(run_dir);  // removes what is left of those that ended
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
