#include "auth/users_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace shoal::auth {
namespace {

namespace fs = std::filesystem;

const std::string kOneHash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
const std::string kOtherHash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAQ";

class UsersFileTest : public testing::Test {
 protected:
  UsersFileTest() {
    std::string name = (fs::temp_directory_path() / "shoal-users-test-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    file_ = (folder_ / "plant.users").string();
  }
  ~UsersFileTest() override { fs::remove_all(folder_); }

  void write(const std::string& text) { std::ofstream(file_) << text; }
  std::string read() const {
    std::stringstream text;
    text << std::ifstream(file_).rdbuf();
    return text.str();
  }
  mode_t mode() const {
    struct stat about {};
    ::stat(file_.c_str(), &about);
    return about.st_mode & 0777;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
  std::string file_;
};

TEST(UsersFile, EditingKeepsCommentsAndOrder) {
  auto file = UsersFile::parse("# first\nann:" + kOneHash + "\n\n# about bob\nbob:" + kOneHash, "f");
  ASSERT_TRUE(file);
  const auto replaced = file->set("ann", kOtherHash);
  ASSERT_TRUE(replaced);
  EXPECT_FALSE(*replaced);
  const auto added = file->set("cid", kOneHash);
  ASSERT_TRUE(added);
  EXPECT_TRUE(*added);
  EXPECT_TRUE(file->remove("bob"));
  EXPECT_FALSE(file->remove("bob"));
  EXPECT_EQ(file->text(), "# first\nann:" + kOtherHash + "\n\n# about bob\ncid:" + kOneHash + "\n");
  EXPECT_EQ(file->names(), (std::vector<std::string>{"ann", "cid"}));
}

TEST(UsersFile, RefusesWhatItCouldNotReadBack) {
  UsersFile file("f");
  for (const char* name : {"", "a:b", "#a", " a", "a ", "a\nb", "a\xff"})
    EXPECT_FALSE(file.set(name, kOneHash)) << name;
  EXPECT_FALSE(file.set("ann", "secret"));
  EXPECT_EQ(file.text(), "");
}

TEST_F(UsersFileTest, ANewFileIsPrivateAndLeavesNothingBeside) {
  UsersFile file(file_);
  ASSERT_TRUE(file.set("ann", kOneHash));
  const auto saved = file.save();
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_EQ(read(), "ann:" + kOneHash + "\n");
  EXPECT_EQ(mode(), 0600u);
  EXPECT_EQ(files(), 1u);
}

TEST_F(UsersFileTest, AnExistingFileKeepsItsModeAndOwner) {
  write("");
  fs::permissions(file_, fs::perms(0640));
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_EQ(::chown(file_.c_str(), 1234, 2345), 0);
  }
  auto file = UsersFile::open(file_);
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->set("ann", kOneHash));
  ASSERT_TRUE(file->save());
  EXPECT_EQ(mode(), 0640u);
  struct stat about {};
  ASSERT_EQ(::stat(file_.c_str(), &about), 0);
  EXPECT_EQ(about.st_uid, root ? 1234u : ::geteuid());
  EXPECT_EQ(about.st_gid, root ? 2345u : ::getegid());
}

TEST_F(UsersFileTest, ASymbolicLinkStaysOne) {
  const fs::path target = folder_ / "real.users";
  std::ofstream(target) << "ann:" << kOneHash << '\n';
  fs::create_symlink(target, file_);
  auto file = UsersFile::open(file_);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->remove("ann"));
  ASSERT_TRUE(file->save());
  EXPECT_TRUE(fs::is_symlink(file_));
  EXPECT_EQ(fs::file_size(target), 0u);
}

TEST_F(UsersFileTest, ABrokenFileIsNotTouched) {
  write("ann\n");
  EXPECT_FALSE(UsersFile::open(file_));
  EXPECT_EQ(read(), "ann\n");
}

TEST_F(UsersFileTest, LoadingSaysWhatIsMissingOrNotAFile) {
  const auto missing = load_users(file_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_EQ(missing.error().message, file_ + ": cannot open the users file: No such file or directory");
  const auto folder = load_users(folder_.string());
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, ErrorCode::invalid_argument);
}

TEST_F(UsersFileTest, OneToolEditsAtATime) {
  {
    const auto first = lock_users(file_);
    ASSERT_TRUE(first);
    const base::UniqueFd folder(::open(folder_.c_str(), O_RDONLY));
    EXPECT_NE(::flock(folder.get(), LOCK_EX | LOCK_NB), 0);
  }
  EXPECT_TRUE(lock_users(file_));
  EXPECT_FALSE(lock_users((folder_ / "none" / "a.users").string()));
}

TEST_F(UsersFileTest, SavingIntoAMissingFolderIsAnError) {
  const auto saved = UsersFile((folder_ / "none" / "a.users").string()).save();
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::not_found);
}

TEST_F(UsersFileTest, LoadsALargeFile) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "user" + std::to_string(i) + ':' + kOneHash + '\n';
  write(text);
  const auto users = load_users(file_);
  ASSERT_TRUE(users);
  EXPECT_EQ((*users)->size(), 20'000u);
}

}  // namespace
}  // namespace shoal::auth
