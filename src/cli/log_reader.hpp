#pragma once

#include <sys/types.h>

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "shoal/options.hpp"

namespace shoal::cli {

/// A line of a log, as text or as JSON. One without a time (several lines of one event) has that and the level of the
/// line before.
struct LogLine {
  std::string stamp{};  ///< UTC, as it is written
  LogLevel level = LogLevel::error;
  std::string text{};
  bool json = false;
};

/// Length of `2025-01-31T10:30:00.000Z`.
inline constexpr std::size_t kStampSize = 24;

/// What `text` is. False: it has no time; then the line's stamp and level stay.
bool read_log_line(std::string_view text, LogLine& line);

/// One log with the files that it was rotated to, from the oldest to the one that is written now, and on with what
/// comes: also when it is rotated meanwhile, by whomever, or cut. A resource; reads when it is asked, never waits.
class LogReader {
 public:
  explicit LogReader(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }

  /// Opens what there is; of old files those that may have lines from `since` on. 0, or why not (errno).
  int open(const std::optional<std::string>& since);
  /// The next whole line, or nothing when there is none now.
  std::optional<LogLine> next();

 private:
  struct File {
    base::UniqueFd fd;
    dev_t device = 0;
    ino_t inode = 0;
    bool same(const File& other) const { return device == other.device && inode == other.inode; }
  };

  static std::optional<File> open_file(const std::string& path);
  static std::string first_stamp(const File& file);
  std::vector<File> youngest_first(const std::optional<std::string>& since) const;
  bool read_some();
  bool go_on();
  bool find_newer();
  void take_next();
  LogLine take_line(std::string text);

  std::string path_;
  File held_;
  std::deque<File> newer_;  // than `held_`, the oldest first
  off_t offset_ = 0;
  std::string buffer_;     // what was read and not handed out
  std::size_t begin_ = 0;  // of it
  bool read_again_ = false;
  LogLine last_;  // time and level
};

}  // namespace shoal::cli
