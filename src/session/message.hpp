#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/shared.hpp"
#include "base/time.hpp"

namespace shoal::session {

using base::Bytes;
using base::Time;

class MessagePool;
class Message;
using MessageRef = base::Ref<Message>;

/// Which segment of the store's log something is in (store::Place).
using Place = std::uint16_t;
/// There are never so many at a time that this is in doubt.
inline bool precedes(Place a, Place b) { return static_cast<std::int16_t>(a - b) < 0; }

/// A place in a MessageList.
struct MessageLink {
  MessageLink* before = nullptr;  ///< null: in none
  MessageLink* behind = nullptr;
};

/// Messages that have something in common, such as a segment of the store's log. Each is in one list at most, and
/// leaves it when nobody keeps it any more; the list itself keeps none. One thread.
class MessageList {
 public:
  MessageList() { ends_ = {&ends_, &ends_}; }
  MessageList(MessageList&& other) noexcept : MessageList() { append(other); }
  MessageList& operator=(MessageList&& other) noexcept;
  ~MessageList() { clear(); }

  bool empty() const { return ends_.behind == &ends_; }
  /// Not empty.
  const Message& front() const;
  /// Out of the list that it was in.
  void add(const Message& message);
  /// All of another list, which is empty then.
  void append(MessageList& other) noexcept;
  /// It is in no list then. Not empty.
  void drop_front() { leave(*ends_.behind); }
  /// The first ones whose bodies can be read back: so many, and so many bytes, at most, but one when there is one.
  std::vector<MessageRef> absent(std::size_t count_max, std::size_t bytes_max) const;
  /// Bytes of topics, properties and payloads; counts no further than it takes to exceed `most`.
  std::uint64_t bytes(std::uint64_t most) const;
  void clear();

 private:
  friend class MessagePool;

  static void leave(MessageLink& link);

  MessageLink ends_;
};

/// How long a message with an expiry of 0 seconds lives: those who can take it at once get it.
inline constexpr base::Duration kMoment{1};
/// When a message that comes `now` expires (3.3.2.3.3).
inline Time expires(Time now, std::uint32_t expiry_s) {
  return now + std::max<base::Duration>(base::seconds(expiry_s), kMoment);
}

/// An application message as it is kept: queued, in flight, retained or as a will. Immutable. A small one is one block
/// of memory. The body of a large one (topic, properties and payload) is a block of its own, which can leave memory
/// while only queues of sessions refer to the message and the store has it: then it is absent. Made by a MessagePool.
class Message final : public base::Shared {
 public:
  /// From so many bytes on it is large.
  static constexpr std::size_t kLarge = 512;

  // What is in the body; it must not be absent.
  std::string_view topic() const { return {reinterpret_cast<const char*>(bytes()), topic_size_}; }
  /// Properties to forward, encoded, without message expiry, alias and subscription identifiers.
  Bytes properties() const { return {bytes() + topic_size_, properties_size_}; }
  Bytes payload() const { return {bytes() + topic_size_ + properties_size_, payload_size_}; }
  /// These, one behind the other.
  Bytes body() const { return {bytes(), size()}; }

  std::size_t topic_size() const { return topic_size_; }
  std::size_t properties_size() const { return properties_size_; }
  std::size_t payload_size() const { return payload_size_; }
  std::uint8_t qos() const { return qos_; }
  /// When it expires; `base::kNever` without a message expiry.
  Time expires() const { return expires_; }
  /// What it counts against limits: topic, properties and payload.
  std::size_t size() const { return topic_size_ + properties_size_ + payload_size_; }

  // What follows changes nothing of the message: whoever has it may say so.

  /// Its number in the store; 0: it is not there.
  std::uint64_t stored_number() const { return storable_ ? filed().number : 0; }
  /// It was written there, once and for all. It was made while its pool had a store.
  void set_stored(std::uint64_t number) const;

  bool large() const { return large_; }
  /// Where in the store a large message is: in which segment, and where in its file the topic begins.
  struct Spot {
    Place place = 0;
    std::uint64_t offset = 0;

    bool operator==(const Spot&) const = default;
  };
  Spot spot() const { return large_ ? Spot{apart().place, apart().offset} : Spot{}; }
  /// Nothing when it is small.
  void set_spot(Spot spot) const;

