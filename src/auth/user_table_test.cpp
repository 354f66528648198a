#include "auth/user_table.hpp"

#include <gtest/gtest.h>

#include <random>

#include "auth/encoded_hash.hpp"
#include "auth/users_file.hpp"

namespace shoal::auth {
namespace {

const std::string kHash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";

std::string error_of(std::string_view text) {
  const auto table = UserTable::parse(text, "plant.users");
  return table ? "" : table.error().message;
}

TEST(UserTable, ReadsUsersCommentsAndBlankLines) {
  const auto table = UserTable::parse("# who\n\nann:" + kHash + "\r\n  # more\nb o b:" + kHash, "plant.users");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ((*table)->size(), 2u);
  ASSERT_NE((*table)->find("ann"), nullptr);
  EXPECT_EQ(*(*table)->find("ann"), kHash);
  EXPECT_NE((*table)->find("b o b"), nullptr);
  EXPECT_EQ((*table)->find("an"), nullptr);
  EXPECT_EQ((*table)->find("# who"), nullptr);
}

TEST(UserTable, AnEmptyFileHasNoUsers) {
  const auto table = UserTable::parse("", "plant.users");
  ASSERT_TRUE(table);
  EXPECT_EQ((*table)->size(), 0u);
}

TEST(UserTable, TheDecoyCostsWhatTheUsersCost) {
  const auto table = UserTable::parse("ann:$argon2id$v=19$m=32,t=3,p=2$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "f");
  ASSERT_TRUE(table);
  EncodedHash decoy;
  ASSERT_FALSE(decoy.parse((*table)->decoy()));
  EXPECT_EQ(decoy.cost.memory_kib, 32u);
  EXPECT_EQ(decoy.cost.passes, 3u);
  EXPECT_EQ(decoy.cost.lanes, 2u);
  const auto empty = UserTable::parse("", "f");
  ASSERT_TRUE(empty);
  ASSERT_FALSE(decoy.parse((*empty)->decoy()));
  EXPECT_EQ(decoy.cost.memory_kib, kHashCost.memory_kib);
}

TEST(UserTable, ABadLineIsAnErrorWithItsPlace) {
  EXPECT_EQ(error_of("ann:" + kHash + "\nbob\n"),
            "plant.users:2:4: expected name:$argon2id$...; write it with `shoal users add INSTANCE NAME`");
  EXPECT_EQ(error_of("bob:$6$abc\n"),
            "plant.users:1:5: this is not an argon2id hash ($argon2id$v=19$m=...,t=...,p=...$salt$hash); set the "
            "password again with `shoal users add INSTANCE NAME`");
  EXPECT_NE(error_of("bob:$argon2id$v=19$m=9999999,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA").find(":1:29: "),
            std::string::npos);
  EXPECT_EQ(error_of("ann:" + kHash + "\n\nann:" + kHash + "\n"),
            "plant.users:3:1: user 'ann' is there twice; remove one of the lines");
  EXPECT_EQ(error_of(":" + kHash), "plant.users:1:1: the user name is empty");
  EXPECT_EQ(error_of(" ann:" + kHash), "plant.users:1:1: there is a blank before the user name; remove it");
  EXPECT_EQ(error_of("ann :" + kHash), "plant.users:1:4: there is a blank behind the user name; remove it");
  EXPECT_EQ(error_of("a\x01nn:" + kHash), "plant.users:1:2: the user name has a control character; remove it");
  EXPECT_EQ(error_of("a\xffnn:" + kHash), "plant.users:1:1: the user name is not UTF-8");
  EXPECT_EQ(error_of("\xef\xbb\xbf"
                     "ann:" +
                     kHash),
            "plant.users:1:1: there is a byte order mark before the user name; remove it");
  EXPECT_EQ(error_of(std::string(257, 'a') + ':' + kHash), "plant.users:1:257: the user name is longer than 256 bytes");
  EXPECT_EQ(error_of(std::string(256, 'a') + ':' + kHash), "");
}

TEST(UserTable, GarbageIsReadOrRefusedButNeverTrusted) {
  std::mt19937 random(7);
  const std::string seed = "# c\nann:" + kHash + "\nbob:" + kHash + "\n\n";
  int read = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = i % 2 == 0 ? seed : std::string(random() % 200, '\0');
    const std::size_t changes = i % 2 == 0 ? random() % 4 : text.size();
    for (std::size_t n = 0; n < changes; ++n) text[random() % text.size()] = static_cast<char>(random());
    const auto file = UsersFile::parse(text, "f");
    if (!file) {
      EXPECT_TRUE(file.error().message.starts_with("f:")) << file.error().message;
      continue;
    }
    ++read;
    const auto again = UserTable::parse(file->text(), "f");
    ASSERT_TRUE(again);
    EXPECT_EQ((*again)->size(), file->names().size());
    for (const std::string& name : file->names()) {
      ASSERT_NE((*again)->find(name), nullptr);
      EXPECT_FALSE(find_hash_problem(*(*again)->find(name)));
    }
  }
  EXPECT_GT(read, 1000);
}

}  // namespace
}  // namespace shoal::auth
