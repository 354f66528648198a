#pragma once

#include <string>

#include "base/unique_fd.hpp"
#include "shoal/result.hpp"

namespace shoal::controller {

/// `<run_dir>/lock`, held for the life of a controller: the truth about whether one runs. The file
/// holds its pid for people. Never inherited by a child. A resource.
class StateLock {
 public:
  /// Errors: unavailable (another controller holds it; the message has its pid), io.
  static Result<StateLock> take(const std::string& run_dir);
  /// True while some process holds the lock.
  static bool is_held(const std::string& run_dir);

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
