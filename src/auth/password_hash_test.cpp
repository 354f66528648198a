#include "auth/password_hash.hpp"

#include <argon2.h>
#include <gtest/gtest.h>

#include <random>

#include "auth/encoded_hash.hpp"

namespace shoal::auth {
namespace {

constexpr auto kCheap = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";

TEST(PasswordHash, VerifiesItsOwnPasswordOnly) {
  const auto encoded = hash_password("secret");
  ASSERT_TRUE(encoded);
  EXPECT_TRUE(verify_password(*encoded, "secret"));
  EXPECT_FALSE(verify_password(*encoded, "Secret"));
  EXPECT_FALSE(verify_password(*encoded, ""));
  EXPECT_FALSE(verify_password(*encoded, std::string_view("secret\0", 7)));
  EXPECT_FALSE(find_hash_problem(*encoded));
}

TEST(PasswordHash, HasTheDocumentedCostAndAFreshSalt) {
  const auto first = hash_password("secret");
  const auto second = hash_password("secret");
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->starts_with("$argon2id$v=19$m=5120,t=2,p=1$")) << *first;
  EXPECT_NE(*first, *second);
}

TEST(PasswordHash, AgreesWithTheReferenceImplementation) {
  for (const std::uint32_t lanes : {1u, 4u}) {
    std::array<char, 256> encoded;
    ASSERT_EQ(argon2id_hash_encoded(2, 64, lanes, "pass\0word", 9, "somesalt", 8, 24, encoded.data(), encoded.size()),
              ARGON2_OK);
    EXPECT_TRUE(verify_password(encoded.data(), std::string_view("pass\0word", 9)));
    EXPECT_FALSE(verify_password(encoded.data(), "pass"));
  }
  const auto ours = hash_password("secret");
  ASSERT_TRUE(ours);
  EXPECT_EQ(argon2id_verify(ours->c_str(), "secret", 6), ARGON2_OK);
}

TEST(PasswordHash, TextIsTheInverseOfParse) {
  EncodedHash hash;
  ASSERT_FALSE(hash.parse(kCheap));
  EXPECT_EQ(hash.salt, std::vector<std::uint8_t>({'s', 'o', 'm', 'e', 's', 'a', 'l', 't'}));
  EXPECT_EQ(hash.text(), kCheap);
}

struct BadHash {
  const char* text;
  std::size_t offset;
  const char* message;
};

class BadHashes : public testing::TestWithParam<BadHash> {};

TEST_P(BadHashes, AreRefusedWithTheirPlace) {
  const auto problem = find_hash_problem(GetParam().text);
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->offset, GetParam().offset) << problem->message;
  EXPECT_NE(problem->message.find(GetParam().message), std::string::npos) << problem->message;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadHashes,
    testing::Values(BadHash{"", 0, "not an argon2id hash"}, BadHash{"$6$salt$sha512", 0, "not an argon2id hash"},
                    BadHash{"$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 0, "not an argon2id hash"},
                    BadHash{"$argon2id$v=16$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 0, "not an argon2id hash"},
                    BadHash{"$argon2id$v=19$m=65537,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 22, "65536 KiB"},
                    BadHash{"$argon2id$v=19$m=99999999999,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 17, "m=KIB"},
                    BadHash{"$argon2id$v=19$m=-8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 17, "m=KIB"},
                    BadHash{"$argon2id$v=19$m=08,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 17, "m=KIB"},
                    BadHash{"$argon2id$v=19$m=8,t=17,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 23, "1 to 16"},
                    BadHash{"$argon2id$v=19$m=8,t=0,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 22, "1 to 16"},
                    BadHash{"$argon2id$v=19$m=64,t=1,p=5$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 27, "1 to 4"},
                    BadHash{"$argon2id$v=19$m=8,t=1,p=2$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 26, "8 KiB for each lane"},
                    BadHash{"$argon2id$v=19$m=8,t=1,p=1,keyid=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", 26, "$SALT"},
                    BadHash{"$argon2id$v=19$m=8,t=1,p=1$c2hvcnQ$AAAAAAAAAAAAAAAAAAAAAA", 27, "$SALT"},
                    BadHash{"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA", 39, "$HASH"},
                    BadHash{"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAB", 39, "$HASH"},
                    BadHash{"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAA", 39, "$HASH"},
                    BadHash{"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA==", 61, "behind the hash"},
                    BadHash{"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA ", 61, "behind the hash"}));

// What passes the check must be what the reference decodes: nobody may be locked out later by a hash
// that the file's check let through.
TEST(PasswordHash, WhateverPassesTheCheckTheReferenceCanDecode) {
  std::mt19937 random(1);
  const std::string alphabet = "0123456789$=,mtpvAB+/z";
  int passed = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text = kCheap;
    for (int change = 0; change < 2; ++change) {
      const char with = alphabet[random() % alphabet.size()];
      const std::size_t at = random() % text.size();
      if (random() % 4 == 0) text.insert(at, 1, with);
      else if (random() % 4 == 0) text.erase(at, 1);
      else text[at] = with;
    }
    EncodedHash hash;
    if (hash.parse(text) || hash.cost.memory_kib * hash.cost.passes > 64) continue;
    ++passed;
    EXPECT_EQ(hash.text(), text);
    if (passed % 100 == 0) {
      EXPECT_EQ(argon2id_verify(text.c_str(), "x", 1), ARGON2_VERIFY_MISMATCH) << text;
    }
  }
  EXPECT_GT(passed, 1000);
}

}  // namespace
}  // namespace shoal::auth
