#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "store/image.hpp"
#include "store/log_harness_test.hpp"

// What is made of a log that is not whole.

namespace shoal::store {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct LogRecoveryTest : testing::Test, LogHarness {
  using Content = SimulatedDisk::Content;

  // Three segments, the last one with "last". Where the batches of the first one are.
  std::vector<Batch> fill() {
    open();
    fill_segment();
    fill_segment();
    put("last");
    close();
    auto content = read_content();
    return content->segments.at(0).batches;
  }
  void flip(std::uint64_t segment, std::size_t at) {
    disk.change(segment_name(segment), [&](Content& content) { content.at(at) ^= 0x10; });
  }
  void cut(std::uint64_t segment, std::size_t size) {
    disk.change(segment_name(segment), [&](Content& content) { content.resize(size); });
  }
  std::vector<std::string> damaged_files() const {
    std::vector<std::string> files;
    for (const Damage& each : report.damages) files.push_back(each.file);
    return files;
  }
};

TEST_F(LogRecoveryTest, TornTailIsCutAndAppendedBehindWhereverItIsTorn) {
  open();
  put("one");
  const std::size_t whole = disk.content(segment_name(1)).size();
  put("two");
  close();
  const Content both = disk.content(segment_name(1));
  for (std::size_t size = whole; size < both.size(); ++size) {
    disk.put(segment_name(1), Content(both.begin(), both.begin() + static_cast<std::ptrdiff_t>(size)));
    open();
    EXPECT_THAT(read, ElementsAre("one"));
    EXPECT_EQ(report.torn_bytes, size - whole);
    EXPECT_THAT(report.damages, IsEmpty());
    EXPECT_EQ(log->number(), 2u);
    EXPECT_EQ(disk.content(segment_name(1)).size(), whole);
    put("again");
    reopen();
    EXPECT_THAT(read, ElementsAre("one", "again"));
    EXPECT_EQ(report.torn_bytes, 0u);
    close();
  }
}

TEST_F(LogRecoveryTest, FileWithoutAWholeHeaderIsWhatACrashLeft) {
  for (std::size_t size = 0; size < kSegmentHeaderBytes; ++size) {
    LogHarness one;
    one.open();
    one.fill_segment();
    one.put("last");
    one.close();
    const std::size_t batches = one.read.size();
    auto begun = one.disk.content(segment_name(2));
    begun.resize(size);
    one.disk.put(segment_name(3), begun);
    one.open();
    EXPECT_EQ(one.read.back(), "last");
    EXPECT_THAT(one.report.damages, IsEmpty());
    EXPECT_EQ(one.report.torn_bytes, size);
    EXPECT_FALSE(one.disk.has(segment_name(3)));
    EXPECT_FALSE(one.disk.has(segment_name(3) + ".bad")) << "there is nothing in it to be kept";
    one.put("behind");
    one.reopen();
    EXPECT_EQ(one.read.back(), "behind");
    EXPECT_THAT(one.report.damages, IsEmpty());
    EXPECT_GE(one.read.size(), batches);
  }
}

TEST_F(LogRecoveryTest, FileOfZerosIsWhatAPowerCutLeft) {
  fill();
  disk.put(segment_name(4), Content(500));
  open();
  EXPECT_EQ(read.back(), "last");
  EXPECT_THAT(report.damages, IsEmpty());
  EXPECT_FALSE(disk.has(segment_name(4)));
  EXPECT_FALSE(disk.has(segment_name(4) + ".bad"));
}

TEST_F(LogRecoveryTest, OnlyFileWithoutAHeaderIsAnEmptyStore) {
  disk.put(segment_name(1), Content(17, 'S'));
  open();
  EXPECT_THAT(read, IsEmpty());
  EXPECT_THAT(report.damages, IsEmpty());
  put("one");
  reopen();
  EXPECT_THAT(read, ElementsAre("one"));
}

TEST_F(LogRecoveryTest, DamageInTheMiddleIsReportedAndTheRestIsUsed) {
  const auto batches = fill();
  const std::size_t all = read.size();
  flip(1, batches.at(1).offset + 30);
  open();
  EXPECT_EQ(read.size(), all - 1);
  EXPECT_EQ(read.back(), "last");
  EXPECT_EQ(report.missing_batches, 1u);
  ASSERT_THAT(damaged_files(), ElementsAre(segment_name(1)));
  EXPECT_EQ(report.damages[0].what, "1 batch before byte " + std::to_string(batches.at(2).offset) + " cannot be read");
  EXPECT_TRUE(log->damaged());
  EXPECT_EQ(log->number(), all + 1);
}

TEST_F(LogRecoveryTest, DamageOfTheFirstBatchesOfAllIsReported) {
  const auto batches = fill();
  flip(1, batches.at(0).offset);
  open();
  EXPECT_THAT(damaged_files(), ElementsAre(segment_name(1)));
  EXPECT_TRUE(log->damaged());
}

TEST_F(LogRecoveryTest, DamageAtTheEndOfASegmentIsOfThatOneNotOfTheNext) {
  const auto batches = fill();
  const std::size_t all = read.size();
  flip(1, batches.back().offset + 5);
  open();
  EXPECT_EQ(read.size(), all - 1);
  EXPECT_EQ(report.missing_batches, 1u);
  ASSERT_THAT(damaged_files(), ElementsAre(segment_name(1)));
  EXPECT_EQ(report.damages[0].what, "1 batch behind byte " + std::to_string(batches.back().offset) + " cannot be read");
}

TEST_F(LogRecoveryTest, DamageAtTheEndOfTheLastSegmentButAnEmptyOneIsReported) {
  const auto batches = fill();
  disk.change(segment_name(2), [&](Content& content) { content.resize(kSegmentHeaderBytes); });
  auto folder = disk.open();
  folder->remove(segment_name(3));
  flip(1, batches.back().offset + 5);
  open();
  EXPECT_THAT(damaged_files(), ElementsAre(segment_name(1)));
}

TEST_F(LogRecoveryTest, MissingSegmentIsReported) {
  fill();
  auto folder = disk.open();
  folder->remove(segment_name(2));
  look();
  EXPECT_GT(report.missing_batches, 0u);
  EXPECT_THAT(damaged_files(), ElementsAre(segment_name(3)));
}

TEST_F(LogRecoveryTest, DamagedSegmentIsSetAsideOnlyAfterItWasDropped) {
  const auto batches = fill();
  flip(1, batches.at(1).offset);
  open();
  EXPECT_TRUE(disk.has(segment_name(1)));
  const std::uint64_t moved = put("moved");
  log->drop_oldest(moved);
  background.finish();
  EXPECT_FALSE(disk.has(segment_name(1)));
  EXPECT_TRUE(disk.has(segment_name(1) + ".bad"));
  EXPECT_FALSE(log->damaged());
  reopen();
  EXPECT_THAT(report.damages, IsEmpty());
}

TEST_F(LogRecoveryTest, UnreadableSegmentIsSetAsideAndFourOfThemAreKept) {
  for (int i = 0; i < 6; ++i) {
    open();
    fill_segment();
    put("last");
    const std::uint64_t newest = log->place();
    close();
    flip(newest, 3);
    open();
    EXPECT_THAT(damaged_files(), ElementsAre(segment_name(newest)));
    EXPECT_TRUE(disk.has(segment_name(newest) + ".bad"));
    EXPECT_GT(log->place(), newest) << "its number is not used again";
    close();
  }
  const auto names = disk.names();
  EXPECT_EQ(std::count_if(names.begin(), names.end(), [](const auto& name) { return name.ends_with(".bad"); }), 4);
  EXPECT_THAT(names, Not(Contains(segment_name(2) + ".bad"))) << "the oldest goes";
}

TEST_F(LogRecoveryTest, DamagedLastSegmentIsNotWrittenToAnyMore) {
  open();
  for (int i = 0; i < 3; ++i) put();
  close();
  auto content = read_content();
  flip(1, content->segments[0].batches[1].offset);
  open();
  EXPECT_TRUE(log->damaged());
  EXPECT_EQ(log->place(), 2u);
  put("new");
  reopen();
  EXPECT_THAT(read, ElementsAre("1", "3", "new"));
}

TEST_F(LogRecoveryTest, SegmentUnderAnotherNameIsNotUsed) {
  fill();
  disk.put(segment_name(9), disk.content(segment_name(1)));
  open();
  EXPECT_THAT(damaged_files(), ElementsAre(segment_name(9)));
  EXPECT_THAT(report.damages[0].what, HasSubstr("is the segment " + segment_name(1)));
  EXPECT_EQ(log->place(), 10u);
}

TEST_F(LogRecoveryTest, OtherFilesAreLeftAlone) {
  disk.put("notes.txt", Content(10, 'x'));
  disk.put("1.log", Content(10, 'x'));
  fill();
  EXPECT_TRUE(disk.has("notes.txt"));
  EXPECT_TRUE(disk.has("1.log"));
}

TEST_F(LogRecoveryTest, OfFormat1ItGoesOnInANewSegment) {
  // As format 1 said that a message is the retained one: without its topic.
  Content segment(kSegmentHeaderBytes);
  encode({.version = 1, .salt = 5, .number = 1, .created = 1}, segment.data());
  RecordWriter writer(kBatchHeaderBytes);
  writer.put(MessageRecord{7, 0, 1, "old", {}, base::as_bytes("payload")});
  Content batch(writer.bytes().begin(), writer.bytes().end());
  for (const std::uint8_t byte : {14, 7, 14, 8}) batch.push_back(byte);
  seal_batch(batch, 5, 1, 1);
  segment.insert(segment.end(), batch.begin(), batch.end());
  disk.put(segment_name(1), segment);

  open();
  EXPECT_THAT(report.damages, IsEmpty());
  Image image;
  ASSERT_TRUE(image.apply_all(found.segments.at(0).batches.at(0).records, 1));
  EXPECT_EQ(image.finish().messages, 1u) << "there is no message 8";
  ASSERT_EQ(image.retained().size(), 1u);
  EXPECT_EQ(image.retained()[0].topic, "old");

  EXPECT_EQ(log->oldest(), 1u);
  EXPECT_EQ(log->place(), 2u);
  put("new");
  EXPECT_EQ(disk.content(segment_name(1)), segment);
  EXPECT_EQ(decode_segment_header(disk.content(segment_name(2)))->version, 2u);
  reopen();
  EXPECT_EQ(log->place(), 2u);
  EXPECT_THAT(read, ElementsAre("payload", "new"));
}

TEST_F(LogRecoveryTest, NewerFormatIsRefusedAndNothingIsChanged) {
  fill();
  disk.change(segment_name(2), [](Content& content) {
    auto header = *decode_segment_header(content);
    header.version = kFormatVersion + 1;
    encode(header, content.data());
  });
  const auto names = disk.names();
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::unavailable);
  EXPECT_EQ(opened.error().message, "the store simulated was written by a newer Shoal (" + segment_name(2) +
                                        " has format 3, this one reads up to 2); start it with that version");
  EXPECT_EQ(disk.names(), names);
}

