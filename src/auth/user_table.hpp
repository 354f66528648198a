#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shoal/result.hpp"

namespace shoal::auth {

/// Bounds of a users file.
inline constexpr std::size_t kUserNameBytesMax = 256;
inline constexpr std::size_t kUsersMax = 1'000'000;

/// Makes maps with std::string keys answer to std::string_view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// The users of one instance, as read from a whole users file. Immutable, shared by threads, swapped
/// as a whole on reload.
class UserTable {
 public:
  /// Reads lines of `name:$argon2id$...`, `# comment` and blank ones. Everything or nothing.
  /// Errors: invalid_argument with `file:line:column: what is wrong and what to do`, for the first
  /// bad line, a name that is there twice, or more than kUsersMax users.
  static Result<std::shared_ptr<const UserTable>> parse(std::string_view text, const std::string& file);

  /// The encoded hash of `name`, or nullptr when there is no such user. Lives as long as the table.
  const std::string* find(std::string_view name) const;
  /// A hash that no password is known for, as costly to verify as the users' ones.
  const std::string& decoy() const { return decoy_; }
  std::size_t size() const { return users_.size(); }

 private:
  std::unordered_map<std::string, std::string, TextHash, std::equal_to<>> users_;
  std::string decoy_;
};

}  // namespace shoal::auth
