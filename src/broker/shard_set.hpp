#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <string_view>

#include "base/text_hash.hpp"
#include "io/mailbox.hpp"

namespace shoal::broker {

/// What each shard of an instance tells the others of itself in numbers: for limits of the whole instance, and for
/// what is told of it.
enum class Figure : std::uint8_t {
  // Now.
  connections,
  sessions,
  half_open,
  kept_bytes,  ///< messages that are queued, in flight or wills, and the queues themselves
  subscriptions,
  shared_subscriptions,
  subscription_bytes,
  retained_messages,
  retained_bytes,
  stored_messages,
  stored_bytes,
  memory_bytes,
  // Ever.
  connected,
  expired,
  packets_received,
  packets_sent,
  messages_received,
  messages_delivered,
  messages_dropped,
  payload_received,
  payload_sent,
  bytes_received,
  bytes_sent,
  // Spent of rates.
  rate_messages_in,
  rate_bytes_in,
  rate_messages_out,
  rate_bytes_out,
};
inline constexpr std::size_t kFigures = static_cast<std::size_t>(Figure::rate_bytes_out) + 1;

/// Messages that one shard has told another and that are not in the queues there yet.
struct OnTheWay {
  std::uint32_t messages = 0;
  std::uint64_t bytes = 0;

  void add(std::size_t size) {
    ++messages;
    bytes += size;
  }
};

/// What the shards of one instance share: the way from each to each, whose sessions, shared subscriptions and retained
/// topics are whose, and the figures. Outlives them. Functions may be called from any of their threads.
class ShardSet {
 public:
  static constexpr unsigned kMost = 64;

  /// `count`: 2 to `kMost`. `hash`: the same for everything the shards agree on by it.
  ShardSet(unsigned count, base::TextHash hash);
  ShardSet(const ShardSet&) = delete;
  ShardSet& operator=(const ShardSet&) = delete;

  unsigned count() const { return static_cast<unsigned>(shards_.size()); }
  base::TextHash hash() const { return hash_; }
  /// The shard of a client id, a retained topic or a shared subscription. Topics that start with `$`: the first.
  unsigned owner(std::string_view text) const;
  io::Mailbox& mailbox(unsigned shard) { return shards_[shard].mailbox; }

  /// So much more is on its way to that shard.
  void sent(unsigned shard, OnTheWay more) {
    shards_[shard].messages.fetch_add(more.messages, std::memory_order_acq_rel);
    shards_[shard].bytes.fetch_add(more.bytes, std::memory_order_acq_rel);
  }
  /// So much of it has arrived.
  void arrived(unsigned shard, OnTheWay less) {
    shards_[shard].messages.fetch_sub(less.messages, std::memory_order_acq_rel);
    shards_[shard].bytes.fetch_sub(less.bytes, std::memory_order_acq_rel);
  }
  OnTheWay on_the_way(unsigned shard) const {
    return {shards_[shard].messages.load(std::memory_order_acquire),
            shards_[shard].bytes.load(std::memory_order_acquire)};
  }
  /// How many queues of that shard a message from here goes into, as it said last.
  std::uint32_t receivers(unsigned shard) const { return shards_[shard].receivers.load(std::memory_order_relaxed); }
  void set_receivers(unsigned shard, std::uint32_t count) {
    shards_[shard].receivers.store(count, std::memory_order_relaxed);
  }

  void set(unsigned shard, Figure figure, std::uint64_t value) {
    shards_[shard].figures[static_cast<std::size_t>(figure)].store(value, std::memory_order_relaxed);
  }
  /// There may be retained messages from now on.
  void note_retained() {
    if (!any_retained_.load(std::memory_order_relaxed)) any_retained_.store(true, std::memory_order_relaxed);
  }
  bool any_retained() const { return any_retained_.load(std::memory_order_relaxed); }
  /// What the others have said last.
  std::uint64_t of_others(unsigned shard, Figure figure) const;

 private:
  struct alignas(64) One {
    explicit One(unsigned number) : mailbox(number) {}

    io::Mailbox mailbox;
    std::atomic<std::uint32_t> messages = 0;  // on their way to it
    std::atomic<std::uint64_t> bytes = 0;
    std::atomic<std::uint32_t> receivers = 0;  // there of each
    std::array<std::atomic<std::uint64_t>, kFigures> figures{};
  };

  base::TextHash hash_;
  std::deque<One> shards_;
  std::atomic<bool> any_retained_ = false;
};

}  // namespace shoal::broker
