#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "store/log_harness_test.hpp"

// A log whose batches have to survive a power cut.

namespace shoal::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;

struct LogPowerTest : testing::Test, LogHarness {
  LogPowerTest() { options.durability = Durability::power; }

  SimulatedDisk::Random random{7};
};

TEST_F(LogPowerTest, BatchIsCommittedOnceItIsSynced) {
  open();
  put("one");
  EXPECT_EQ(log->committed(), 0u);
  EXPECT_GT(log->waiting_bytes(), 0u);
  const auto syncs = disk.operations(DiskOperation::sync);
  int told = 0;
  log->set_on_commit([&] { ++told; });
  EXPECT_TRUE(background.run_one());
  EXPECT_EQ(log->committed(), 1u);
  EXPECT_EQ(disk.operations(DiskOperation::sync), syncs + 1);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(log->waiting_bytes(), 0u);
}

TEST_F(LogPowerTest, BatchesGatherWhileTheDiskWorks) {
  open();
  const auto syncs = disk.operations(DiskOperation::sync);
  for (int i = 0; i < 5; ++i) put_large(10);
  EXPECT_EQ(background.waiting(), 1u);
  background.run_one();
  EXPECT_EQ(log->committed(), 1u);
  background.run_one();
  EXPECT_EQ(log->committed(), 5u);
  EXPECT_EQ(disk.operations(DiskOperation::sync), syncs + 2) << "four at once";
  EXPECT_EQ(background.waiting(), 0u);
}

TEST_F(LogPowerTest, CommittedBatchesSurviveAPowerCutAcrossSegments) {
  for (int round = 0; round < 50; ++round) {
    LogHarness one;
    one.options = options;
    one.open();
    for (int i = 0; i < 20; ++i) one.put_large(100);
    one.background.finish();
    EXPECT_EQ(one.log->committed(), 20u);
    one.put("not committed");
    one.cut_power(random);
    one.open();
    ASSERT_GE(one.read.size(), 20u);
    EXPECT_THAT(one.report.damages, IsEmpty());
  }
}

TEST_F(LogPowerTest, SyncThatFailedIsDoneAgainWithAllThatWasWritten) {
  for (int round = 0; round < 20; ++round) {
    LogHarness one;
    one.options = options;
    one.open();
    one.put("one");
    one.disk.refuse(DiskOperation::sync, EIO);
    one.background.finish();
    EXPECT_EQ(one.log->committed(), 0u);
    EXPECT_TRUE(one.log->full());
    one.put("two");
    EXPECT_EQ(one.background.waiting(), 0u) << "it waits for the retry";
    one.disk.refuse(DiskOperation::sync, 0);
    one.log->retry();
    one.background.finish();
    EXPECT_EQ(one.log->committed(), 2u);
    EXPECT_FALSE(one.log->full());
    one.cut_power(random);
    one.open();
    EXPECT_THAT(one.read, ElementsAre("one", "two"));
  }
}

TEST_F(LogPowerTest, FileDoesNotGrowWhileSyncsFail) {
  open();
  put("one");
  background.finish();
  disk.refuse(DiskOperation::sync, EIO);
  put_large(500);
  background.finish();
  const auto size = disk.content(segment_name(1)).size();
  for (int i = 0; i < 10; ++i) {
    log->retry();
    background.finish();
  }
  EXPECT_EQ(log->committed(), 1u);
  EXPECT_EQ(disk.content(segment_name(1)).size(), size);
}

TEST_F(LogPowerTest, FolderIsSyncedBeforeABatchInANewFileIsCommitted) {
  disk.refuse(DiskOperation::sync_folder, EIO);
  open();
  put("one");
  log->retry();
  background.finish();
  EXPECT_EQ(log->committed(), 0u);
  EXPECT_TRUE(log->full());
  disk.refuse(DiskOperation::sync_folder, 0);
  log->retry();
  background.finish();
  EXPECT_EQ(log->committed(), 1u);
  for (int i = 0; i < 20; ++i) {
    cut_power(random);
    open();
    ASSERT_EQ(read.size(), 1u);
  }
}

TEST_F(LogPowerTest, WhatAProcessLeftUnsyncedIsSyncedBeforeItCounts) {
  for (int round = 0; round < 50; ++round) {
    LogHarness one;
    one.options.segment_bytes = 1000;
    one.open();
    for (int i = 0; i < 20; ++i) one.put_large(100);
    one.end_process();
    one.options.durability = Durability::power;
    one.open();
    EXPECT_EQ(one.log->committed(), 20u);
    one.cut_power(random);
    one.open();
    ASSERT_EQ(one.read.size(), 20u);
  }
}

TEST_F(LogPowerTest, SegmentsGoInTheirOrderWhateverAPowerCutLeaves) {
  for (int round = 0; round < 50; ++round) {
    LogHarness one;
    one.options = options;
    one.open();
    for (int i = 0; i < 4; ++i) one.fill_segment();
    one.put("moved");
    one.background.finish();
    for (int i = 0; i < 4; ++i) one.log->drop_oldest(one.log->committed());
    for (int i = round % 5; i > 0; --i) one.background.run_one();
    one.cut_power(random);
    const auto names = one.disk.names();
    const auto first = segment_number(names.front()).value_or(0);
    EXPECT_EQ(names.size(), 5 - first + 1) << "none is missing between the first and the last";
  }
}

TEST_F(LogPowerTest, FlushWaitsForAllThatWasHandedOver) {
  open();
  for (int i = 0; i < 30; ++i) put_large(100);
  log->batch().put(SessionGone{1});
  EXPECT_TRUE(log->flush());
  EXPECT_EQ(log->committed(), 31u);
  disk.refuse(DiskOperation::sync, EIO);
  put("one");
  EXPECT_FALSE(log->flush());
  disk.refuse(DiskOperation::sync, 0);
  EXPECT_TRUE(log->flush());
}

TEST_F(LogPowerTest, DestructorWaitsForTheBackground) {
  open();
  for (int i = 0; i < 30; ++i) put_large(100);
  log.reset();
  EXPECT_EQ(background.waiting(), 0u);
  look();
  EXPECT_EQ(read.size(), 30u);
}

TEST_F(LogPowerTest, PartOfWhatWaitsIsCommittedWhenTheDiskFillsUp) {
  options.segment_bytes = 64 << 20;
  open();
  put("first");
  for (int i = 0; i < 4; ++i) put_large(3 << 20);
  disk.set_capacity(7 << 20);
  background.finish();
  for (int i = 0; i < 3; ++i) {
    log->retry();
    background.finish();
  }
  EXPECT_EQ(log->committed(), 3u);
  EXPECT_TRUE(log->full());
  for (int i = 0; i < 5; ++i) {
    cut_power(random);
    disk.set_capacity(UINT64_MAX);
    look();
    EXPECT_THAT(numbers, IsSupersetOf({1u, 2u, 3u}));
  }
}

}  // namespace
}  // namespace shoal::store