  /// An entry of a session's queue refers to it, besides the use it owns; or does not any more, or does not want it to
  /// be absent any more.
  void enter_queue() const {
    if (large_) ++apart().queued;
  }
  void leave_queue() const {
    if (large_) --apart().queued;
  }
  /// Its body can leave memory: nothing but queues refers to the message. That its spot survives is for the caller to
  /// know.
  bool evictable() const { return large_ && stored_number() != 0 && apart().body && apart().queued == uses(); }
  /// Gives up the body. `checksum`, of the body, is what is known of it from then on.
  void evict(std::uint32_t checksum) const;
  bool absent() const { return large_ && !apart().body; }
  /// That `evict` was given.
  std::uint32_t checksum() const { return apart().checksum; }
  /// The body is there again; the message is absent.
  void bring_back(Bytes body) const;
  /// It is absent for good: the store does not have it any more.
  void lose() const { apart().lost = true; }
  bool lost() const { return large_ && apart().lost; }

 private:
  friend class MessagePool;
  friend class MessageList;
  // In front of a message that a store may have.
  struct Filed {
    MessageLink link;
    std::uint64_t number = 0;
  };
  // Behind a large message.
  struct Apart {
    std::uint8_t* body = nullptr;  // null: absent
    std::uint64_t offset = 0;
    std::uint32_t checksum = 0;
    std::uint32_t queued = 0;  // uses that are entries of queues which can wait for the body
    Place place = 0;
    bool lost = false;
  };

  Message() = default;
  ~Message() = default;

  void destroy() override;
  // The message in whose front the link is.
  static Message& of(const MessageLink& link) {
    auto* const filed = reinterpret_cast<Filed*>(const_cast<MessageLink*>(&link));
    return *reinterpret_cast<Message*>(filed + 1);
  }
  // To be in a store or a list is not part of what a message is.
  Filed& filed() const {
    assert(storable_);
    return *(reinterpret_cast<Filed*>(const_cast<Message*>(this)) - 1);
  }
  Apart& apart() const { return *reinterpret_cast<Apart*>(const_cast<Message*>(this) + 1); }
  const std::uint8_t* bytes() const {
    if (!large_) return reinterpret_cast<const std::uint8_t*>(this + 1);
    assert(apart().body);
    return apart().body;
  }

  std::uint32_t payload_size_ = 0;
  MessagePool* pool_ = nullptr;
  Time expires_ = base::kNever;
  std::uint32_t properties_size_ = 0;
  std::uint16_t topic_size_ = 0;
  std::uint8_t qos_ : 2 = 0;
  bool large_ : 1 = false;
  bool storable_ : 1 = false;    // there is a Filed in front
  std::uint8_t size_class_ = 0;  // of the body when it is large
};

/// Where messages come from: keeps freed blocks of the common sizes, a bounded number of bytes of
/// them. One per shard; outlives its messages.
class MessagePool {
 public:
  static constexpr std::size_t kKeptBytesMax = 1024 * 1024;

  MessagePool() = default;
  ~MessagePool();
  MessagePool(const MessagePool&) = delete;
  MessagePool& operator=(const MessagePool&) = delete;

  /// Copies the parts. Topic at most 65,535 bytes.
  MessageRef make(std::string_view topic, Bytes payload, Bytes properties, std::uint8_t qos, Time expires);

  /// Whether a store may have what is made from now on; it takes 24 bytes more then. True before the first call.
  void set_storable(bool storable) { storable_ = storable; }

  /// What is free and kept.
  std::size_t kept_bytes() const { return kept_bytes_; }
  /// Frees it.
  void trim();

  std::size_t count_now() const { return count_now_; }
  /// What a message of `size()` bytes takes.
  static constexpr std::size_t cost(std::size_t size) {
    return sizeof(Message::Filed) + sizeof(Message) + (size < Message::kLarge ? 0 : sizeof(Message::Apart)) + size;
  }
  /// Memory of all messages that somebody keeps, each counted once however many sessions refer to it.
  std::size_t bytes_now() const { return bytes_now_; }
  /// Those that are absent, and their bodies.
  std::size_t absent_count_now() const { return absent_count_now_; }
  std::size_t absent_bytes_now() const { return absent_bytes_now_; }
  /// Those that are in the store, absent or not.
  std::size_t stored_count_now() const { return stored_count_now_; }
  std::size_t stored_bytes_now() const { return stored_bytes_now_; }

 private:
  friend class Message;
  static constexpr std::size_t kClasses = 39;  // 24, 40, 56, ... 520, 1,040, 2,080, ... 66,560 bytes

  struct Free {
    Free* next;
  };

  void* take(std::size_t size, std::size_t size_class);
  void put_back(void* block, std::size_t size_class);
  void give(Message* message);

  bool storable_ = true;
  Free* free_[kClasses] = {};
  std::size_t kept_bytes_ = 0;
  std::size_t bytes_now_ = 0;
  std::size_t count_now_ = 0;
  std::size_t absent_count_now_ = 0;
  std::size_t absent_bytes_now_ = 0;
  std::size_t stored_count_now_ = 0;
  std::size_t stored_bytes_now_ = 0;
};

}  // namespace shoal::session