TEST_F(LogRecoveryTest, PartThatCannotBeReadIsReportedAndTheRestIsUsed) {
  options.segment_bytes = 1 << 20;
  open();
  for (int i = 0; i < 30; ++i) put_large(10'000);
  put("last");
  close();
  disk.unreadable(segment_name(1), 70'000, 70'001);
  look();
  EXPECT_EQ(read.back(), "last");
  EXPECT_GE(read.size(), 29u) << "4 KiB are missing";
  EXPECT_THAT(report.damages.at(0).what, "bytes 69632 to 73728 cannot be read: Input/output error");
}

TEST_F(LogRecoveryTest, PartThatCanBeReadTheSecondTimeIsNoDamage) {
  fill();
  const std::size_t all = read.size();
  disk.fail_at(disk.operations() + 3, EIO);
  look();
  EXPECT_TRUE(disk.has_failed());
  EXPECT_EQ(read.size(), all);
  EXPECT_THAT(report.damages, IsEmpty());
}

TEST_F(LogRecoveryTest, SegmentsThatMayNotBeReadNowAreNotTakenForLost) {
  fill();
  const auto names = disk.names();
  for (const Errno error : {EMFILE, EACCES, ENOMEM}) {
    for (const DiskOperation operation : {DiskOperation::open, DiskOperation::read}) {
      disk.refuse(operation, error);
      const auto opened = try_open();
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().code, ErrorCode::io);
      EXPECT_EQ(opened.error().message,
                "the store simulated cannot be read: " + segment_name(1) + ": " + std::strerror(error));
      disk.refuse(operation, 0);
      EXPECT_EQ(disk.names(), names);
    }
  }
}

