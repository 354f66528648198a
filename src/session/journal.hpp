#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "session/kept_copy.hpp"
#include "session/message.hpp"

namespace shoal::session {

/// How a session is known to the store.
struct Stored {
  std::uint64_t number = 0;      ///< never used again for another
  std::uint64_t last_batch = 0;  ///< the last one that says something about it
  std::uint32_t slot = 0;        ///< among the sessions that are stored now
  Place first = 0;               ///< the oldest segment with something of it, queue and flight aside
  Place last = 0;                ///< the newest one with anything of it
};

/// Hears what changes of sessions that outlive their connections, so that they outlive the process. What is told
/// survives once the batch under way is committed. One thread, the shard's.
class Journal {
 public:
  /// Number of the batch under way.
  std::uint64_t under_way() const { return under_way_; }
  /// What a packet has to wait for that tells of what `batch` says; 0: of nothing. Such a packet waits from now on.
  std::uint64_t pending(std::uint64_t batch) {
    if (batch <= committed_) return 0;
    awaited_ = std::max(awaited_, batch);
    return batch;
  }
  std::uint64_t pending(const Stored* session) { return session ? pending(session->last_batch) : 0; }

  /// A message waits in the session's queue. Where that is said.
  virtual Place queued(Stored& session, std::uint32_t sequence, const MessageRef& message, const Copy& copy) = 0;
  /// It left the queue without being sent.
  virtual void unqueued(Stored& session, std::uint32_t sequence) = 0;
  /// It left the queue and is in flight.
  virtual void sent(Stored& session, std::uint32_t sequence, std::uint16_t id, std::uint32_t order) = 0;
  /// A message is in flight without having waited. Where that is said.
  virtual Place in_flight(Stored& session, std::uint16_t id, std::uint32_t order, const MessageRef& message,
                          const Copy& copy) = 0;
  /// PUBREC came.
  virtual void received(Stored& session, std::uint16_t id) = 0;
  /// The flow to the client has ended.
  virtual void finished(Stored& session, std::uint16_t id) = 0;
  /// A QoS 2 message was taken from the client; PUBREL came, or it was refused.
  virtual void taken(Stored& session, std::uint16_t id) = 0;
  virtual void released(Stored& session, std::uint16_t id) = 0;

  /// Asks for the bodies of these absent messages, for the session with that client id. Never in the middle of this
  /// they come, or are known to be lost, and `Outbound::arrived` is called with what this returns, which is not 0.
  virtual std::uint32_t read_back(std::string_view client_id, std::vector<MessageRef> messages) = 0;

 protected:
  ~Journal() = default;

  std::uint64_t under_way_ = 1;
  std::uint64_t committed_ = 0;
  std::uint64_t awaited_ = 0;  // the last batch that a packet waits for
};

}  // namespace shoal::session
