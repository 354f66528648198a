#include "store/directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "store/log.hpp"

namespace shoal::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct DirectoryTest : testing::Test {
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "shoal-store-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root = pattern;
    path = root + "/instances/plant";
  }
  void TearDown() override { std::filesystem::remove_all(root); }

  std::unique_ptr<Directory> open() {
    auto opened = open_directory(path);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  std::string text(const std::string& name) const {
    std::ifstream file(path + '/' + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string root;
  std::string path;
};

std::vector<std::string> names(const Directory& directory) {
  std::vector<std::string> list;
  EXPECT_EQ(directory.list(list), 0);
  return list;
}

TEST_F(DirectoryTest, IsMadeForItsOwnerAlone) {
  const auto directory = open();
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  std::unique_ptr<File> file;
  ASSERT_EQ(directory->create("a", file), 0);
  ASSERT_EQ(::stat((path + "/a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(directory->path(), path);
}

TEST_F(DirectoryTest, BelongsToOneAtATimeAndTheOtherIsToldWhoHasIt) {
  auto directory = open();
  const auto second = open_directory(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
  EXPECT_EQ(second.error().message, "the store " + path + " is in use by pid " + std::to_string(::getpid()) +
                                        "; an instance has a store alone");
  directory.reset();
  EXPECT_TRUE(open_directory(path));
}

TEST_F(DirectoryTest, FileIsWhatIsAppended) {
  const auto directory = open();
  std::unique_ptr<File> file;
  ASSERT_EQ(directory->create("a", file), 0);
  EXPECT_EQ(file->append(base::as_bytes("hello ")), 0);
  EXPECT_EQ(file->append(base::as_bytes("world")), 0);
  EXPECT_EQ(file->append({}), 0);
  EXPECT_EQ(file->size(), 11u);
  EXPECT_EQ(file->sync(), 0);
  EXPECT_EQ(text("a"), "hello world");
  EXPECT_EQ(file->truncate(5), 0);
  EXPECT_EQ(file->append(base::as_bytes("!")), 0);
  EXPECT_EQ(text("a"), "hello!");
  std::uint8_t bytes[8];
  std::size_t got = 9;
  EXPECT_EQ(file->read(2, bytes, got), 0);
  EXPECT_EQ(std::string(bytes, bytes + got), "llo!");
  EXPECT_EQ(file->read(6, bytes, got), 0);
  EXPECT_EQ(got, 0u);
  ASSERT_EQ(directory->open("a", file), 0);
  EXPECT_EQ(file->size(), 6u);
  EXPECT_EQ(file->append(base::as_bytes("?")), 0);
  EXPECT_EQ(text("a"), "hello!?");
}

TEST_F(DirectoryTest, ReservedRoomDoesNotChangeTheSize) {
  const auto directory = open();
  std::unique_ptr<File> file;
  ASSERT_EQ(directory->create("a", file), 0);
  file->append(base::as_bytes("x"));
  const auto blocks = [&] {
    struct stat status {};
    EXPECT_EQ(::stat((path + "/a").c_str(), &status), 0);
    return status.st_blocks;
  };
  const Errno error = file->reserve(1 << 20);
  if (error == EOPNOTSUPP) GTEST_SKIP() << "not on this file system";
  ASSERT_EQ(error, 0);
  EXPECT_EQ(file->size(), 1u);
  EXPECT_EQ(std::filesystem::file_size(path + "/a"), 1u);
  EXPECT_GE(blocks() * 512, 1 << 20);
  EXPECT_EQ(file->truncate(1), 0);
  EXPECT_LT(blocks() * 512, 1 << 20) << "and is given back";
}

TEST_F(DirectoryTest, ListLeavesTheLockOut) {
  const auto directory = open();
  EXPECT_THAT(names(*directory), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(path + "/lock"));
  std::unique_ptr<File> file;
  directory->create("b", file);
  directory->create("a", file);
  EXPECT_THAT(names(*directory), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(names(*directory), UnorderedElementsAre("a", "b")) << "and once more";
}

TEST_F(DirectoryTest, NamesAreMadeChangedAndRemoved) {
  const auto directory = open();
  std::unique_ptr<File> file;
  EXPECT_EQ(directory->open("a", file), ENOENT);
  ASSERT_EQ(directory->create("a", file), 0);
  EXPECT_EQ(directory->create("a", file), EEXIST);
  EXPECT_EQ(directory->rename("a", "b"), 0);
  EXPECT_EQ(directory->rename("a", "b"), ENOENT);
  EXPECT_EQ(directory->sync(), 0);
  EXPECT_THAT(names(*directory), ElementsAre("b"));
  EXPECT_EQ(directory->remove("b"), 0);
  EXPECT_EQ(directory->remove("b"), ENOENT);
  EXPECT_THAT(names(*directory), IsEmpty());
  ASSERT_EQ(::mkdir((path + "/folder").c_str(), 0700), 0);
  EXPECT_NE(directory->open("folder", file), 0);
}

TEST_F(DirectoryTest, WhoOnlyReadsChangesNothingAndMayDoItMeanwhile) {
  EXPECT_EQ(read_directory(path).error().code, ErrorCode::not_found);
  EXPECT_FALSE(std::filesystem::exists(path));
  const auto directory = open();
  std::unique_ptr<File> file;
  directory->create(segment_name(1), file);
  file->append(base::as_bytes("torn"));
  auto reading = read_directory(path);
  ASSERT_TRUE(reading);
  EXPECT_TRUE(read_log(**reading));
  EXPECT_THAT(names(**reading), ElementsAre(segment_name(1)));
  EXPECT_EQ((*reading)->create("b", file), EROFS);
  EXPECT_EQ((*reading)->rename(segment_name(1), "b"), EROFS);
  EXPECT_EQ((*reading)->remove(segment_name(1)), EROFS);
  ASSERT_EQ((*reading)->open(segment_name(1), file), 0);
  EXPECT_NE(file->append(base::as_bytes("x")), 0);
  EXPECT_NE(file->truncate(0), 0);
  EXPECT_EQ(file->size(), 4u);
  EXPECT_EQ(text(segment_name(1)), "torn");
  EXPECT_THAT(names(*directory), ElementsAre(segment_name(1)));
}

TEST_F(DirectoryTest, PlaceThatIsNoFolderIsRefusedWithItsPath) {
  std::filesystem::create_directories(root + "/instances");
  std::ofstream(path) << "a file";
  const auto opened = open_directory(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::io);
  EXPECT_EQ(opened.error().message, "the store " + path + " cannot be opened: Not a directory");
  path = root + "/not/there/either";
  EXPECT_EQ(open_directory(path).error().code, ErrorCode::not_found) << "one folder above is made, not more";
}

TEST_F(DirectoryTest, LogIsKeptInIt) {
  for (int i = 0; i < 3; ++i) {
    auto directory = open();
    auto content = read_log(*directory);
    ASSERT_TRUE(content);
    EXPECT_EQ(content->report.batches, static_cast<std::uint64_t>(i));
    auto log = Log::open(std::move(directory), {}, *content, 1, nullptr);
    ASSERT_TRUE(log);
    (*log)->batch().put(SessionGone{1});
    (*log)->end_batch(2);
    EXPECT_TRUE((*log)->flush());
  }
}

}  // namespace
}  // namespace shoal::store
