#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "shoal/result.hpp"

namespace shoal::controller {

/// Who listens on a worker's socket.
struct WorkerProcess {
  pid_t pid = 0;
  base::UniqueFd pidfd;  ///< none when it has ended already
};

/// The process behind a socket that `WorkerSockets::connect` made.
WorkerProcess process_behind(const base::UniqueFd& socket);

/// The sockets of workers in a folder, through which a controller finds those of the one before it. A worker is
/// known by its slot: `own NAME` or `group NAME`. A resource; any thread.
class WorkerSockets {
 public:
  /// What to do when the folder is not there.
  enum class Missing { fail, make };
  /// Error: io.
  static Result<WorkerSockets> open(const std::string& folder, Missing missing = Missing::fail);

  /// A listening SOCK_SEQPACKET socket for a worker of that slot, instead of the one that was there. Error: io.
  Result<base::UniqueFd> bind(const std::string& slot);
  /// Connects to the worker of that slot. Errors: unavailable (nobody is there), io.
  Result<base::UniqueFd> connect(const std::string& slot) const;
  /// Whether a worker is there. It does not notice: whoever connects is its controller for as long as that lasts.
  bool has_worker(const std::string& slot) const;
  /// Slots with a socket, sorted; whether a worker is behind it, `has_worker` tells.
  std::vector<std::string> slots() const;
  void remove(const std::string& slot);

 private:
  explicit WorkerSockets(base::UniqueFd folder) : folder_(std::move(folder)) {}

  base::UniqueFd folder_;
};

}  // namespace shoal::controller
