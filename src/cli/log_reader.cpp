#include "cli/log_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log_text.hpp"

namespace shoal::cli {
namespace {

constexpr std::string_view kJsonBegin = R"({"time":")";
constexpr std::string_view kJsonLevel = R"(","level":")";
constexpr std::size_t kLineMax = 1 << 20;  // what is longer is none of ours, and is handed out in pieces
constexpr unsigned kOldFilesMax = 1'000;

bool is_stamp(std::string_view text) {
  return text.size() >= kStampSize && text[4] == '-' && text[10] == 'T' && text[kStampSize - 1] == 'Z';
}

std::string_view word(std::string_view text) { return text.substr(0, text.find_first_of(" \"")); }

}  // namespace

bool read_log_line(std::string_view text, LogLine& line) {
  std::string_view rest = text;
  line.json = rest.starts_with(kJsonBegin);
  if (line.json) rest.remove_prefix(kJsonBegin.size());
  if (!is_stamp(rest)) {
    line.json = false;
    return false;
  }
  line.stamp = rest.substr(0, kStampSize);
  rest.remove_prefix(kStampSize);
  const std::string_view between = line.json ? kJsonLevel : " ";
  if (!rest.starts_with(between)) return true;
  if (const auto level = base::log_level_from(word(rest.substr(between.size())))) line.level = *level;
  return true;
}

std::optional<LogReader::File> LogReader::open_file(const std::string& path) {
  File file;
  file.fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file.fd || ::fstat(file.fd.get(), &status) != 0) return std::nullopt;
  if (!S_ISREG(status.st_mode)) return errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL, std::nullopt;
  file.device = status.st_dev;
  file.inode = status.st_ino;
  return file;
}

std::string LogReader::first_stamp(const File& file) {
  char chunk[8192];
  const ssize_t got = ::pread(file.fd.get(), chunk, sizeof chunk, 0);
  std::string_view text(chunk, got > 0 ? static_cast<std::size_t>(got) : 0);
  LogLine line;
  for (std::size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1))
    if (read_log_line(text.substr(0, end), line)) return line.stamp;
  return {};
}

/// What is there beyond `held_`. Rotation while we look moves files the way we go: nothing is missed, and what is met
/// twice is known by its inode.
std::vector<LogReader::File> LogReader::youngest_first(const std::optional<std::string>& since) const {
  std::vector<File> files;
  bool known = !held_.fd;  // where `held_` is among them
  bool current = false;
  unsigned missing = 0;
  for (unsigned n = 0; n <= kOldFilesMax && missing < 2; ++n) {
    auto file = open_file(n == 0 ? path_ : path_ + '.' + std::to_string(n));
    if (!file) {
      if (n > 0) ++missing;
      continue;
    }
    if (held_.fd && file->same(held_)) {
      known = true;
      break;
    }
    if (std::any_of(files.begin(), files.end(), [&](const File& other) { return other.same(*file); })) continue;
    files.push_back(std::move(*file));
    current = current || n == 0;
    const std::string begin = since ? first_stamp(files.back()) : std::string();
    if (!begin.empty() && begin < *since) break;
  }
  if (known) return files;
  // It was moved elsewhere, or is gone: what begins before its end was read before it.
  const auto before = std::find_if(files.begin() + (current ? 1 : 0), files.end(),
                                   [&](const File& file) { return first_stamp(file) < last_.stamp; });
  files.erase(before, files.end());
  return files;
}

int LogReader::open(const std::optional<std::string>& since) {
  errno = 0;
  if (auto current = open_file(path_); !current) return errno;
  auto files = youngest_first(since);
  std::move(files.rbegin(), files.rend(), std::back_inserter(newer_));
  if (!newer_.empty()) take_next();
  return 0;
}

std::optional<LogLine> LogReader::next() {
  for (;;) {
    const std::size_t end = buffer_.find('\n', begin_);
    if (end != std::string::npos) {
      std::string text = buffer_.substr(begin_, end - begin_);
      begin_ = end + 1;
      return take_line(std::move(text));
    }
    buffer_.erase(0, std::exchange(begin_, 0));
    if (buffer_.size() > kLineMax) return take_line(std::exchange(buffer_, {}));
    if (held_.fd && read_some()) continue;
    if (!go_on()) return std::nullopt;
    if (held_.fd && !buffer_.empty() && offset_ == 0) return take_line(std::exchange(buffer_, {}));  // not ended
  }
}

LogLine LogReader::take_line(std::string text) {
  read_log_line(text, last_);
  LogLine line = last_;
  line.text = std::move(text);
  return line;
}

bool LogReader::read_some() {
  char chunk[65536];
  const ssize_t got = ::pread(held_.fd.get(), chunk, sizeof chunk, offset_);
  if (got > 0) {
    offset_ += got;
    buffer_.append(chunk, static_cast<std::size_t>(got));
    return true;
  }
  struct stat status {};
  if (::fstat(held_.fd.get(), &status) != 0 || status.st_size >= offset_) return false;
  offset_ = 0;  // cut, to be used again
  buffer_.clear();
  return true;
}

/// At the end of a file: whether there is more elsewhere.
bool LogReader::go_on() {
  if (newer_.empty() && !find_newer()) return false;
  // Whoever moves a file may make the new one before everybody writes to it: until then the old one is not complete.
  struct stat status {};
  if (held_.fd && newer_.size() == 1 && ::fstat(newer_.front().fd.get(), &status) == 0 && status.st_size == 0) {
    newer_.clear();
    return false;
  }
  // What came between the end of the old one and the beginning of the new one.
  if (held_.fd && !std::exchange(read_again_, true)) return true;
  take_next();
  return true;
}

bool LogReader::find_newer() {
  struct stat named {};
  if (::stat(path_.c_str(), &named) != 0) return false;
  if (held_.fd && named.st_ino == held_.inode && named.st_dev == held_.device) return false;
  auto files = youngest_first(std::nullopt);
  std::move(files.rbegin(), files.rend(), std::back_inserter(newer_));
  return !newer_.empty();
}

void LogReader::take_next() {
  held_ = std::move(newer_.front());
  newer_.pop_front();
  offset_ = 0;
  read_again_ = false;
}

}  // namespace shoal::cli
