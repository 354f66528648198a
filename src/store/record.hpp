#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"

// What can be said in a batch. A record sets or removes one thing; to set what is there replaces it, to remove what
// is not there changes nothing. So things can be said again behind everything else, and the records in front of
// that may go. Sessions, messages and groups have numbers that are never used again. docs/formats/store.md has the
// bytes.

namespace shoal::store {

/// Milliseconds since 1970 by the machine's clock; 0: never, or none.
using WallMs = std::uint64_t;

/// A will that waits; its message has a record of its own.
struct WillRecord {
  std::uint64_t message = 0;
  std::uint32_t delay_s = 0;
  std::optional<std::uint32_t> expiry_s;
  bool retain = false;

  bool operator==(const WillRecord&) const = default;
};

struct SessionRecord {
  std::uint64_t number = 0;
  std::string_view client_id;
  std::uint32_t expiry_s = 0;  ///< 0: ends with its connection; UINT32_MAX: never
  WallMs since = 0;            ///< when its connection went; 0: it has one
  std::optional<WillRecord> will;

  bool operator==(const SessionRecord&) const = default;
};

struct SessionGone {
  std::uint64_t number = 0;

  bool operator==(const SessionGone&) const = default;
};

struct SubscriptionRecord {
  std::uint64_t session = 0;
  std::string_view filter;  ///< `$share/…` included
  std::uint8_t qos = 0;
  bool no_local = false;
  bool retain_as_published = false;
  std::uint32_t id = 0;  ///< 0: none

  bool operator==(const SubscriptionRecord&) const = default;
};

struct SubscriptionGone {
  std::uint64_t session = 0;
  std::string_view filter;

  bool operator==(const SubscriptionGone&) const = default;
};

/// An application message; nothing tells that it is gone: nobody refers to it any more.
struct MessageRecord {
  std::uint64_t number = 0;
  WallMs expires = 0;
  std::uint8_t qos = 0;
  std::string_view topic;
  base::Bytes properties;  ///< to forward
  base::Bytes payload;
};

/// How a session gets a message.
struct CopyRecord {
  std::uint64_t message = 0;
  std::uint8_t qos = 0;
  bool retain = false;
  std::uint32_t group = 0;             ///< the shared subscription's number; 0: ordinary ones
  std::span<const std::uint32_t> ids;  ///< subscription identifiers
};

/// A message waits in a session's queue, behind those with a lower `sequence` (which wraps).
struct Queued {
  std::uint64_t session = 0;
  std::uint32_t sequence = 0;
  CopyRecord copy;
};

/// It does not any more, and was not sent.
struct Unqueued {
  std::uint64_t session = 0;
  std::uint32_t sequence = 0;

  bool operator==(const Unqueued&) const = default;
};

/// A message is in flight to the client, as the packet identifier `id`, after those with a lower `order` (which
/// wraps).
struct InFlight {
  std::uint64_t session = 0;
  std::uint16_t id = 0;
  std::uint32_t order = 0;
  bool released = false;  ///< PUBREC came: only PUBREL is sent again, and `copy` has no message
  CopyRecord copy;
};

/// What waited with this sequence is in flight.
struct Sent {
  std::uint64_t session = 0;
  std::uint32_t sequence = 0;
  std::uint16_t id = 0;
  std::uint32_t order = 0;

  bool operator==(const Sent&) const = default;
};

/// PUBREC came.
struct Received {
  std::uint64_t session = 0;
  std::uint16_t id = 0;

  bool operator==(const Received&) const = default;
};

/// The flow has ended.
struct Finished {
  std::uint64_t session = 0;
  std::uint16_t id = 0;

  bool operator==(const Finished&) const = default;
};

/// A QoS 2 message was taken from the client.
struct Taken {
  std::uint64_t session = 0;
  std::uint16_t id = 0;

  bool operator==(const Taken&) const = default;
};

/// PUBREL came, or the message was refused.
struct Released {
  std::uint64_t session = 0;
  std::uint16_t id = 0;

