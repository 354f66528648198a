#include "auth/users_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "auth/password_hash.hpp"
#include "auth/users_line.hpp"
#include "base/unique_fd.hpp"

namespace shoal::auth {
namespace {

constexpr std::size_t kFileBytesMax = 512u << 20;

Error system_error(const std::string& file, const char* doing) {
  const int number = errno;
  ErrorCode code = ErrorCode::io;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::not_found;
  if (number == EACCES || number == EPERM || number == EROFS) code = ErrorCode::permission_denied;
  return Error{code, file + ": cannot " + doing + " the users file: " + std::strerror(number)};
}

Result<std::string> read_file(const std::string& file) {
  // Not blocking: a FIFO by mistake must not stop a worker.
  const base::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about;
  if (fd.get() < 0 || ::fstat(fd.get(), &about) != 0) return system_error(file, "open");
  if (!S_ISREG(about.st_mode)) return Error{ErrorCode::invalid_argument, file + ": the users file is not a file"};
  std::string text;
  for (;;) {
    const std::size_t have = text.size();
    if (have > kFileBytesMax)
      return Error{ErrorCode::invalid_argument, file + ": the users file is larger than 512 MiB"};
    text.resize(have + (have == 0 ? static_cast<std::size_t>(about.st_size) + 1 : 65536));
    const ssize_t got = ::read(fd.get(), text.data() + have, text.size() - have);
    if (got < 0 && errno != EINTR) return system_error(file, "read");
    text.resize(have + static_cast<std::size_t>(got < 0 ? 0 : got));
    if (got == 0) return text;
  }
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// Where a symbolic link leads to; the name itself when it is none (or does not exist yet).
std::string follow(const std::string& file) {
  char* real = ::realpath(file.c_str(), nullptr);
  std::string result = real == nullptr ? file : real;
  std::free(real);
  return result;
}

std::string folder_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : file.substr(0, slash);
}

/// Gives `fd` the mode and owner that `file` has, or those of a new file in that folder.
bool take_over_access(int fd, const std::string& file) {
  struct stat about;
  if (::stat(file.c_str(), &about) != 0) {
    // The service that reads it often runs as somebody else than the root who makes it.
    if (::geteuid() == 0 && ::stat(folder_of(file).c_str(), &about) == 0 &&
        ::fchown(fd, about.st_uid, about.st_gid) != 0) {
      return false;
    }
    return ::fchmod(fd, 0600) == 0;
  }
  // Who is not root cannot give files away: then it becomes the editor's, but not another group's.
  const bool kept =
      ::fchown(fd, about.st_uid, about.st_gid) == 0 || ::fchown(fd, static_cast<uid_t>(-1), about.st_gid) == 0;
  return kept && ::fchmod(fd, about.st_mode & 0777) == 0;
}

}  // namespace

Result<std::shared_ptr<const UserTable>> load_users(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  return UserTable::parse(*text, file);
}

Result<base::UniqueFd> lock_users(const std::string& file) {
  // The folder, because `save` replaces the file itself.
  base::UniqueFd fd(::open(folder_of(follow(file)).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) return system_error(file, "lock");
  return fd;
}

Result<UsersFile> UsersFile::open(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  return parse(*text, file);
}

Result<UsersFile> UsersFile::parse(std::string_view text, const std::string& file) {
  if (const auto table = UserTable::parse(text, file); !table) return table.error();
  UsersFile result(file);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    result.lines_.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return result;
}

Result<bool> UsersFile::set(std::string_view name, std::string_view encoded) {
  if (const auto problem = find_name_problem(name)) return Error{ErrorCode::invalid_argument, problem->message};
  if (const auto problem = find_hash_problem(encoded)) return Error{ErrorCode::invalid_argument, problem->message};
  std::string line = std::string(name).append(":").append(encoded);
  std::size_t users = 0;
  for (std::string& old : lines_) {
    const auto read = read_users_line(old);
    const auto* entry = std::get_if<UserEntry>(&read);
    if (entry == nullptr) continue;
    ++users;
    if (entry->name != name) continue;
    old = std::move(line);
    return false;
  }
  if (users == kUsersMax) return Error{ErrorCode::resource_exhausted, file_ + ": there are 1000000 users already"};
  lines_.push_back(std::move(line));
  return true;
}

bool UsersFile::remove(std::string_view name) {
  return std::erase_if(lines_, [name](const std::string& line) {
           const auto read = read_users_line(line);
           const auto* entry = std::get_if<UserEntry>(&read);
           return entry != nullptr && entry->name == name;
         }) != 0;
}

std::vector<std::string> UsersFile::names() const {
  std::vector<std::string> result;
  for (const std::string& line : lines_) {
    const auto read = read_users_line(line);
    if (const auto* entry = std::get_if<UserEntry>(&read)) result.emplace_back(entry->name);
  }
  return result;
}

std::string UsersFile::text() const {
  std::string result;
  for (const std::string& line : lines_) result.append(line).append("\n");
  return result;
}

Result<void> UsersFile::save() const {
  const std::string target = follow(file_);
  const std::string folder = folder_of(target);
  std::string temporary = folder + "/.shoal-users-XXXXXX";
  base::UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (fd.get() < 0) return system_error(file_, "write");
  if (!take_over_access(fd.get(), target) || !write_all(fd.get(), text()) || ::fsync(fd.get()) != 0 ||
      ::rename(temporary.c_str(), target.c_str()) != 0) {
    Error error = system_error(file_, "write");
    ::unlink(temporary.c_str());
    return error;
  }
  // The rename itself is durable only with the folder; a file system that cannot say so is not an error.
  const base::UniqueFd folder_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder_fd.get() >= 0) ::fsync(folder_fd.get());
  return {};
}

}  // namespace shoal::auth
