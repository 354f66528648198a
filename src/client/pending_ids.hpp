#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace shoal::client {

/// Packet identifiers in use and the answer that each waits for. Identifiers are chosen so that each has a place of its
/// own: nothing is searched for, and nothing is allocated while their number stays. Pure.
class PendingIds {
 public:
  enum class Answer : std::uint8_t { none, puback, pubrec, pubcomp, suback, unsuback };

  /// A new one, never 0. At most 32,767 may be in use.
  std::uint16_t take(Answer answer) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    do {
      if (++last_ == 0) last_ = 1;
    } while (slot(last_).answer != Answer::none);
    slot(last_) = {last_, answer};
    ++size_;
    return last_;
  }
  /// What it waits for; none when it is not in use.
  Answer answer(std::uint16_t id) const {
    if (slots_.empty()) return Answer::none;
    const Slot& found = slots_[id & (slots_.size() - 1)];
    return found.id == id ? found.answer : Answer::none;
  }
  /// One that is in use waits for something else from here on.
  void change(std::uint16_t id, Answer answer) { slot(id).answer = answer; }
  /// One that is in use is not any more.
  void release(std::uint16_t id) {
    slot(id) = {};
    --size_;
  }
  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint16_t id = 0;
    Answer answer = Answer::none;
  };
  Slot& slot(std::uint16_t id) { return slots_[id & (slots_.size() - 1)]; }
  /// Who has a place of his own among few has one among twice as many.
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 8 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& each : old) {
      if (each.answer != Answer::none) slot(each.id) = each;
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
  std::uint16_t last_ = 0;
};

}  // namespace shoal::client