TEST_F(LogRecoveryTest, EndThatCannotBeReadIsKeptAndItsNumbersAreNotUsedAgain) {
  options.segment_bytes = 1 << 20;
  open();
  put("one");
  for (int i = 0; i < 10; ++i) put_large(1000);
  close();
  const auto size = disk.content(segment_name(1)).size();
  disk.unreadable(segment_name(1), 4096, size);
  open();
  EXPECT_LT(read.size(), 6u);
  EXPECT_TRUE(log->damaged());
  put("new");
  close();
  EXPECT_EQ(disk.content(segment_name(1)).size(), size);
  disk.unreadable(segment_name(1), size, size);
  look();
  EXPECT_EQ(read.size(), 12u) << "it was only the cable";
  EXPECT_EQ(read.back(), "new");
}

TEST_F(LogRecoveryTest, PlacesAreGoneThroughOneByOneWhateverIsMissing) {
  fill();
  open();
  fill_segment();
  put("behind");
  close();
  auto folder = disk.open();
  folder->remove(segment_name(2));
  flip(4, 3);
  open();
  EXPECT_EQ(log->place(), 5u);
  for (Place place = 1; place < 5; ++place) {
    EXPECT_EQ(log->oldest(), place);
    log->drop_oldest(log->committed());
  }
  EXPECT_EQ(log->oldest(), 5u);
  background.finish();
  EXPECT_THAT(disk.names(), ElementsAre(segment_name(3) + ".bad", segment_name(4) + ".bad", segment_name(5)));
  EXPECT_EQ(log->errors(), 0u);
  EXPECT_EQ(log->bytes(), disk.content(segment_name(5)).size());
}

