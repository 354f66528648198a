#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "controller/external_records.hpp"

namespace shoal::controller {

/// The foreign brokers of a fleet whose controller is gone. A resource; any thread.
class ExternalOrphans {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Those that live now.
  explicit ExternalOrphans(const std::string& run_dir);

  std::size_t size() const { return orphans_.size(); }
  /// SIGTERM to each.
  void terminate();
  /// Waits for their end; after as long as a controller waits, or at `until`, they are killed. Those that are still
  /// there then.
  std::size_t wait(Time until);

 private:
  struct Orphan {
    ExternalRecords::Record record;
    base::UniqueFd process;
  };

  ExternalRecords records_;
  std::vector<Orphan> orphans_;
  Time terminated_{};
};

}  // namespace shoal::controller
