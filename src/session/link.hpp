#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/byte_queue.hpp"
#include "base/ring.hpp"
#include "mqtt/packet.hpp"
#include "session/topic_aliases.hpp"

namespace shoal::session {

/// What may leave only when the store has what it tells of: bytes that wait for batches to be committed, in their
/// order.
class Held {
 public:
  explicit Held(base::ChunkPool& pool) : bytes_(pool) {}

  bool empty() const { return bytes_.empty(); }

  std::uint64_t barrier = 0;  ///< what the last CONNACK or SUBACK waits for: nothing overtakes those

  /// What the last of them wait for; there is one.
  std::uint64_t last_batch() { return marks_.at(marks_.size() - 1).batch; }
  const base::ByteQueue& bytes() const { return bytes_; }
  /// Where to write what waits for `batch`, and for what is there already.
  base::ByteQueue& at(std::uint64_t batch) {
    if (marks_.empty() || batch > marks_.at(marks_.size() - 1).batch) marks_.push({batch, moved_ + bytes_.size()});
    return bytes_;
  }
  /// Moves what need not wait any longer to `out`.
  void release(std::uint64_t committed, base::ByteQueue& out) {
    while (!marks_.empty() && marks_.front().batch <= committed) marks_.pop();
    const std::size_t size = marks_.empty() ? bytes_.size() : static_cast<std::size_t>(marks_.front().from - moved_);
    bytes_.move_to(out, size);
    moved_ += size;
  }

 private:
  struct Mark {
    std::uint64_t batch = 0;
    std::uint64_t from = 0;  // counted from the first byte ever
  };

  base::ByteQueue bytes_;
  base::Ring<Mark> marks_;
  std::uint64_t moved_ = 0;
};

/// The way to a connected client: what CONNECT agreed on, and the bytes that wait for the next flush.
/// Belongs to the connection; a session has one while it is connected.
struct Link {
  explicit Link(base::ChunkPool& pool) : out(pool) {}

  /// False when the reader is too slow for more messages. Acknowledgements are written all the same.
  bool has_room() const { return size() < out_bytes_max; }

  /// True when a client does not even read the answers to what it sends: nothing more is read from it
  /// until it does. Above what messages may fill, so that a slow subscriber is still heard.
  bool congested() const { return size() >= std::size_t{2} * out_bytes_max; }

  /// Where to write a packet that tells of something the store has once `batch` is committed; 0: of nothing that
  /// is not there yet. Such packets leave in their order.
  base::ByteQueue& queue(std::uint64_t batch) {
    const bool waits = batch != 0 || (held && !held->empty());
    return waits ? hold(batch) : out;
  }
  /// The same for packets that tell of nothing in the store: they overtake those that wait, up to `barrier`.
  base::ByteQueue& queue_free() {
    if (!holds() || held->barrier == 0) return out;
    // What is held may wait for more than the barrier does, and those that follow must not overtake this one
    // (MQTT-4.6.0-6).
    held->barrier = std::max(held->barrier, held->last_batch());
    return hold(0);
  }
  /// A CONNACK or SUBACK that waits for `batch`, not 0, is to come.
  void raise_barrier(std::uint64_t batch) {
    make_held();
    held->barrier = std::max(held->barrier, batch);
  }
  /// Unsent bytes.
  std::size_t size() const { return out.size() + (held ? held->bytes().size() : 0); }
  std::size_t memory() const { return out.memory() + (held ? held->bytes().memory() : 0); }
  bool holds() const { return held && !held->empty(); }
  /// What waits for no batch after `committed` may leave.
  void release(std::uint64_t committed) {
    held->release(committed, out);
    if (held->barrier > committed) return;
    // Who only listens has nothing else that waits; for the others it stays.
    if (std::exchange(held->barrier, 0) != 0 && held->empty()) held.reset();
  }
  /// The peer is gone: nobody hears what waits.
  void drop_held() { held.reset(); }

  base::ByteQueue out;
  std::uint32_t out_bytes_max = 1024 * 1024;
  std::uint32_t packet_size_max = UINT32_MAX;  ///< the client's maximum packet size (MQTT-3.1.2-24)
  std::uint16_t receive_maximum = UINT16_MAX;  ///< the client's (MQTT-3.3.4-9)
  mqtt::Version version = mqtt::Version::v5;
  std::unique_ptr<SentAliases> aliases;  ///< null: the client allows none
  std::unique_ptr<Held> held;            ///< null: nothing waits for the store

 private:
  base::ByteQueue& hold(std::uint64_t batch) {
    make_held();
    return held->at(batch);
  }
  void make_held() {
    if (!held) held = std::make_unique<Held>(out.pool());
  }
};

}  // namespace shoal::session
