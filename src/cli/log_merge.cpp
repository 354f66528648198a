#include "cli/log_merge.hpp"

#include <algorithm>
#include <iterator>

namespace shoal::cli {
namespace {

bool later(const MergedLine& a, const MergedLine& b) {
  const int order = a.line.stamp.compare(b.line.stamp);
  return order != 0 ? order > 0 : a.log > b.log;
}

}  // namespace

LogMerge::LogMerge(std::vector<LogReader>& logs) : logs_(logs) {
  for (std::size_t i = 0; i < logs_.size(); ++i) fetch(i);
}

void LogMerge::fetch(std::size_t log) {
  auto line = logs_[log].next();
  if (!line) return;
  heads_.push_back({log, std::move(*line)});
  std::push_heap(heads_.begin(), heads_.end(), later);
}

std::optional<MergedLine> LogMerge::next() {
  if (heads_.empty()) return std::nullopt;
  std::pop_heap(heads_.begin(), heads_.end(), later);
  MergedLine line = std::move(heads_.back());
  heads_.pop_back();
  fetch(line.log);
  return line;
}

std::vector<MergedLine> LogWindow::end_round() {
  std::stable_sort(lines_.begin(), lines_.end(),
                   [](const Waiting& a, const Waiting& b) { return a.line.line.stamp < b.line.line.stamp; });
  auto end = std::find_if(lines_.rbegin(), lines_.rend(), [](const Waiting& line) { return line.ripe; }).base();
  std::vector<MergedLine> ready;
  std::transform(lines_.begin(), end, std::back_inserter(ready), [](Waiting& line) { return std::move(line.line); });
  lines_.erase(lines_.begin(), end);
  for (Waiting& line : lines_) line.ripe = true;
  return ready;
}

}  // namespace shoal::cli
