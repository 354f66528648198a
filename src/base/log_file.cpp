#include "base/log_file.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace shoal::base {
namespace {

constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
constexpr mode_t kMode = 0640;
constexpr std::size_t kKeptMax = 4 * 1024;  // of the buffer, while nothing waits

bool may_pass(int error) {
  return error == ENOSPC || error == EDQUOT || error == EROFS || error == EIO || error == EMFILE || error == ENFILE;
}

std::string old_name(const std::string& path, unsigned number) { return path + '.' + std::to_string(number); }

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

int open_file(const std::string& path, UniqueFd& fd, int flags = kFlags) {
  fd.reset(::open(path.c_str(), flags, kMode));
  return fd ? 0 : errno;
}

}  // namespace

Result<LogFile> LogFile::open(Options options) {
  LogFile file;
  file.options_ = std::move(options);
  const std::string& path = file.options_.path;
  const std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) ::mkdir(path.substr(0, slash).c_str(), 0750);
  const int error = file.open_by_name();
  if (error != 0 && !may_pass(error)) {
    return Error{ErrorCode::io, "the log file " + path + " cannot be opened: " + std::strerror(error)};
  }
  file.write_error_ = error;
  file.open_again_ = error != 0;
  return file;
}

Result<LogFile> LogFile::on(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return Error{ErrorCode::io,
                 "the log's descriptor " + std::to_string(fd) + " cannot be used: " + std::strerror(errno)};
  }
  LogFile file;
  if (S_ISREG(status.st_mode)) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_APPEND);
  } else {
    file.kind_ = S_ISSOCK(status.st_mode) ? Kind::socket : Kind::pipe;
    // Not to wait is a property of what was opened, which others share: it is opened once more. (Not so a socket.)
    const std::string again = "/proc/self/fd/" + std::to_string(fd);
    if (file.kind_ == Kind::pipe) open_file(again, file.fd_, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  }
  if (!file.fd_) file.fd_.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!file.fd_)
    return Error{ErrorCode::resource_exhausted, std::string("the log's descriptor: ") + std::strerror(errno)};
  return file;
}

int LogFile::open_by_name() {
  UniqueFd opened;
  if (const int error = open_file(options_.path, opened); error != 0) return error;
  struct stat status {};
  ::fstat(opened.get(), &status);
  kind_ = S_ISREG(status.st_mode) ? Kind::file : Kind::pipe;
  size_ = static_cast<std::uint64_t>(status.st_size);
  fd_ = std::move(opened);
  return 0;
}

void LogFile::append(std::string_view line) {
  tried_ = false;
  if (buffer_.size() - written_ + line.size() > kWaitingMax) flush();
  if (written_ > kWaitingMax) buffer_.erase(0, std::exchange(written_, 0));
  if (lost_ > 0 || buffer_.size() - written_ + line.size() > kWaitingMax) {
    ++lost_;
    return;
  }
  buffer_ += line;
}

void LogFile::retry() {
  tried_ = false;
  if (open_again_) {
    [[maybe_unused]] const auto still = reopen();
  } else if (rotate_error_ != 0) {
    make_room();
  }
  flush();
}

Result<void> LogFile::reopen() {
  if (options_.path.empty()) return {};
  open_again_ = false;
  tried_ = false;
  flush();  // to the old one
  open_again_ = true;
  tried_ = false;
  flush();
  if (open_again_ && open_now() != 0) return Error{ErrorCode::io, trouble()};
  return {};
}

/// What `open_again_` asks for. 0 or errno; then nothing has changed.
int LogFile::open_now() {
  const int error = open_by_name();
  write_error_ = error;
  if (error != 0) return error;
  open_again_ = false;
  rotate_error_ = 0;
  if (!std::exchange(within_line_, false)) return 0;
  written_ += first_line();  // its beginning is in the old file
  ++lost_;
  return 0;
}

void LogFile::flush() {
  if (!waiting() || tried_) return;
  if (open_again_) open_now();
  while (fd_ && waiting()) {
    if (!make_room()) break;
    const std::size_t size = chunk();
    const ssize_t done = write_chunk(size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      // What waits for a reader waits without trouble until lines are lost.
      const bool busy = errno == EAGAIN;
      if (!busy || lost_ > 0) write_error_ = errno;
      tried_ = !busy;
      return;
    }
    size_ += static_cast<std::uint64_t>(done);
    written_ += static_cast<std::size_t>(done);
    within_line_ = buffer_[written_ - 1] != '\n';
    if (!open_again_) write_error_ = 0;
  }
  if (waiting()) {
    tried_ = true;
    return;
  }
  written_ = 0;
  if (buffer_.capacity() > kKeptMax) buffer_ = {};
  buffer_.clear();
}

