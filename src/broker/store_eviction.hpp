#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "broker/store_journal.hpp"
#include "session/work.hpp"

namespace shoal::broker {

/// Takes bodies of messages out of memory that only queues refer to: those of a segment of the log when it is finished
/// and committed, and with it those of an older one where some are in memory, because somebody needed them. A little in
/// each turn. The shard's thread.
class StoreEviction {
 public:
  StoreEviction(StoreJournal& journal, session::Work& work);

  /// Does some of what is to be done. True when there is more.
  bool step();
  /// Whether a `step` would find something to do.
  bool due();

 private:
  struct Finished {
    session::Place place = 0;
    std::uint64_t batch = 0;  // its last one, or a later one
  };

  void note_finished();
  bool begin_next();
  void choose_older();

  StoreJournal& journal_;
  session::Work& work_;
  std::deque<Finished> finished_;          // that were not gone through yet
  std::optional<session::Place> current_;  // that is being gone through
  session::Place newest_;                  // that is not finished
  session::Place again_;                   // the older one that is, or was, gone through again
  bool again_due_ = false;
  bool resident_ = false;  // something of the current one stays in memory
};

}  // namespace shoal::broker
