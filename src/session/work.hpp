#pragma once

#include <cstdint>

namespace shoal::session {

/// Counts what an instance does, in units of roughly 50 ns, so that a turn of its thread can be bounded
/// without asking a clock. Wherever something is done whose amount clients choose, it is added here.
class Work {
 public:
  void add(std::uint64_t units) { done_ += units; }
  /// So many bytes were moved.
  void add_bytes(std::uint64_t bytes) { done_ += bytes >> 8; }
  /// Everything so far.
  std::uint64_t done() const { return done_; }

  /// From here on `units` may be done before `over`.
  void allow(std::uint64_t units) { until_ = done_ + units; }
  /// What was allowed is done: what can wait should.
  bool over() const { return done_ >= until_; }

 private:
  std::uint64_t done_ = 0;
  std::uint64_t until_ = UINT64_MAX;
};

}  // namespace shoal::session
