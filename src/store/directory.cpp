#include "store/directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file_lock.hpp"
#include "base/unique_fd.hpp"

namespace shoal::store {
namespace {

constexpr const char* kLock = "lock";

class PosixFile final : public File {
 public:
  PosixFile(base::UniqueFd fd, std::uint64_t size) : fd_(std::move(fd)), size_(size) {}

  std::uint64_t size() const override { return size_; }

  Errno append(base::Bytes bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno;
      if (n == 0) return ENOSPC;
      size_ += static_cast<std::uint64_t>(n);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return 0;
  }

  Errno reserve(std::uint64_t bytes) override {
    const int flags = FALLOC_FL_KEEP_SIZE;
    while (::fallocate(fd_.get(), flags, static_cast<off_t>(size_), static_cast<off_t>(bytes)) != 0) {
      if (errno != EINTR) return errno;
    }
    return 0;
  }

  std::uint64_t room() const override {
    struct statvfs status {};
    if (::fstatvfs(fd_.get(), &status) != 0 || status.f_blocks == 0) return UINT64_MAX;
    return std::uint64_t{status.f_bavail} * status.f_frsize;
  }

  Errno truncate(std::uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return errno;
    size_ = size;
    return 0;
  }

  Errno sync() override { return ::fdatasync(fd_.get()) == 0 ? 0 : errno; }

  Errno read(std::uint64_t offset, std::span<std::uint8_t> to, std::size_t& got) const override {
    got = 0;
    while (got < to.size()) {
      const ssize_t n = ::pread(fd_.get(), to.data() + got, to.size() - got, static_cast<off_t>(offset + got));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno;
      if (n == 0) break;
      got += static_cast<std::size_t>(n);
    }
    return 0;
  }

 private:
  base::UniqueFd fd_;
  std::uint64_t size_;
};

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(std::string path, base::UniqueFd fd, std::unique_ptr<base::FileLock> lock)
      : path_(std::move(path)), fd_(std::move(fd)), lock_(std::move(lock)) {}

  Errno list(std::vector<std::string>& names) const override {
    names.clear();
    const int fd = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    DIR* const entries = ::fdopendir(fd);
    if (!entries) {
      const int error = errno;
      ::close(fd);
      return error;
    }
    errno = 0;
    while (const dirent* entry = ::readdir(entries)) {
      const std::string name = entry->d_name;
      if (name != "." && name != ".." && name != kLock) names.push_back(name);
    }
    const int error = errno;
    ::closedir(entries);
    return error;
  }

  Errno create(const std::string& name, std::unique_ptr<File>& file) override {
    if (!lock_) return EROFS;
    base::UniqueFd fd(::openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return errno;
    file = std::make_unique<PosixFile>(std::move(fd), 0);
    return 0;
  }

  Errno open(const std::string& name, std::unique_ptr<File>& file) override {
    base::UniqueFd fd(::openat(fd_.get(), name.c_str(), (lock_ ? O_RDWR : O_RDONLY) | O_CLOEXEC));
    if (!fd) return errno;
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return EINVAL;
    file = std::make_unique<PosixFile>(std::move(fd), static_cast<std::uint64_t>(status.st_size));
    return 0;
  }

  Errno rename(const std::string& from, const std::string& to) override {
    if (!lock_) return EROFS;
    return ::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) == 0 ? 0 : errno;
  }
  Errno remove(const std::string& name) override {
    if (!lock_) return EROFS;
    return ::unlinkat(fd_.get(), name.c_str(), 0) == 0 ? 0 : errno;
  }
  Errno sync() override { return ::fsync(fd_.get()) == 0 ? 0 : errno; }
  const std::string& path() const override { return path_; }

 private:
  std::string path_;
  base::UniqueFd fd_;
  std::unique_ptr<base::FileLock> lock_;  // null: to look only
};

Error open_error(const std::string& path, int error) {
  const ErrorCode code = error == EACCES || error == EPERM ? ErrorCode::permission_denied
                         : error == ENOENT                 ? ErrorCode::not_found
                                                           : ErrorCode::io;
  return {code, "the store " + path + " cannot be opened: " + std::strerror(error)};
}

Result<base::UniqueFd> open_folder(const std::string& path) {
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return open_error(path, errno);
  return fd;
}

}  // namespace

bool is_damage(Errno error) { return error == EIO || error == EBADMSG || error == EUCLEAN || error == EILSEQ; }

Result<std::unique_ptr<Directory>> open_directory(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty() && ::mkdir(parent.c_str(), 0750) != 0 && errno != EEXIST) return open_error(path, errno);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return open_error(path, errno);
  auto fd = open_folder(path);
  if (!fd) return std::move(fd).error();
  auto lock = base::FileLock::take(path + '/' + kLock);
  if (!lock && lock.error().code == ErrorCode::unavailable) {
    return Error{ErrorCode::unavailable,
                 "the store " + path + " is in use by pid " + lock.error().message + "; an instance has a store alone"};
  }
  if (!lock) return std::move(lock).error();
  return std::unique_ptr<Directory>(
      std::make_unique<PosixDirectory>(path, std::move(*fd), std::make_unique<base::FileLock>(std::move(*lock))));
}

Result<std::unique_ptr<Directory>> read_directory(const std::string& path) {
  auto fd = open_folder(path);
  if (!fd) return std::move(fd).error();
  return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(path, std::move(*fd), nullptr));
}

}  // namespace shoal::store
