#include "store/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "store/log_harness_test.hpp"

namespace shoal::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct LogTest : testing::Test, LogHarness {};

TEST_F(LogTest, WhatWasWrittenIsReadAgain) {
  open();
  EXPECT_THAT(read, IsEmpty());
  EXPECT_EQ(log->number(), 1u);
  EXPECT_EQ(put("one"), 1u);
  EXPECT_EQ(log->committed(), 1u);
  put("two");
  reopen();
  EXPECT_THAT(read, ElementsAre("one", "two"));
  EXPECT_EQ(report.batches, 2u);
  EXPECT_EQ(report.torn_bytes, 0u);
  EXPECT_THAT(report.damages, IsEmpty());
  EXPECT_EQ(log->number(), 3u);
  EXPECT_EQ(log->committed(), 2u);
  put("three");
  reopen();
  EXPECT_THAT(read, ElementsAre("one", "two", "three"));
  EXPECT_THAT(disk.names(), ElementsAre(segment_name(1)));
}

TEST_F(LogTest, SurvivesTheProcess) {
  open();
  put("one");
  end_process();
  open();
  EXPECT_THAT(read, ElementsAre("one"));
}

TEST_F(LogTest, BatchWithoutRecordsIsNone) {
  open();
  log->end_batch(now);
  EXPECT_EQ(log->number(), 1u);
  EXPECT_EQ(log->committed(), 0u);
}

TEST_F(LogTest, BeginsASegmentWhenOneIsLargeEnough) {
  open();
  const Place first = log->place();
  EXPECT_EQ(log->oldest(), first);
  fill_segment();
  EXPECT_EQ(log->place(), first + 1);
  EXPECT_EQ(log->oldest(), first);
  put("behind");
  EXPECT_THAT(disk.names(), ElementsAre(segment_name(1), segment_name(2)));
  EXPECT_GE(disk.content(segment_name(1)).size(), options.segment_bytes);
  reopen();
  EXPECT_EQ(read.back(), "behind");
  EXPECT_EQ(report.segments, 2u);
  EXPECT_EQ(log->place(), first + 1);
}

TEST_F(LogTest, CountsTheBytesOfItsFiles) {
  const auto on_disk = [&] {
    std::uint64_t bytes = 0;
    for (const auto& name : disk.names()) bytes += disk.content(name).size();
    return bytes;
  };
  open();
  EXPECT_EQ(log->bytes(), on_disk());
  fill_segment();
  put();
  fill_segment();
  put();
  EXPECT_EQ(log->bytes(), on_disk());
  log->drop_oldest(log->committed());
  background.finish();
  EXPECT_EQ(log->bytes(), on_disk());
  log->drop_oldest(log->committed());
  background.finish();
  EXPECT_EQ(log->bytes(), on_disk());
  const auto bytes = log->bytes();
  reopen();
  EXPECT_EQ(log->bytes(), bytes);
}

TEST_F(LogTest, OldestSegmentGoesOnceItsBatchIsCommitted) {
  open();
  fill_segment();
  disk.refuse(DiskOperation::append, EIO);
  const std::uint64_t moved = put("moved");
  log->drop_oldest(moved);
  EXPECT_EQ(log->oldest(), log->place()) << "nobody counts on it any more";
  background.finish();
  EXPECT_TRUE(disk.has(segment_name(1)));
  disk.refuse(DiskOperation::append, 0);
  log->retry();
  background.finish();
  EXPECT_FALSE(disk.has(segment_name(1)));
  reopen();
  EXPECT_THAT(read, ElementsAre("moved"));
}

TEST_F(LogTest, SegmentThatCannotBeRemovedIsRemovedBeforeTheNextOne) {
  // Otherwise the older one would bring back what a record in the newer one had ended.
  open();
  for (int i = 0; i < 2; ++i) fill_segment();
  put("moved");
  disk.refuse(DiskOperation::remove, EIO);
  log->drop_oldest(log->committed());
  log->drop_oldest(log->committed());
  background.finish();
  EXPECT_TRUE(disk.has(segment_name(1)));
  disk.fail_at(disk.operations() + 1, EIO);
  disk.refuse(DiskOperation::remove, 0);
  put("later");
  background.finish();
  EXPECT_TRUE(!disk.has(segment_name(1)) || disk.has(segment_name(2)));
  log->retry();
  background.finish();
  EXPECT_THAT(disk.names(), ElementsAre(segment_name(3)));
}

