#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "base/shared.hpp"
#include "base/time.hpp"

namespace shoal::session {

using base::Bytes;
using base::Time;

class MessagePool;
class Message;

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
  MessageList(MessageList&& other) noexcept : MessageList() { take(other); }
  MessageList& operator=(MessageList&& other) noexcept;
  ~MessageList() { clear(); }

  bool empty() const { return ends_.behind == &ends_; }
  /// Not empty.
  const Message& front() const;
  /// Out of the list that it was in.
  void add(const Message& message);
  /// Bytes of topics, properties and payloads; counts no further than it takes to exceed `most`.
  std::uint64_t bytes(std::uint64_t most) const;
  void clear();

 private:
  friend class MessagePool;

  static void leave(MessageLink& link);
  void take(MessageList& other);

  MessageLink ends_;
};

/// How long a message with an expiry of 0 seconds lives: those who can take it at once get it.
inline constexpr base::Duration kMoment{1};
/// When a message that comes `now` expires (3.3.2.3.3).
inline Time expires(Time now, std::uint32_t expiry_s) {
  return now + std::max<base::Duration>(base::seconds(expiry_s), kMoment);
}

/// An application message as it is kept: queued, in flight, retained or as a will. Immutable; one
/// block of memory for everything. Made by a MessagePool.
class Message final : public base::Shared, private MessageLink {
 public:
  std::string_view topic() const { return {reinterpret_cast<const char*>(bytes()), topic_size_}; }
  /// Properties to forward, encoded, without message expiry, alias and subscription identifiers.
  Bytes properties() const { return {bytes() + topic_size_, properties_size_}; }
  Bytes payload() const { return {bytes() + topic_size_ + properties_size_, payload_size_}; }
  std::uint8_t qos() const { return qos_; }
  /// When it expires; `base::kNever` without a message expiry.
  Time expires() const { return expires_; }
  /// What it counts against limits: topic, properties and payload.
  std::size_t size() const { return topic_size_ + properties_size_ + payload_size_; }

  /// Its number in the store; 0: it is not there.
  std::uint64_t stored_number() const { return stored_number_; }
  /// It was written there, once and for all. Whoever has the message may say so: nothing of the message changes.
  void set_stored(std::uint64_t number) const;

 private:
  friend class MessagePool;
  friend class MessageList;
  Message() = default;
  ~Message() = default;

  void destroy() override;
  const std::uint8_t* bytes() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }

  std::uint32_t payload_size_ = 0;  // first: it fits behind the count of uses
  MessagePool* pool_ = nullptr;
  Time expires_ = base::kNever;
  std::uint32_t properties_size_ = 0;
  std::uint16_t topic_size_ = 0;
  std::uint8_t qos_ = 0;
  std::uint8_t size_class_ = 0;
  mutable std::uint64_t stored_number_ = 0;
};

using MessageRef = base::Ref<Message>;

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

  std::size_t count_now() const { return count_now_; }
  /// What a message of `size()` bytes takes.
  static constexpr std::size_t cost(std::size_t size) { return sizeof(Message) + size; }
  /// All messages that somebody keeps, each counted once however many sessions refer to it.
  std::size_t bytes_now() const { return bytes_now_; }
  /// Of these, those that are in the store.
  std::size_t stored_count_now() const { return stored_count_now_; }
  std::size_t stored_bytes_now() const { return stored_bytes_now_; }

 private:
  friend class Message;
  static constexpr std::size_t kClasses = 15;  // 64, 128, 192, ... 512, 1,024, 2,048, ... 65,536 bytes

  struct Free {
    Free* next;
  };

  void give(Message* message);

  Free* free_[kClasses] = {};
  std::size_t kept_bytes_ = 0;
  std::size_t bytes_now_ = 0;
  std::size_t count_now_ = 0;
  std::size_t stored_count_now_ = 0;
  std::size_t stored_bytes_now_ = 0;
};

}  // namespace shoal::session
