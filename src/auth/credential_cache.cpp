#include "auth/credential_cache.hpp"

#include <openssl/crypto.h>

namespace shoal::auth {

KeyedHash::Digest CredentialCache::digest(std::string_view user, std::string_view encoded,
                                          std::string_view password) const {
  // Neither names nor stored hashes contain a NUL, so the parts cannot be shifted into each other.
  static constexpr std::string_view kBorder("\0", 1);
  return hash_({user, kBorder, encoded, kBorder, password});
}

void CredentialCache::remember(std::string_view user, std::string_view encoded, std::string_view password) {
  if (entries_max_ == 0) return;
  const KeyedHash::Digest verified = digest(user, encoded, password);
  const std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(user); found != entries_.end()) {
    found->second = verified;
    return;
  }
  if (entries_.size() >= entries_max_) entries_.erase(entries_.begin());
  entries_.emplace(user, verified);
}

bool CredentialCache::knows(std::string_view user, std::string_view encoded, std::string_view password) const {
  const KeyedHash::Digest asked = digest(user, encoded, password);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(user);
  return found != entries_.end() && CRYPTO_memcmp(found->second.data(), asked.data(), asked.size()) == 0;
}

void CredentialCache::retain(const UserTable* users) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [users](const auto& entry) { return users == nullptr || !users->find(entry.first); });
}

std::size_t CredentialCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace shoal::auth
