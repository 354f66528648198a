#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "shoal/result.hpp"

namespace shoal::base {

/// Where the lines of a log go: a file that is rotated by size, or a descriptor that is there. Writes whole lines,
/// several at once where they fit; a line is never split by another process's or by rotation. Never waits: what cannot
/// be written stays here, up to `kWaitingMax` bytes, and what comes then is lost and counted. A resource; one thread.
class LogFile {
 public:
  struct Options {
    std::string path;
    std::uint64_t bytes_max = 0;  ///< rotate before it gets larger; 0: never
    unsigned keep = 0;            ///< old files, `PATH.1` being the youngest
  };

  static constexpr std::size_t kWaitingMax = 64 * 1024;

  /// Opens the file to append, and makes it and its last folder level when missing. What may pass by itself (no space,
  /// read-only, no descriptors) is `trouble()`, not an error. Error: everything else.
  static Result<LogFile> open(Options options);
  /// Writes to what `fd` refers to, which stays the caller's. A file is appended to from now on, also by others that
  /// have it. Error: no such descriptor.
  static Result<LogFile> on(int fd);

  /// Takes a line with its `\n`, which is to be written with the next `flush`.
  void append(std::string_view line);
  /// Writes what waits. When that failed it does nothing until there is another line, or `retry`.
  void flush();
  /// Tries again what failed.
  void retry();
  /// Closes the file and opens it by its name; nothing that was appended before is written to the new one if the old
  /// one takes it. Error: it cannot be opened; lines go on to the old one, and `retry` tries again.
  Result<void> reopen();

  bool waiting() const { return written_ < buffer_.size(); }
  /// Why lines cannot be written, or the file not be rotated, in one line; empty when all is well.
  std::string trouble() const;
  /// Lines that were lost and are not reported yet. While there are some no line is taken.
  std::uint64_t lost() const { return lost_; }
  /// The number of them, once what came before is written; then they are the caller's to report. Else 0.
  std::uint64_t take_lost();

 private:
  enum class Kind { file, pipe, socket };

  LogFile() = default;
  int open_by_name();
  int open_now();
  bool is_there() const;
  bool make_room();
  int rotate();
  std::size_t chunk() const;
  ssize_t write_chunk(std::size_t size);
  std::uint64_t room_max() const;
  std::size_t first_line() const;

  Options options_;
  Kind kind_ = Kind::file;
  UniqueFd fd_;
  std::uint64_t size_ = 0;  // of the file, as far as we know
  std::string buffer_;      // lines; of the first `written_` bytes nothing is needed
  std::size_t written_ = 0;
  bool within_line_ = false;  // the file ends with the beginning of what waits
  bool tried_ = false;        // and failed: not again without a reason
  bool open_again_ = false;   // by name, as soon as possible
  int write_error_ = 0;       // errno
  int rotate_error_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace shoal::base
