#pragma once

#include <algorithm>
#include <cstdint>

#include "session/journal.hpp"
#include "session/work.hpp"
#include "shoal/histogram.hpp"
#include "shoal/options.hpp"

namespace shoal::session {

/// What the sessions of an instance share: bounds, totals, and who hears what has to survive. The totals are kept by
/// `Outbound` and `QueueShare`.
struct QueueBudget {
  /// About what a message takes in each of the queues it waits in, besides itself.
  static constexpr std::size_t kEntryBytes = 24;

  std::uint16_t inflight_max = 100;
  std::uint32_t messages_max = 10'000;              ///< queued per session
  std::uint64_t bytes_max = 16ull << 20;            ///< queued per session
  std::uint64_t connected_bytes_max = 24ull << 20;  ///< queued for connected sessions; then they are full with less
  QueueFull when_full = QueueFull::drop_new;
  Journal* journal = nullptr;  ///< null: nothing outlives the process

  std::uint64_t messages_now = 0;  ///< queued in all sessions
  std::uint64_t bytes_now = 0;
  std::uint64_t entry_bytes_now = 0;            ///< what the queues take besides the messages
  std::uint64_t connected_bytes_now = 0;        ///< messages in queues of connected sessions, for each session
  std::uint64_t connected_entry_bytes_now = 0;  ///< what these queues take besides
  std::uint64_t floor_entry_bytes_now = 0;      ///< of these, what each may have in any case
  /// All messages that are queued or in flight, once each, absent ones as if they were there; its owner tells.
  std::uint64_t kept_bytes_now = 0;
  bool exhausted = false;          ///< the instance keeps all it may: no QoS 0 message waits for a reader
  std::uint64_t dropped_full = 0;  ///< QoS 1 and 2 for a full queue
  std::uint64_t dropped_slow = 0;  ///< QoS 0 for a slow reader
  std::uint64_t dropped_size = 0;  ///< larger than the client takes
  std::uint64_t expired = 0;
  std::uint64_t lost = 0;             ///< were queued, and the store could not give them back
  std::uint64_t delivered = 0;        ///< PUBLISH packets written
  std::uint64_t delivered_bytes = 0;  ///< their size
  std::uint64_t delivered_late = 0;   ///< of `delivered`, those that were not written in the turn they came in
  std::uint64_t acks = 0;             ///< acknowledgements written, PUBREL included
  Work work;                          ///< what the instance's turns are bounded by
  // Behind what every message touches.
  Histogram queued_latency{};  ///< of messages that waited in queues of connected sessions; a sample
  Histogram ack_latency{};     ///< from being written to the end of the flow; a sample

  /// What connected sessions that do not keep up cost, in percent of what they may. A message that many of
  /// them share is there once.
  unsigned connected_percent() const {
    return percent_of_connected(connected_entry_bytes_now + std::min(connected_bytes_now, kept_bytes_now));
  }
  /// The same for the little that each of their queues may have in any case, which many queues make much. It
  /// may be half as much again; however much few queues take, the others have theirs.
  unsigned floor_percent() const { return percent_of_connected(floor_entry_bytes_now) * 2 / 3; }

 private:
  unsigned percent_of_connected(std::uint64_t bytes) const {
    const std::uint64_t percent = 100 * bytes / std::max<std::uint64_t>(connected_bytes_max, 1);
    return static_cast<unsigned>(std::min<std::uint64_t>(1000, percent));
  }
};

/// What one queue of messages, a session's or a shared subscription's, counts against the bounds. A value; it
/// has to be emptied before it goes.
class QueueShare {
 public:
  /// One message more or less, of `bytes`; `entry_bytes`: what its place in the queue takes.
  void add(QueueBudget& budget, std::size_t bytes, std::size_t entry_bytes) { count(budget, 1, bytes, entry_bytes); }
  void remove(QueueBudget& budget, std::size_t bytes, std::size_t entry_bytes) {
    constexpr std::uint64_t kMinusOne = UINT64_MAX;
    count(budget, kMinusOne, bytes, entry_bytes);
  }
  /// Whether a client is there who could take from the queue.
  void set_connected(QueueBudget& budget, bool connected) {
    if (connected_ == connected) return;
    connected_ = connected;
    const std::uint64_t sign = connected ? 1 : UINT64_MAX;
    budget.floor_entry_bytes_now += sign * floor_entry_bytes();
    budget.connected_bytes_now += sign * bytes_;
    budget.connected_entry_bytes_now += sign * entry_bytes_;
  }

