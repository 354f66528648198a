#include "auth/credential_cache.hpp"

#include <gtest/gtest.h>

#include "auth/keyed_hash.hpp"

namespace shoal::auth {
namespace {

std::string hex(const KeyedHash::Digest& digest) {
  std::string out;
  for (const std::uint8_t byte : digest) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

TEST(KeyedHash, IsHmacSha256) {
  // RFC 4231, test cases 2, 1 and 6.
  const std::string jefe = "Jefe";
  EXPECT_EQ(
      hex(KeyedHash({reinterpret_cast<const std::uint8_t*>(jefe.data()), 4})({"what do ya want ", "for nothing?"})),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(KeyedHash(std::vector<std::uint8_t>(20, 0x0b))({"Hi There"})),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(
      hex(KeyedHash(std::vector<std::uint8_t>(131, 0xaa))({"Test Using Larger Than Block-Size Key - Hash Key First"})),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(CredentialCache, KnowsExactlyWhatItWasTold) {
  CredentialCache cache;
  EXPECT_FALSE(cache.knows("ann", "hash1", "secret"));
  cache.remember("ann", "hash1", "secret");
  EXPECT_TRUE(cache.knows("ann", "hash1", "secret"));
  EXPECT_FALSE(cache.knows("ann", "hash1", "secret2"));
  EXPECT_FALSE(cache.knows("ann", "hash2", "secret"));
  EXPECT_FALSE(cache.knows("bob", "hash1", "secret"));
  EXPECT_FALSE(cache.knows("ann", "hash", std::string_view("1\0secret", 8)));
}

TEST(CredentialCache, ANewHashReplacesTheOldEntry) {
  CredentialCache cache;
  cache.remember("ann", "hash1", "old");
  cache.remember("ann", "hash2", "new");
  EXPECT_TRUE(cache.knows("ann", "hash2", "new"));
  EXPECT_FALSE(cache.knows("ann", "hash1", "old"));
  EXPECT_EQ(cache.size(), 1u);
}

TEST(CredentialCache, IsBounded) {
  CredentialCache cache(3);
  for (int i = 0; i < 10; ++i) cache.remember("user" + std::to_string(i), "h", "p");
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_TRUE(cache.knows("user9", "h", "p"));
  CredentialCache off(0);
  off.remember("ann", "h", "p");
  EXPECT_EQ(off.size(), 0u);
}

TEST(CredentialCache, ForgetsRemovedUsers) {
  CredentialCache cache;
  cache.remember("ann", "h", "p");
  cache.remember("bob", "h", "p");
  const auto users = UserTable::parse("bob:$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA\n", "f");
  ASSERT_TRUE(users);
  cache.retain(users->get());
  EXPECT_FALSE(cache.knows("ann", "h", "p"));
  EXPECT_TRUE(cache.knows("bob", "h", "p"));
  cache.retain(nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace shoal::auth
