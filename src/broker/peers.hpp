#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "broker/note.hpp"
#include "broker/shard_set.hpp"
#include "session/queue_budget.hpp"

namespace shoal::broker {

/// The other shards of the instance as one of them sees them: what it tells them, and what of it is still on the way.
/// Notes leave with `send`, which comes before anything leaves to clients: so whatever a client has seen, every shard
/// knows before it reads what that client causes next. The shard's thread.
class Peers {
 public:
  /// `want_turn_end`: asks for `send` soon.
  Peers(ShardSet& set, unsigned number, std::function<void()> want_turn_end);
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  unsigned number() const { return number_; }
  unsigned count() const { return set_.count(); }
  unsigned owner(std::string_view text) const { return set_.owner(text); }
  bool owns(std::string_view text) const { return owner(text) == number_; }
  ShardSet& set() { return set_; }

  /// Begins a note to another shard; what is in it is written behind, before anything else is told.
  NoteWriter to(unsigned shard, Note note);
  /// Begins a note with a message of `size` bytes for subscribers there.
  NoteWriter message_to(unsigned shard, Note note, std::size_t size) {
    told_messages_[shard].add(size);
    return to(shard, note);
  }
  /// One of those that were told here, of `size` bytes, is in its queues; about `receivers` of them.
  void heard_message(std::size_t size, std::uint64_t receivers) {
    heard_messages_.add(size);
    heard_receivers_ += receivers;
    will_send();
  }
  /// The same to all others.
  template <class Write>
  void to_all(Note note, Write write) {
    for (unsigned shard = 0; shard < count(); ++shard) {
      if (shard != number_) write(to(shard, note));
    }
  }
  /// There is something to tell at the turn's end, before `send`.
  void will_send();
  /// Hands over what was told.
  void send();
  /// Gives back what it took when there was more to tell.
  void shrink() { set_.mailbox(number_).shrink(); }
  bool has_mail() const { return !set_.mailbox(number_).empty(); }
  /// Calls `hear(from, reader)` for everything that was told by others, in the order it was.
  template <class Hear>
  void read(Hear hear) {
    set_.mailbox(number_).read_all([&](const io::Letter& letter) { hear(letter.from, NoteReader(letter.bytes)); });
  }

  /// True while messages are on their way through that shard: others on the topics it owns go the same way, so that
  /// they keep their order.
  bool goes_through(unsigned shard) const { return through_[shard] != 0; }
  /// True when any shard is such one: cheap.
  bool any_goes_through() const { return through_all_ != 0; }
  void gone_through(unsigned shard) {
    ++through_[shard];
    ++through_all_;
  }
  void went_through(unsigned shard, std::uint32_t count) {
    through_[shard] -= count;
    through_all_ -= count;
  }
  /// A message of that shard has gone on from here; it is told when those it went to have it.
  void pass(unsigned from);

  /// How full queues are over there, in percent, as was told lately; or how near to that is what is on its way, as if
  /// it all was for one queue with the bounds of `queues`, and for as many queues together as messages had lately.
  /// Below 100.
  unsigned backlog_percent(unsigned shard, const session::QueueBudget& queues, base::Time now) const;
  void set_backlog(unsigned shard, unsigned percent, base::Time now) { backlogs_[shard] = {percent, now}; }

 private:
  struct Backlog {
    unsigned percent = 0;
    base::Time at{};
  };

  void hand_over(unsigned shard);

  ShardSet& set_;
  const unsigned number_;
  std::function<void()> want_turn_end_;
  bool told_ = false;
  std::vector<io::Letter*> letters_;  // by shard; null: nothing for it
  std::vector<std::uint32_t> through_;
  std::vector<std::uint32_t> passed_;
  std::vector<OnTheWay> told_messages_;  // by shard, in its letter
  OnTheWay heard_messages_;
  std::uint64_t heard_receivers_ = 0;  // of those
  std::uint32_t receivers_ = 0;        // of one message, lately
  std::uint64_t through_all_ = 0;
  std::vector<Backlog> backlogs_;
  unsigned unread_percent_ = 0;
};

}  // namespace shoal::broker
