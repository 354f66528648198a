#pragma once

#include <cstdint>
#include <optional>

#include "broker/router.hpp"
#include "broker/store_journal.hpp"
#include "broker/store_read_back.hpp"
#include "session/queue_budget.hpp"

namespace shoal::broker {

/// Keeps the store's log short: when most of it is dead, what is live in the oldest segment is told again and the
/// segment goes. A little in each turn. The shard's thread.
class StoreClearing {
 public:
  StoreClearing(StoreJournal& journal, StoreReadBack& read_back, session::QueueBudget& budget)
      : journal_(journal), read_back_(read_back), budget_(budget) {}

  /// Does some of what is to be done. True when there is more; not while it waits for what is read back.
  bool step(Router& router);
  /// About what the log has that is needed.
  std::uint64_t live_bytes(const Router& router) const;
  /// Segments that went.
  std::uint64_t cleared() const { return cleared_; }

 private:
  bool wanted(Router& router);
  bool too_much(const Router& router) const;
  void measure(const Router& router);
  bool wanted_when_full(Router& router);
  std::uint64_t cost_of_oldest(Router& router);
  bool tell_session(Router& router, std::uint32_t slot);
  bool waits_for_bodies();

  StoreJournal& journal_;
  StoreReadBack& read_back_;
  session::QueueBudget& budget_;
  std::optional<StoreJournal::Segment> segment_;  // that is being cleared
  std::uint32_t reading_ = 0;                     // the request for absent ones of its messages
  session::Outbound::Cursor cursor_;              // in the session that is being told again
  std::optional<session::Place> pass_until_;      // when that one is cleared everything was told again
  double scale_ = 1;                              // how much larger what is live was than it is thought to be
  std::uint64_t cleared_ = 0;
};

}  // namespace shoal::broker