  /// Makes room for another message of `size` bytes, not 0, with `QueueFull::drop_old`: `drop` drops the oldest
  /// one. False when there is none.
  template <class Drop>
  bool make_room(const QueueBudget& budget, std::size_t size, Drop drop) const {
    if (budget.when_full == QueueFull::drop_old && size <= budget.bytes_max) {
      while (messages_ > 0 && full_by_itself(budget, size)) drop();
      if (messages_ > 0 && full_with_others(budget, size)) {
        // As much goes as comes: what others take does not become less by dropping more.
        const std::size_t least = bytes_ - std::min(bytes_, size);
        do drop();
        while (messages_ > 0 && bytes_ > least);
        return true;
      }
    }
    return !full_by_itself(budget, size) && !full_with_others(budget, size);
  }
  /// How full it is, in percent of the nearest limit.
  unsigned percent(const QueueBudget& budget) const {
    const std::uint64_t by_count = std::uint64_t{100} * messages_ / std::max(budget.messages_max, 1u);
    const std::uint64_t by_bytes = std::uint64_t{100} * bytes_ / std::max<std::uint64_t>(budget.bytes_max, 1);
    std::uint64_t by_all = 0;
    if (connected_) by_all = takes_much(0) ? budget.connected_percent() : budget.floor_percent();
    return static_cast<unsigned>(std::min<std::uint64_t>(100, std::max({by_count, by_bytes, by_all})));
  }
  std::size_t bytes() const { return bytes_; }

 private:
  // What every queue of connected clients may have in any case.
  static constexpr std::size_t kFloorMessages = 100;
  static constexpr std::size_t kFloorBytes = 64 * 1024;
  static constexpr std::size_t kFloorEntryBytes = QueueBudget::kEntryBytes * kFloorMessages;

  bool takes_much(std::size_t more) const { return messages_ >= kFloorMessages || bytes_ + more > kFloorBytes; }
  std::uint64_t floor_entry_bytes() const { return std::min(entry_bytes_, kFloorEntryBytes); }
  bool full_by_itself(const QueueBudget& budget, std::size_t size) const {
    return messages_ >= budget.messages_max || bytes_ + size > budget.bytes_max;
  }
  bool full_with_others(const QueueBudget& budget, std::size_t size) const {
    return connected_ && (takes_much(size) ? budget.connected_percent() : budget.floor_percent()) >= 100;
  }
  // `sign` is 1, or -1 as an unsigned number.
  void count(QueueBudget& budget, std::uint64_t sign, std::size_t bytes, std::size_t entry_bytes) {
    if (connected_) budget.floor_entry_bytes_now -= floor_entry_bytes();
    messages_ += static_cast<std::uint32_t>(sign);
    bytes_ += sign * bytes;
    entry_bytes_ += sign * entry_bytes;
    budget.messages_now += sign;
    budget.bytes_now += sign * bytes;
    budget.entry_bytes_now += sign * entry_bytes;
    if (!connected_) return;
    budget.floor_entry_bytes_now += floor_entry_bytes();
    budget.connected_bytes_now += sign * bytes;
    budget.connected_entry_bytes_now += sign * entry_bytes;
  }

  std::size_t bytes_ = 0;
  std::size_t entry_bytes_ = 0;
  std::uint32_t messages_ = 0;
  bool connected_ = false;
};

}  // namespace shoal::session