// As much as one write may carry without that others' lines come between, or the file gets too large.
std::size_t LogFile::chunk() const {
  const std::size_t waits = buffer_.size() - written_;
  if (within_line_) return first_line();
  const std::uint64_t most = kind_ == Kind::file ? room_max() - std::min(size_, room_max()) : PIPE_BUF;
  if (waits <= most) return waits;
  const std::size_t end = most == 0 ? std::string::npos : buffer_.rfind('\n', written_ + most - 1);
  return end == std::string::npos || end < written_ ? first_line() : end + 1 - written_;
}

std::size_t LogFile::first_line() const { return buffer_.find('\n', written_) + 1 - written_; }

std::uint64_t LogFile::room_max() const {
  if (options_.bytes_max == 0) return UINT64_MAX;
  return rotate_error_ != 0 ? 2 * options_.bytes_max : options_.bytes_max;
}

ssize_t LogFile::write_chunk(std::size_t size) {
  const char* const from = buffer_.data() + written_;
  if (kind_ == Kind::socket) return ::send(fd_.get(), from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (kind_ == Kind::pipe) {
    // Where opening it again was not possible this is the next best.
    pollfd ready{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) == 0) return errno = EAGAIN, -1;
  }
  return ::write(fd_.get(), from, size);
}

/// Rotates when the next line does not fit. False: it must not be written.
bool LogFile::make_room() {
  const std::uint64_t most = options_.bytes_max;
  if (most == 0 || kind_ != Kind::file || within_line_) return true;
  const std::size_t line = waiting() ? first_line() : 0;
  if (size_ == 0 || size_ + line <= most) return true;
  struct stat status {};
  if (::fstat(fd_.get(), &status) == 0) size_ = static_cast<std::uint64_t>(status.st_size);
  if (size_ == 0 || size_ + line <= most) {  // somebody cut it
    rotate_error_ = 0;
    return true;
  }
  // Somebody moved it already: then what has its name now goes on.
  rotate_error_ = is_there() ? rotate() : open_by_name();
  if (rotate_error_ == 0) return make_room();
  return size_ + line <= room_max();
}

bool LogFile::is_there() const {
  struct stat named {
  }, held{};
  return ::stat(options_.path.c_str(), &named) == 0 && ::fstat(fd_.get(), &held) == 0 && named.st_ino == held.st_ino &&
         named.st_dev == held.st_dev;
}

/// 0 or errno; then everything is as it was, up to a gap in the old files' numbers.
int LogFile::rotate() {
  // First what may fail for want of space.
  const std::string& path = options_.path;
  const std::string fresh = path + ".new";
  UniqueFd opened;
  if (const int error = open_file(fresh, opened, kFlags | O_TRUNC); error != 0) return error;
  unsigned gap = 1;
  while (gap < options_.keep && exists(old_name(path, gap))) ++gap;
  int error = 0;
  for (unsigned n = gap; n > 1 && error == 0; --n) {
    if (::rename(old_name(path, n - 1).c_str(), old_name(path, n).c_str()) != 0) error = errno;
  }
  if (error == 0 && options_.keep > 0 && ::rename(path.c_str(), old_name(path, 1).c_str()) != 0) error = errno;
  if (error == 0 && ::rename(fresh.c_str(), path.c_str()) != 0) {
    error = errno;
    if (options_.keep > 0) ::rename(old_name(path, 1).c_str(), path.c_str());
  }
  if (error != 0) {
    ::unlink(fresh.c_str());
    return error;
  }
  fd_ = std::move(opened);
  size_ = 0;
  return 0;
}

std::string LogFile::trouble() const {
  const std::string what = options_.path.empty() ? "the log" : "the log " + options_.path;
  if (open_again_) return what + " cannot be opened: " + std::strerror(write_error_);
  if (write_error_ == EAGAIN) return what + " is not read fast enough";
  if (write_error_ != 0) return what + " cannot be written: " + std::strerror(write_error_);
  if (rotate_error_ != 0) return what + " cannot be rotated: " + std::strerror(rotate_error_);
  return {};
}

std::uint64_t LogFile::take_lost() { return waiting() ? 0 : std::exchange(lost_, 0); }

}  // namespace shoal::base