TEST_F(LogTest, RemovedSegmentsAreNotWaitedForByWhoeverClosesTheLog) {
  open();
  fill_segment();
  put("moved");
  log->drop_oldest(log->committed());
  close();
  background.finish();
  EXPECT_THAT(disk.names(), ElementsAre(segment_name(2)));
}

TEST_F(LogTest, WhatCannotBeWrittenWaitsAndIsWrittenLater) {
  for (const Errno error : {EIO, ENOSPC}) {
    for (const std::size_t written : {0, 1, 30, 1000}) {
      LogHarness one;
      one.open();
      one.put("first");
      one.disk.fail_at(one.disk.operations() + 1, error, written);
      const std::uint64_t failed = one.put("second");
      EXPECT_EQ(one.log->committed(), failed - 1);
      EXPECT_TRUE(one.log->full());
      EXPECT_EQ(one.log->errors(), 1u);
      EXPECT_EQ(one.log->trouble(), std::strerror(error));
      EXPECT_GT(one.log->waiting_bytes(), 0u);
      one.put("third");
      EXPECT_EQ(one.log->committed(), failed - 1) << "behind what waits";
      one.log->retry();
      EXPECT_EQ(one.log->committed(), failed + 1);
      EXPECT_FALSE(one.log->full());
      EXPECT_EQ(one.log->trouble(), "");
      EXPECT_EQ(one.log->waiting_bytes(), 0u);
      one.put("fourth");
      one.end_process();
      one.open();
      EXPECT_THAT(one.read, ElementsAre("first", "second", "third", "fourth"));
      EXPECT_THAT(one.report.damages, IsEmpty());
    }
  }
}

TEST_F(LogTest, PartOfABatchThatCannotBeCutOffDoesNoHarm) {
  open();
  put("first");
  disk.refuse(DiskOperation::truncate, EIO);
  disk.fail_at(disk.operations() + 1, EIO, 30);
  put("second");
  log->retry();
  put("third");
  end_process();
  open();
  EXPECT_THAT(read, ElementsAre("first", "second", "third"));
  EXPECT_THAT(report.damages, IsEmpty());
}

TEST_F(LogTest, WhatWaitsAtTheEndIsWrittenByTheDestructor) {
  open();
  disk.fail_at(disk.operations() + 1, EIO);
  put("one");
  EXPECT_EQ(log->committed(), 0u);
  reopen();
  EXPECT_THAT(read, ElementsAre("one"));
}

