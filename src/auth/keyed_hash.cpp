#include "auth/keyed_hash.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

// The digest functions are deprecated in OpenSSL 3 but cost a worker 4 KB of memory and 0.1 MB of code; the EVP
// interface loads providers and configuration: 2 MB more, per process.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace shoal::auth {

KeyedHash::KeyedHash(std::span<const std::uint8_t> key) {
  std::array<std::uint8_t, kBlockBytes> block{};
  if (key.size() > block.size()) {
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, key.data(), key.size());
    SHA256_Final(block.data(), &sha);
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  for (std::size_t i = 0; i < block.size(); ++i) {
    inner_pad_[i] = block[i] ^ 0x36;
    outer_pad_[i] = block[i] ^ 0x5c;
  }
  OPENSSL_cleanse(block.data(), block.size());
}

KeyedHash KeyedHash::with_random_key() {
  std::array<std::uint8_t, 32> key;
  // Up to 256 bytes come whole or not at all; only a signal can come between (getrandom(2)).
  while (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
    if (errno != EINTR) std::abort();
  }
  KeyedHash hash(key);
  OPENSSL_cleanse(key.data(), key.size());
  return hash;
}

KeyedHash::~KeyedHash() {
  OPENSSL_cleanse(inner_pad_.data(), inner_pad_.size());
  OPENSSL_cleanse(outer_pad_.data(), outer_pad_.size());
}

KeyedHash::Digest KeyedHash::operator()(std::initializer_list<std::string_view> parts) const {
  Digest digest;
  SHA256_CTX sha;
  SHA256_Init(&sha);
  SHA256_Update(&sha, inner_pad_.data(), inner_pad_.size());
  for (const std::string_view part : parts) SHA256_Update(&sha, part.data(), part.size());
  SHA256_Final(digest.data(), &sha);
  SHA256_Init(&sha);
  SHA256_Update(&sha, outer_pad_.data(), outer_pad_.size());
  SHA256_Update(&sha, digest.data(), digest.size());
  SHA256_Final(digest.data(), &sha);
  OPENSSL_cleanse(&sha, sizeof sha);
  return digest;
}

}  // namespace shoal::auth

#pragma GCC diagnostic pop
