#pragma once

#include <string>

#include "base/file_lock.hpp"
#include "shoal/result.hpp"

namespace shoal::controller {

/// `.lock` in a folder of a fleet, held for the life of its controller. The one in the run folder is the
/// truth about whether a controller runs; the one in the state folder keeps a fleet with another run
/// folder away from it. A resource.
class StateLock {
 public:
  /// Errors: unavailable (another controller holds it; the message has its pid), io.
  static Result<StateLock> take(const std::string& folder);
  /// True while some process holds the lock.
  static bool is_held(const std::string& folder);

 private:
  explicit StateLock(base::FileLock lock) : lock_(std::move(lock)) {}

  base::FileLock lock_;
};

}  // namespace shoal::controller
