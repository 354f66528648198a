#include "base/file_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace shoal::base {
namespace {

/// An exclusive lock of the whole file that belongs to the open file, not to the process, and that can
/// be asked for without taking it.
struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// A lock on a file that its last owner removed meanwhile locks nothing.
bool is_still(const std::string& path, int fd) {
  struct stat named {
  }, held{};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(fd, &held) == 0 && named.st_ino == held.st_ino &&
         named.st_dev == held.st_dev;
}

std::string owner(int fd) {
  char text[32] = {};
  const ssize_t length = ::pread(fd, text, sizeof text - 1, 0);
  const std::string pid(text, length > 0 ? static_cast<std::size_t>(length) : 0);
  return pid.substr(0, pid.find('\n'));
}

}  // namespace

Result<FileLock> FileLock::take(const std::string& path) {
  for (;;) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) return Error{ErrorCode::io, "the lock " + path + " cannot be opened: " + std::strerror(errno)};
    struct flock lock = whole_file();
    if (::fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) {
      if (errno != EAGAIN && errno != EACCES)
        return Error{ErrorCode::io, "the lock " + path + ": " + std::strerror(errno)};
      return Error{ErrorCode::unavailable, owner(fd.get())};
    }
    if (!is_still(path, fd.get())) continue;
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) {
      const std::string why = std::strerror(errno);
      ::unlink(path.c_str());
      return Error{ErrorCode::io, "the lock " + path + " cannot be written: " + why};
    }
    return FileLock(path, std::move(fd));
  }
}

bool FileLock::is_held(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct flock lock = whole_file();
  return fd && ::fcntl(fd.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

FileLock::~FileLock() {
  if (fd_) ::unlink(path_.c_str());
}

}  // namespace shoal::base