TEST_F(LogTest, IsFullWhenTheDiskIsAndNotWhenThereIsRoomAgain) {
  disk.set_capacity(100'000);
  options.segment_bytes = 1 << 20;
  open();
  while (!log->full()) put_large(1000);
  EXPECT_EQ(log->trouble(), "no room left to reserve on the disk");
  EXPECT_EQ(log->waiting_bytes(), 0u) << "it says so before something waits";
  const std::uint64_t last = log->committed();
  // Reserved room lets more be written that must not be refused.
  for (int i = 0; i < 10; ++i) put_large(1000);
  EXPECT_EQ(log->committed(), last + 10);
  log->retry();
  EXPECT_TRUE(log->full());
  while (log->waiting_bytes() == 0) put_large(1000);
  EXPECT_EQ(log->trouble(), std::strerror(ENOSPC));
  log->retry();
  EXPECT_TRUE(log->full());
  EXPECT_LE(disk.used(), 100'000u);
  disk.set_capacity(200'000);
  log->retry();
  EXPECT_FALSE(log->full());
  const std::uint64_t committed = log->committed();
  EXPECT_EQ(committed + 1, log->number());
  end_process();
  look();
  EXPECT_EQ(numbers.size(), committed);
}

TEST_F(LogTest, AdmitsWhatThereIsRoomFor) {
  disk.set_capacity(100'000);
  options.segment_bytes = 1 << 20;
  open();
  put_large(1000);
  EXPECT_TRUE(log->admits(60'000));
  put_large(60'000);
  EXPECT_EQ(log->waiting_bytes(), 0u);
  // Too large, but smaller ones are taken.
  EXPECT_FALSE(log->admits(40'000));
  EXPECT_FALSE(log->full());
  EXPECT_TRUE(log->admits(1'000));
  put_large(1000);
  // What is in the batch already counts, too.
  const std::string payload(10'000, 'x');
  log->batch().put(MessageRecord{log->number(), 0, 1, "t", {}, base::as_bytes(payload)});
  EXPECT_FALSE(log->admits(25'000));
  log->end_batch(1);
  EXPECT_EQ(log->waiting_bytes(), 0u);
  while (!log->full()) put_large(1000);
  EXPECT_FALSE(log->admits(1)) << "what is left is for what must not be refused";
  disk.set_capacity(200'000);
  log->retry();
  EXPECT_TRUE(log->admits(40'000));
}

TEST_F(LogTest, AdmitsWhileTheDiskWorksWhatTheLastWriteSawRoomFor) {
  disk.set_capacity(100'000);
  options.segment_bytes = 1 << 20;
  options.durability = Durability::power;
  open();
  put_large(1000);
  background.finish();
  put_large(30'000);
  ASSERT_EQ(background.waiting(), 1u);
  EXPECT_FALSE(log->admits(70'000));
  EXPECT_TRUE(log->admits(40'000));
  put_large(40'000);
  EXPECT_FALSE(log->admits(30'000)) << "what waits needs room, too";
  EXPECT_TRUE(log->admits(1'000));
  background.finish();
  EXPECT_FALSE(log->full());
  EXPECT_EQ(log->waiting_bytes(), 0u);
  disk.set_capacity(200'000);
  put_large(100);
  background.finish();
  EXPECT_TRUE(log->admits(70'000));
}

TEST_F(LogTest, WhereOthersWouldWaitItWritesInTheBackground) {
  open();
  put();
  EXPECT_EQ(log->committed(), 1u);
  background.set_alone(false);
  put();
  EXPECT_EQ(log->committed(), 1u);
  EXPECT_EQ(background.waiting(), 1u);
  background.set_alone(true);
  put();
  EXPECT_EQ(log->committed(), 1u) << "behind what waits";
  background.finish();
  EXPECT_EQ(log->committed(), 3u);
  put();
  EXPECT_EQ(log->committed(), 4u);
  background.set_alone(false);
  disk.refuse(DiskOperation::append, EIO);
  put();
  background.finish();
  disk.refuse(DiskOperation::append, 0);
  log->retry();
  EXPECT_EQ(log->committed(), 4u) << "trying again is done there, too";
  background.finish();
  EXPECT_EQ(log->committed(), 5u);
}

TEST_F(LogTest, RoomOfItsOwnThatIsDroppedIsRoomAgain) {
  disk.set_capacity(120'000);
  options.segment_bytes = 20'000;
  open();
  while (!log->full()) put_large(1000);
  while (log->oldest() != log->place()) log->drop_oldest(log->committed());
  background.finish();
  log->retry();
  EXPECT_FALSE(log->full());
}

TEST_F(LogTest, PiecesThatWereWrittenAreNotWrittenAgainBecauseOfOneThatCannotBe) {
  options.segment_bytes = 64 << 20;
  options.durability = Durability::process;
  open();
  disk.fail_at(disk.operations() + 1, ENOSPC);
  for (int i = 0; i < 4; ++i) put_large(3 << 20);
  // Room for two.
  disk.set_capacity(disk.used() + (7 << 20));
  for (int i = 0; i < 5; ++i) log->retry();
  EXPECT_EQ(log->committed(), 2u) << "and what they took is not lost";
  disk.set_capacity(14 << 20);
  log->retry();
  EXPECT_EQ(log->committed(), 4u);
  EXPECT_EQ(log->waiting_bytes(), 0u);
}

TEST_F(LogTest, GoesOnWithoutReserveWhereTheFileSystemHasNone) {
  disk.refuse(DiskOperation::reserve, EOPNOTSUPP);
  open();
  put("one");
  EXPECT_FALSE(log->full());
  EXPECT_EQ(disk.operations(DiskOperation::reserve), 1u) << "it asks once";
}

TEST_F(LogTest, ReservedRoomIsGivenBackAtTheEndOfASegment) {
  open();
  put("one");
  EXPECT_GT(disk.used(), disk.content(segment_name(1)).size());
  close();
  EXPECT_EQ(disk.used(), disk.content(segment_name(1)).size());
}

TEST_F(LogTest, SlowWritesAreMadeInTheBackground) {
  options.slow = std::chrono::nanoseconds(-1);
  open();
  put("one");
  EXPECT_EQ(log->committed(), 1u) << "nothing is known of the disk yet";
  put("two");
  put("three");
  EXPECT_EQ(log->committed(), 1u);
  EXPECT_EQ(disk.operations(DiskOperation::sync), 0u);
  int told = 0;
  log->set_on_commit([&] { ++told; });
  background.run_one();
  EXPECT_EQ(log->committed(), 2u);
  EXPECT_EQ(told, 1);
  background.finish();
  EXPECT_EQ(log->committed(), 3u);
  put("four");
  disk.fail_at(disk.operations() + 1, EIO, 7);
  background.finish();
  EXPECT_EQ(log->committed(), 3u);
  EXPECT_TRUE(log->full());
  log->retry();
  background.finish();
  EXPECT_EQ(log->committed(), 4u);
  EXPECT_EQ(disk.operations(DiskOperation::sync), 0u);
  put("five");
  reopen();
  EXPECT_THAT(read, ElementsAre("one", "two", "three", "four", "five"));
}

TEST_F(LogTest, FlushWritesTheBatchUnderWayToo) {
  open();
  log->batch().put(SessionGone{1});
  EXPECT_TRUE(log->flush());
  EXPECT_EQ(log->committed(), 1u);
  disk.refuse(DiskOperation::append, ENOSPC);
  put();
  const auto failed = log->flush();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, AllOf(HasSubstr("simulated"), HasSubstr(std::strerror(ENOSPC))));
  disk.refuse(DiskOperation::append, 0);
}

TEST_F(LogTest, StoreThatCannotBeWrittenIsRefusedAndAFullOneIsNot) {
  disk.refuse(DiskOperation::create, EACCES);
  auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::permission_denied);
  disk.refuse(DiskOperation::create, EMFILE);
  opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::resource_exhausted);
  for (const Errno error : {ENOSPC, EIO}) {
    disk.refuse(DiskOperation::create, error);
    open();
    EXPECT_TRUE(log->full());
    const std::uint64_t waits = put("waits");
    EXPECT_EQ(log->committed(), waits - 1);
    disk.refuse(DiskOperation::create, 0);
    log->retry();
    EXPECT_EQ(log->committed(), waits);
    EXPECT_FALSE(log->full());
    close();
    disk.put(segment_name(1), {});
  }
}

TEST_F(LogTest, WritesAtOnceWhenAnOpenThatFailedIsPossibleNow) {
  disk.refuse(DiskOperation::create, ENOSPC);
  open();
  disk.refuse(DiskOperation::create, 0);
  const std::uint64_t one = put("one");
  EXPECT_EQ(log->committed(), one);
  EXPECT_FALSE(log->full());
}

TEST_F(LogTest, FolderThatCannotBeListedIsAnError) {
  open();
  put("one");
  close();
  disk.refuse(DiskOperation::list, EIO);
  auto content = read_content();
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, ErrorCode::io);
  disk.refuse(DiskOperation::list, 0);
  content = read_content();
  ASSERT_TRUE(content);
  disk.refuse(DiskOperation::list, EIO);
  const auto opened = Log::open(disk.open(), options, *content, now, &background);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::io);
}

}  // namespace
}  // namespace shoal::store
