#include "cli/log_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace shoal::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

/// A line of second `s`.
std::string at(int s, const std::string& what, const std::string& level = "info ") {
  char stamp[64];
  std::snprintf(stamp, sizeof stamp, "2025-01-31T10:%02d:%02d.000Z", s / 60, s % 60);
  return std::string(stamp) + ' ' + level + ' ' + what;
}

class LogReaderTest : public testing::Test {
 protected:
  LogReaderTest() {
    std::string name = fs::temp_directory_path() / "shoal-log-reader-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ / "lab.log";
  }
  ~LogReaderTest() override { fs::remove_all(folder_); }

  std::string name(const std::string& suffix) const { return path_.string() + suffix; }
  void append(const std::string& line, const std::string& suffix = "") {
    std::ofstream(name(suffix), std::ios::app) << line << '\n';
  }
  void move(const std::string& from, const std::string& to) { fs::rename(name(from), name(to)); }
  /// What there is now, without time and level.
  std::vector<std::string> all() {
    std::vector<std::string> texts;
    while (const auto line = reader_->next()) texts.push_back(line->text.substr(line->text.rfind(' ') + 1));
    return texts;
  }
  int open(const std::optional<std::string>& since = std::nullopt) {
    reader_.emplace(path_);
    return reader_->open(since);
  }

  fs::path folder_;
  fs::path path_;
  std::optional<LogReader> reader_;
};

TEST(LogLine, TextAndJsonHaveATimeAndALevel) {
  LogLine line;
  EXPECT_TRUE(read_log_line("2025-01-31T10:30:00.123Z warn  odd x=1", line));
  EXPECT_EQ(line.stamp, "2025-01-31T10:30:00.123Z");
  EXPECT_EQ(line.level, LogLevel::warn);
  EXPECT_FALSE(line.json);
  EXPECT_TRUE(
      read_log_line(R"({"time":"2025-01-31T10:30:01.000Z","level":"debug","instance":"lab","message":"x"})", line));
  EXPECT_EQ(line.stamp, "2025-01-31T10:30:01.000Z");
  EXPECT_EQ(line.level, LogLevel::debug);
  EXPECT_TRUE(line.json);
  for (const char* other : {"", "AddressSanitizer: something", "{\"time\":\"never\"}", "2025-01-31"}) {
    EXPECT_FALSE(read_log_line(other, line)) << other;
    EXPECT_EQ(line.stamp, "2025-01-31T10:30:01.000Z") << "it belongs to the line before";
    EXPECT_FALSE(line.json);
  }
}

TEST_F(LogReaderTest, ReadsFromTheOldestFileOn) {
  append(at(1, "a"), ".2");
  append(at(2, "b"), ".1");
  append(at(3, "c"));
  append(at(0, "not one of them"), ".5");
  ASSERT_EQ(open(), 0);
  EXPECT_THAT(all(), ElementsAre("a", "b", "c"));
  append(at(4, "d"));
  EXPECT_THAT(all(), ElementsAre("d"));
}

TEST_F(LogReaderTest, OldFilesThatCannotHaveAnyAreLeftOut) {
  append(at(1, "a"), ".2");
  append(at(3, "b"), ".1");
  append(at(5, "c"));
  ASSERT_EQ(open(at(4, "").substr(0, kStampSize)), 0);
  EXPECT_THAT(all(), ElementsAre("b", "c"));
}

TEST_F(LogReaderTest, AnEmptyFileSaysNothingOfOlderOnes) {
  append(at(3, "a"), ".1");
  std::ofstream(path_).flush();
  ASSERT_EQ(open(at(2, "").substr(0, kStampSize)), 0);
  EXPECT_THAT(all(), ElementsAre("a"));
}

TEST_F(LogReaderTest, WhatHasNoLinesIsReadInPieces) {
  std::ofstream(path_) << std::string(3 << 20, 'x');
  ASSERT_EQ(open(), 0);
  EXPECT_GE(all().size(), 2u);
}

TEST_F(LogReaderTest, AMissingLogMayCome) {
  EXPECT_EQ(open(), ENOENT);
  EXPECT_THAT(all(), IsEmpty());
  append(at(1, "a"));
  EXPECT_THAT(all(), ElementsAre("a"));
  fs::remove(path_);
  fs::create_directory(path_);
  EXPECT_EQ(open(), EISDIR);
}

TEST_F(LogReaderTest, OnlyWholeLines) {
  std::ofstream(path_) << at(1, "a") << '\n' << at(2, "be");
  ASSERT_EQ(open(), 0);
  EXPECT_THAT(all(), ElementsAre("a"));
  append("gun");
  EXPECT_THAT(all(), ElementsAre("begun"));
}

TEST_F(LogReaderTest, FollowsSeveralRotationsAtOnce) {
  append(at(1, "a"));
  ASSERT_EQ(open(), 0);
  EXPECT_THAT(all(), ElementsAre("a"));
  append(at(2, "b"));
  move("", ".1");
  append(at(3, "c"));
  move(".1", ".2");
  move("", ".1");
  append(at(4, "d"));
  EXPECT_THAT(all(), ElementsAre("b", "c", "d"));
}

TEST_F(LogReaderTest, AFileThatIsGoneByNowDoesNotBringBackOlderOnes) {
  append(at(1, "old"), ".1");
  append(at(2, "a"));
  ASSERT_EQ(open(), 0);
  EXPECT_THAT(all(), ElementsAre("old", "a"));
  append(at(3, "b"));
  fs::rename(path_, folder_ / "elsewhere");
  append(at(4, "c"));
  EXPECT_THAT(all(), ElementsAre("b", "c"));
}

TEST_F(LogReaderTest, WhoeverMovesAFileMayMakeTheNewOneEarly) {
  append(at(1, "a"));
  ASSERT_EQ(open(), 0);
  EXPECT_THAT(all(), ElementsAre("a"));
  move("", ".1");
  std::ofstream(path_).flush();
  EXPECT_THAT(all(), IsEmpty());
  append(at(2, "still to the old one"), ".1");
  EXPECT_THAT(all(), ElementsAre("one"));
  append(at(3, "last"), ".1");
  append(at(4, "first"));
  EXPECT_THAT(all(), ElementsAre("last", "first"));
}

TEST_F(LogReaderTest, AClockThatWentBackHidesNoFile) {
  append(at(50, "a"));
  ASSERT_EQ(open(), 0);
  EXPECT_THAT(all(), ElementsAre("a"));
  fs::rename(path_, folder_ / "elsewhere");
  append(at(10, "b"));
  EXPECT_THAT(all(), ElementsAre("b"));
}

TEST_F(LogReaderTest, AFileThatIsCutBeginsAnew) {
  append(at(1, "a"));
  append(at(2, "b"));
  ASSERT_EQ(open(), 0);
  EXPECT_THAT(all(), ElementsAre("a", "b"));
  fs::resize_file(path_, 0);
  append(at(3, "c"));
  EXPECT_THAT(all(), ElementsAre("c"));
}

}  // namespace
}  // namespace shoal::cli
