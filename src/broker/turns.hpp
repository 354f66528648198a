#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/ring.hpp"
#include "base/time.hpp"
#include "session/work.hpp"

namespace shoal::broker {

class Client;

/// Shares the turns of the thread among the clients of an instance. What is done in one turn is bounded;
/// who would do more, or comes when it is used up, waits in line and has a slice of one of the next turns.
/// Pure; the shard's thread.
class Turns {
 public:
  /// About 5 ms: what an instance does for its clients' packets in a turn of a thread that it has for itself.
  static constexpr std::uint64_t kWorkPerTurn = 100'000;
  /// About 50 us: the same where other instances of the thread wait for their turn meanwhile.
  static constexpr std::uint64_t kWorkPerSharedTurn = 1'000;
  /// For how long the parts of a turn may follow one another before its end: a shared thread looks after the others
  /// between them, and what the turn sends leaves in one piece all the same.
  static constexpr base::Duration kPartsMax = std::chrono::microseconds(500);
  /// About 1 ms: what one client may ask for at a time, but for a packet that asks for more by itself.
  static constexpr std::uint64_t kSliceMax = 20'000;
  /// With many in line; about 50 us.
  static constexpr std::uint64_t kSliceMin = 1'000;

  explicit Turns(session::Work& work) : work_(work) { begin(); }

  /// A new turn, or the next part of one.
  void begin() { work_.allow(allowed_); }
  /// From the next turn on: whether the thread has other instances.
  void share(bool shared) { allowed_ = shared ? kWorkPerSharedTurn : kWorkPerTurn; }
  /// At the end of a part that began at `now`: whether the line's next follow as another part of this turn.
  bool goes_on(base::Time now) {
    if (!going_on_) since_ = now;
    // Who waits for what only the end of the turn brings does nothing until then.
    const bool advanced = std::exchange(done_, work_.done()) != work_.done();
    going_on_ = allowed_ == kWorkPerSharedTurn && waiting() != 0 && advanced && now - since_ < kPartsMax;
    return going_on_;
  }
  /// When the first part of the turn began that goes on, or ended last.
  base::Time since() const { return since_; }
  /// Whoever comes now has to wait: for the next turn, or for those before it.
  bool busy() const { return work_.over() || waiting() != 0; }
  bool over() const { return work_.over(); }
  /// What a client may do when it is its turn.
  std::uint64_t slice() const { return std::clamp(allowed_ / (1 + waiting()), kSliceMin, kSliceMax); }

  std::size_t waiting() const { return line_.size(); }
  void wait(Client& client) { line_.push(&client); }
  /// Gives back what it took when there were more.
  void shrink() { line_.shrink(); }
  /// Takes the first in line, of whom there is one; null when it went away meanwhile.
  Client* next() { return line_.pop(); }
  void forget(const Client& client) {
    for (std::size_t i = 0; i < line_.size(); ++i) {
      if (line_.at(i) == &client) line_.at(i) = nullptr;
    }
  }

 private:
  session::Work& work_;
  std::uint64_t allowed_ = kWorkPerTurn;
  base::Time since_{};
  std::uint64_t done_ = 0;  // all work at the end of the last part
  bool going_on_ = false;
  base::Ring<Client*> line_;
};

}  // namespace shoal::broker
