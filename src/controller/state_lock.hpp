#pragma once

#include <string>

#include "base/unique_fd.hpp"
#include "shoal/result.hpp"

namespace shoal::controller {

/// `.lock` in a folder of a fleet, held for the life of its controller. The one in the run folder is the
/// truth about whether a controller runs; the one in the state folder keeps a fleet with another run
/// folder away from it. The file holds the controller's pid for people. Never inherited by a child. A
/// resource.
class StateLock {
 public:
  /// Errors: unavailable (another controller holds it; the message has its pid), io.
  static Result<StateLock> take(const std::string& folder);
  /// True while some process holds the lock.
  static bool is_held(const std::string& folder);

  StateLock(StateLock&&) = default;
  StateLock& operator=(StateLock&&) = delete;
  /// Removes the file, then lets go.
  ~StateLock();

 private:
  StateLock(std::string path, base::UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  base::UniqueFd fd_;
};

}  // namespace shoal::controller
