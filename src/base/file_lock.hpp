#pragma once

#include <string>

#include "base/unique_fd.hpp"
#include "shoal/result.hpp"

namespace shoal::base {

/// An exclusive lock of a file, made for it, that ends with this object or its process, whatever the file says.
/// The file holds the owner's pid for people. Never inherited by a child. A resource; moves.
class FileLock {
 public:
  /// Errors: unavailable (somebody has it, maybe in this process; the message is only the owner's pid), io.
  static Result<FileLock> take(const std::string& path);
  /// True while somebody has it.
  static bool is_held(const std::string& path);

  FileLock(FileLock&&) = default;
  FileLock& operator=(FileLock&&) = delete;
  /// Removes the file, then lets go.
  ~FileLock();

 private:
  FileLock(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  UniqueFd fd_;
};

}  // namespace shoal::base
