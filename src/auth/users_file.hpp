#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/user_table.hpp"
#include "base/unique_fd.hpp"
#include "shoal/result.hpp"

namespace shoal::auth {

/// Reads a users file. Blocks on the disk; any thread.
/// Errors: not_found, permission_denied, io, and those of `UserTable::parse`.
Result<std::shared_ptr<const UserTable>> load_users(const std::string& file);

/// Waits until no other tool edits users files in the folder of `file`, and holds that right until the
/// descriptor is closed. Errors: not_found (no such folder), permission_denied, io.
Result<base::UniqueFd> lock_users(const std::string& file);

/// A users file while a tool edits it: comments, blank lines and the order of lines stay. A value;
/// nothing is written before `save`.
class UsersFile {
 public:
  /// An empty one, to be created at `file`.
  explicit UsersFile(std::string file) : file_(std::move(file)) {}
  /// Reads and checks the whole of `file`. Errors: as `load_users`.
  static Result<UsersFile> open(const std::string& file);
  /// Checks and takes `text`. Errors: as `UserTable::parse`.
  static Result<UsersFile> parse(std::string_view text, const std::string& file);

  /// Gives `name` this hash, in its old place or at the end. True: the user is new.
  /// Errors: invalid_argument (name that cannot be written, hash that cannot be read back).
  Result<bool> set(std::string_view name, std::string_view encoded);
  /// True when there was such a user.
  bool remove(std::string_view name);
  /// In the order of the file.
  std::vector<std::string> names() const;
  /// The file's whole text.
  std::string text() const;

  /// Replaces the file at once or not at all: a temporary file in the same folder, fsync, rename. A
  /// symbolic link is followed. A new file has mode 0600 and, made by root, its folder's owner; an
  /// existing one keeps mode and group and, where allowed, owner. Errors: permission_denied, not_found (folder), io.
  Result<void> save() const;

 private:
  std::string file_;
  std::vector<std::string> lines_;
};

}  // namespace shoal::auth
