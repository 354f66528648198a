#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/keyed_hash.hpp"
#include "auth/user_table.hpp"

namespace shoal::auth {

/// Which passwords were verified, so that the same client needs no argon2id again. Keeps no
/// password: per user one HMAC with a random key over name, stored hash and password; so a changed
/// password does not match its old entry. Any thread.
class CredentialCache {
 public:
  /// Holds at most `entries_max` users; one more pushes an arbitrary one out.
  explicit CredentialCache(std::size_t entries_max = 100'000) : entries_max_(entries_max) {}

  /// `password` was found to belong to `encoded`, the stored hash of `user`.
  void remember(std::string_view user, std::string_view encoded, std::string_view password);
  /// True when exactly this was remembered. Takes the same time for every wrong password.
  bool knows(std::string_view user, std::string_view encoded, std::string_view password) const;
  /// Forgets the users that `users` (may be null) does not have.
  void retain(const UserTable* users);

  std::size_t size() const;

 private:
  KeyedHash::Digest digest(std::string_view user, std::string_view encoded, std::string_view password) const;

  const std::size_t entries_max_;
  const KeyedHash hash_ = KeyedHash::with_random_key();
  mutable std::mutex mutex_;
  std::unordered_map<std::string, KeyedHash::Digest, TextHash, std::equal_to<>> entries_;
};

}  // namespace shoal::auth