  bool operator==(const Released&) const = default;
};

/// A message is the retained one of its topic, which is said here, too: the message may come behind this.
struct Retained {
  std::uint64_t message = 0;
  std::string_view topic;  ///< empty in a record of format 1: that of the message, which comes in front of it

  bool operator==(const Retained&) const = default;
};

struct RetainedGone {
  std::string_view topic;

  bool operator==(const RetainedGone&) const = default;
};

/// A shared subscription, whose members' sessions subscribe to `filter` (`$share/…`).
struct GroupRecord {
  std::uint32_t number = 0;
  std::string_view filter;

  bool operator==(const GroupRecord&) const = default;
};

struct GroupGone {
  std::uint32_t number = 0;

  bool operator==(const GroupGone&) const = default;
};

/// A message waits for one of the group's members.
struct GroupQueued {
  std::uint32_t group = 0;
  std::uint32_t sequence = 0;
  std::uint64_t message = 0;
  bool retain = false;

  bool operator==(const GroupQueued&) const = default;
};

struct GroupUnqueued {
  std::uint32_t group = 0;
  std::uint32_t sequence = 0;

  bool operator==(const GroupUnqueued&) const = default;
};

/// Nothing, but that the instance was there when the batch ended.
struct Alive {
  bool operator==(const Alive&) const = default;
};

using Record = std::variant<SessionRecord, SessionGone, SubscriptionRecord, SubscriptionGone, MessageRecord, Queued,
                            Unqueued, InFlight, Sent, Received, Finished, Taken, Released, Retained, RetainedGone,
                            GroupRecord, GroupGone, GroupQueued, GroupUnqueued, Alive>;

/// Appends records to a buffer, behind room for what goes in front of them. A value with the buffer's memory; one
/// thread.
class RecordWriter {
 public:
  explicit RecordWriter(std::size_t front = 0) : front_(front), size_(front) {}

  void put(const SessionRecord& record);
  void put(const SessionGone& record);
  void put(const SubscriptionRecord& record);
  void put(const SubscriptionGone& record);
  void put(const MessageRecord& record);
  void put(const Queued& record);
  void put(const Unqueued& record);
  void put(const InFlight& record);
  void put(const Sent& record);
  void put(const Received& record);
  void put(const Finished& record);
  void put(const Taken& record);
  void put(const Released& record);
  void put(const Retained& record);
  void put(const RetainedGone& record);
  void put(const GroupRecord& record);
  void put(const GroupGone& record);
  void put(const GroupQueued& record);
  void put(const GroupUnqueued& record);
  void put(const Alive& record);

  bool empty() const { return size_ == front_; }
  /// Everything, the room in front included.
  std::size_t size() const { return size_; }
  /// The same; without a record there is nothing. For whoever fills the room.
  std::span<std::uint8_t> bytes() { return std::span(memory_).first(empty() ? 0 : size_); }
  /// Forgets the records. Their memory stays while as much is needed again and again.
  void clear();
  /// Gives that memory back, too, when there are no records.
  void shrink() {
    if (empty()) memory_ = std::vector<std::uint8_t>();  // `{}` would only clear it
  }

 private:
  class Out;
  std::uint8_t* room(std::size_t size);

  std::vector<std::uint8_t> memory_;
  std::size_t front_;
  std::size_t size_;
  unsigned small_ = 0;  // times in a row that much less was needed
};

/// Reads records one by one. Texts and bytes of a record refer to the bytes read, its `ids` to this reader until the
/// next one.
class RecordReader {
 public:
  explicit RecordReader(base::Bytes bytes) : rest_(bytes) {}

  /// False at the end, and when the rest is no record: `malformed` tells.
  bool next(Record& record);
  bool malformed() const { return malformed_; }

 private:
  class In;

  base::Bytes rest_;
  bool malformed_ = false;
  std::vector<std::uint32_t> ids_;
};

}  // namespace shoal::store