TEST_F(LogRecoveryTest, FileThatCannotBeOpenedIsReported) {
  fill();
  disk.refuse(DiskOperation::open, EIO);
  look();
  EXPECT_THAT(damaged_files(), ElementsAre(segment_name(1), segment_name(2), segment_name(3)));
  EXPECT_THAT(read, IsEmpty());
  EXPECT_EQ(report.damages[0].what, "cannot be read: Input/output error");
}

TEST_F(LogRecoveryTest, LogThatIsOldHasHighNumbers) {
  constexpr std::uint64_t kLate = std::uint64_t{1} << 40;
  Content content(kSegmentHeaderBytes);
  encode({.salt = 7, .number = 1}, content.data());
  RecordWriter writer(kBatchHeaderBytes);
  writer.put(MessageRecord{1, 0, 1, "t", {}, base::as_bytes("late")});
  seal_batch(writer.bytes(), 7, kLate, 1);
  content.insert(content.end(), writer.bytes().begin(), writer.bytes().end());
  disk.put(segment_name(1), content);
  open();
  EXPECT_THAT(read, ElementsAre("late"));
  EXPECT_THAT(report.damages, IsEmpty());
  EXPECT_EQ(log->number(), kLate + 1);
}

TEST_F(LogRecoveryTest, LookingChangesNothing) {
  const auto batches = fill();
  flip(1, batches.at(1).offset);
  cut(3, disk.content(segment_name(3)).size() - 1);
  const auto names = disk.names();
  const auto before = disk.content(segment_name(3));
  look();
  EXPECT_EQ(disk.names(), names);
  EXPECT_EQ(disk.content(segment_name(3)), before);
}

}  // namespace
}  // namespace shoal::store
