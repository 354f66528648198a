#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "link/message.hpp"
#include "shoal/result.hpp"

namespace shoal::link {

/// Most descriptors that one message may carry (the kernel's SCM_MAX_FD is 253).
inline constexpr std::size_t kDescriptorsMax = 250;

/// What came: a message with its descriptors.
struct Received {
  Message message;
  std::vector<base::UniqueFd> fds;
};

/// One end of a SOCK_SEQPACKET pair. Never blocks: what the kernel does not take at once waits here,
/// with its descriptors, until `flush`. A resource; one thread.
class Channel {
 public:
  /// Takes a connected SOCK_SEQPACKET socket and makes it non-blocking.
  explicit Channel(base::UniqueFd socket);

  /// Two connected ends, both close-on-exec.
  static Result<std::pair<base::UniqueFd, base::UniqueFd>> pair();

  /// To wait on: readable when `receive` has something, writable when `flush` can go on.
  int fd() const { return socket_.get(); }

  /// Sends or queues. Errors: closed (the other end is gone), resource_exhausted (too long, too many
  /// descriptors, or `kQueueMax` messages wait already).
  Result<void> send(const Message& message, std::vector<base::UniqueFd> fds = {});
  /// Sends what waits, as far as possible. Error: closed.
  Result<void> flush();
  bool waiting() const { return !queue_.empty(); }

  /// The next message, or nothing when there is none now. Malformed messages are skipped. Error:
  /// closed (the other end is gone, and everything it said has been read).
  Result<std::optional<Received>> receive();
  /// The other end is closed. What it sent before that is still to be received, and then the error.
  bool hung_up() const;

  static constexpr std::size_t kQueueMax = 16'384;

 private:
  struct Outgoing {
    std::string bytes;
    std::vector<base::UniqueFd> fds;
  };
  enum class Sent { yes, later, closed, failed };
  Sent try_send(const Outgoing& outgoing);

  base::UniqueFd socket_;
  std::deque<Outgoing> queue_;
};

}  // namespace shoal::link
