#pragma once

#include <cstdint>
#include <vector>

namespace shoal::bench {

/// What arrived of one publisher's messages at one receiver, exactly: sequence numbers in, faults out. Pure. Memory
/// grows with the gaps, not with the messages.
class StreamCheck {
 public:
  enum class Seen {
    next,       ///< the one that was expected, or one after it
    late,       ///< one that a later one has overtaken
    duplicate,  ///< was there before
  };

  /// From here on; earlier ones are not missed. For who joins a stream that is under way.
  void begin_at(std::uint64_t sequence) { next_ = sequence; }
  Seen see(std::uint64_t sequence) {
    if (sequence == next_) {
      ++next_;
      ++distinct_;
      return Seen::next;
    }
    return see_other(sequence);
  }

  std::uint64_t highest() const { return next_ - 1; }
  /// Different ones that arrived.
  std::uint64_t distinct() const { return distinct_; }
  /// Those up to `sent` that did not arrive.
  std::uint64_t missing(std::uint64_t sent) const;

 private:
  struct Gap {
    std::uint64_t first;
    std::uint64_t last;
  };
  Seen see_other(std::uint64_t sequence);

  std::uint64_t next_ = 1;
  std::uint64_t distinct_ = 0;
  std::vector<Gap> gaps_;  // below next_, in order
};

}  // namespace shoal::bench
