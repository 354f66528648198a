#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "cli/log_reader.hpp"

namespace shoal::cli {

/// A line and from which log it is.
struct MergedLine {
  std::size_t log;
  LogLine line;
};

/// Several logs as one, by time, as far as they can be read now. Lines of the same time are in the order of the logs.
/// Refers to the readers.
class LogMerge {
 public:
  explicit LogMerge(std::vector<LogReader>& logs);
  std::optional<MergedLine> next();

 private:
  void fetch(std::size_t log);
  std::vector<LogReader>& logs_;
  std::vector<MergedLine> heads_;  // a heap, the earliest in front
};

/// Brings what comes from several logs in order: a line waits for one round, in which earlier ones of other logs may
/// still come. A value without a clock: rounds are the caller's.
class LogWindow {
 public:
  void add(MergedLine line) { lines_.push_back({std::move(line), false}); }
  /// Ends a round: what waited for one, and what is earlier than that, in order.
  std::vector<MergedLine> end_round();

 private:
  struct Waiting {
    MergedLine line;
    bool ripe;
  };
  std::vector<Waiting> lines_;
};

}  // namespace shoal::cli
