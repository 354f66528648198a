#include "simulated_disk/simulated_disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace shoal::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct SimulatedDiskTest : testing::Test {
  SimulatedDisk disk;
  std::unique_ptr<Directory> folder = disk.open();
  std::unique_ptr<File> file;
  SimulatedDisk::Random random{1};

  std::string text(const std::string& name) {
    const auto& content = disk.content(name);
    return {content.begin(), content.end()};
  }
  Errno append(std::string_view more) { return file->append(base::as_bytes(more)); }
};

TEST_F(SimulatedDiskTest, FilesAreWhatWasWrittenToThem) {
  ASSERT_EQ(folder->create("a", file), 0);
  std::unique_ptr<File> other;
  EXPECT_EQ(folder->create("a", other), EEXIST);
  EXPECT_EQ(folder->open("b", other), ENOENT);
  EXPECT_EQ(append("hello world"), 0);
  EXPECT_EQ(file->truncate(5), 0);
  ASSERT_EQ(folder->open("a", other), 0);
  EXPECT_EQ(other->size(), 5u);
  std::uint8_t bytes[8];
  std::size_t got = 0;
  EXPECT_EQ(other->read(2, bytes, got), 0);
  EXPECT_EQ(std::string(bytes, bytes + got), "llo");
  EXPECT_EQ(folder->rename("a", "c"), 0);
  std::vector<std::string> names;
  EXPECT_EQ(folder->list(names), 0);
  EXPECT_THAT(names, ElementsAre("c"));
  EXPECT_EQ(folder->remove("c"), 0);
  EXPECT_THAT(disk.names(), IsEmpty());
}

TEST_F(SimulatedDiskTest, FailsInTheOperationThatItWasToldAndInNoOther) {
  folder->create("a", file);
  disk.fail_at(disk.operations() + 2, EIO, 3);
  EXPECT_EQ(append("one"), 0);
  EXPECT_FALSE(disk.has_failed());
  EXPECT_EQ(append("two four"), EIO);
  EXPECT_TRUE(disk.has_failed());
  EXPECT_EQ(append("!"), 0);
  EXPECT_EQ(text("a"), "onetwo!");
}

TEST_F(SimulatedDiskTest, AnAppendThatFailsIsNeverWhole) {
  folder->create("a", file);
  disk.fail_at(disk.operations() + 1, EIO, 100);
  EXPECT_EQ(append("four"), EIO);
  EXPECT_EQ(text("a"), "fou");
}

TEST_F(SimulatedDiskTest, RefusesAKindOfOperationUntilItIsAllowed) {
  folder->create("a", file);
  disk.refuse(DiskOperation::sync, EIO);
  EXPECT_EQ(file->sync(), EIO);
  EXPECT_EQ(append("x"), 0);
  disk.refuse(DiskOperation::sync, 0);
  EXPECT_EQ(file->sync(), 0);
}

TEST_F(SimulatedDiskTest, AFullDiskTakesWhatFitsAndReservedRoomCanBeUsed) {
  disk.set_capacity(10);
  folder->create("a", file);
  std::unique_ptr<File> other;
  folder->create("b", other);
  EXPECT_EQ(file->reserve(6), 0);
  EXPECT_EQ(other->reserve(5), ENOSPC);
  EXPECT_EQ(other->append(base::as_bytes("12345")), ENOSPC);
  EXPECT_EQ(text("b"), "1234");
  EXPECT_EQ(append("123456"), 0);
  EXPECT_EQ(append("7"), ENOSPC);
  EXPECT_EQ(other->truncate(2), 0);
  EXPECT_EQ(append("7"), 0);
  EXPECT_EQ(disk.used(), 9u);
}

TEST_F(SimulatedDiskTest, ProcessThatEndedCanDoNothingMore) {
  folder->create("a", file);
  disk.end_process_at(disk.operations() + 1, 2);
  EXPECT_EQ(append("four"), EIO);
  EXPECT_EQ(append("four"), EIO);
  EXPECT_EQ(folder->remove("a"), EIO);
  EXPECT_EQ(disk.open()->remove("a"), EIO);
  disk.end_process();
  EXPECT_EQ(folder->remove("a"), EIO) << "it is still dead";
  EXPECT_EQ(text("a"), "fo");
  folder = disk.open();
  EXPECT_EQ(folder->remove("a"), 0);
}

TEST_F(SimulatedDiskTest, WhatWasSyncedSurvivesAPowerCut) {
  for (int i = 0; i < 100; ++i) {
    disk.put("a", {'o', 'l', 'd'});
    folder->open("a", file);
    append("er");
    file->sync();
    folder->create("b", file);
    folder->sync();
    disk.cut_power(random);
    EXPECT_EQ(text("a"), "older");
    EXPECT_EQ(disk.content("b").size(), 0u);
    folder = disk.open();
    folder->remove("b");
    folder->sync();
  }
}

TEST_F(SimulatedDiskTest, WhatWasNotSyncedMaySurviveAPowerCutOrNot) {
  int there = 0, whole = 0, holes = 0, removed = 0;
  const std::string more(2000, 'x');
  for (int i = 0; i < 200; ++i) {
    disk.put("old", {});
    disk.put("a", {'a'});
    folder = disk.open();
    folder->open("a", file);
    append(more);
    folder->remove("old");
    folder->create("new", file);
    disk.cut_power(random);
    there += disk.has("new") ? 1 : 0;
    removed += disk.has("old") ? 0 : 1;
    const std::string left = text("a");
    ASSERT_TRUE(left.starts_with("a"));
    whole += left == "a" + more ? 1 : 0;
    holes += left.size() == 2001 && left != "a" + more && left.ends_with("x") ? 1 : 0;
    folder = disk.open();
    folder->remove("new");
    folder->sync();
  }
  for (const int times : {there, whole, holes, removed}) {
    EXPECT_GT(times, 5);
    EXPECT_LT(times, 195);
  }
}

TEST_F(SimulatedDiskTest, WhatASyncFailedForIsNotSavedByTheNextOne) {
  folder->create("a", file);
  folder->sync();
  append("first");
  disk.refuse(DiskOperation::sync, EIO);
  file->sync();
  disk.refuse(DiskOperation::sync, 0);
  append("second");
  EXPECT_EQ(file->sync(), 0);
  EXPECT_EQ(text("a"), "firstsecond") << "programs see it until then";
  disk.cut_power(random);
  EXPECT_EQ(text("a"), std::string(5, '\0') + "second");
}

TEST(ManualBackground, DoesOneAtATimeInTheirOrder) {
  ManualBackground background;
  std::string done;
  background.run([&] { done += "a"; }, [&] { background.run([&] { done += "c"; }, [&] { done += "C"; }); });
  background.run([&] { done += "b"; }, [&] { done += "B"; });
  EXPECT_EQ(done, "");
  EXPECT_TRUE(background.run_one());
  EXPECT_EQ(done, "a");
  background.finish();
  EXPECT_EQ(done, "abBcC");
  EXPECT_FALSE(background.run_one());
}

TEST(ManualBackground, DoesItAtOnce) {
  ManualBackground background(true);
  std::string done;
  background.run([&] { done += "a"; }, [&] { background.run([&] { done += "b"; }, [&] { done += "B"; }); });
  EXPECT_EQ(done, "abB");
}

}  // namespace
}  // namespace shoal::store
