#include "base/log_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace shoal::base {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() {
    std::string name = fs::temp_directory_path() / "shoal-log-file-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ / "lab.log";
  }
  ~LogFileTest() override { fs::remove_all(folder_); }

  LogFile open(std::uint64_t bytes_max = 0, unsigned keep = 0) {
    auto file = LogFile::open({.path = path_, .bytes_max = bytes_max, .keep = keep});
    EXPECT_TRUE(file) << file.error().message;
    return std::move(*file);
  }
  static void write(LogFile& file, const std::string& line) {
    file.append(line + '\n');
    file.flush();
  }
  std::string read(const std::string& suffix = "") const {
    std::stringstream text;
    text << std::ifstream(path_.string() + suffix).rdbuf();
    return text.str();
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_)) all.push_back(entry.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  }

  fs::path folder_;
  fs::path path_;
};

TEST_F(LogFileTest, RotatesBeforeALineThatDoesNotFitAndKeepsSoMany) {
  auto file = open(10, 2);
  write(file, "1234");
  write(file, "5678");
  EXPECT_EQ(read(), "1234\n5678\n");
  for (const char* line : {"a", "123456789", "b", "123456789"}) write(file, line);
  EXPECT_EQ(read(), "123456789\n");
  EXPECT_EQ(read(".1"), "b\n");
  EXPECT_EQ(read(".2"), "123456789\n");
  EXPECT_THAT(names(), testing::ElementsAre("lab.log", "lab.log.1", "lab.log.2"));
  EXPECT_EQ(file.trouble(), "");
}

TEST_F(LogFileTest, ABatchIsCutBetweenLines) {
  auto file = open(10, 9);
  for (const char* line : {"aaa\n", "bbb\n", "ccc\n", "a line longer than the file\n", "ddd\n"}) file.append(line);
  file.flush();
  EXPECT_EQ(read(".3"), "aaa\nbbb\n");
  EXPECT_EQ(read(".2"), "ccc\n");
  EXPECT_EQ(read(".1"), "a line longer than the file\n");
  EXPECT_EQ(read(), "ddd\n");
}

TEST_F(LogFileTest, WithoutOldFilesOneRemains) {
  auto file = open(10, 0);
  write(file, "12345678");
  write(file, "x");
  EXPECT_EQ(read(), "x\n");
  EXPECT_THAT(names(), testing::ElementsAre("lab.log"));
}

TEST_F(LogFileTest, AppendsAndCountsWhatIsThere) {
  std::ofstream(path_) << "12345678\n";
  auto file = open(10, 1);
  write(file, "x");
  EXPECT_EQ(read(".1"), "12345678\n");
  EXPECT_EQ(read(), "x\n");
}

TEST_F(LogFileTest, RotationThatFailsLetsItGrowToTwiceItsSizeThenLinesAreLost) {
  fs::create_directory(path_.string() + ".new");  // where the new file would be made
  auto file = open(10, 1);
  write(file, "123456789");
  EXPECT_EQ(file.trouble(), "");
  write(file, "still");
  EXPECT_THAT(file.trouble(), HasSubstr("cannot be rotated"));
  write(file, "waits");
  EXPECT_EQ(read(), "123456789\nstill\n");
  EXPECT_EQ(file.lost(), 0u) << "it waits in memory";

  fs::remove(path_.string() + ".new");
  file.retry();
  EXPECT_EQ(file.trouble(), "");
  EXPECT_EQ(read(".1"), "123456789\nstill\n");
  EXPECT_EQ(read(), "waits\n");
}

TEST_F(LogFileTest, WhatDidNotRotateLeavesNoHolesThatCostOldFiles) {
  for (const char* suffix : {".1", ".2"}) std::ofstream(path_.string() + suffix) << suffix;
  auto file = open(10, 2);
  write(file, "123456789");
  fs::create_directories(path_.string() + ".new");
  for (int i = 0; i < 5; ++i) write(file, "x");
  EXPECT_EQ(read(".1") + read(".2"), ".1.2");
}

TEST_F(LogFileTest, ReopeningContinuesInANewFileOfTheSameName) {
  auto file = open();
  file.append("first\n");
  fs::rename(path_, folder_ / "old");
  file.append("second\n");
  ASSERT_TRUE(file.reopen());
  write(file, "third");
  std::stringstream old;
  old << std::ifstream(folder_ / "old").rdbuf();
  EXPECT_EQ(old.str(), "first\nsecond\n");
  EXPECT_EQ(read(), "third\n");
}

TEST_F(LogFileTest, WhoCannotBeReopenedGoesOnInTheOldFileAndTriesAgain) {
  auto file = open();
  fs::rename(path_, folder_ / "old");
  fs::create_directory(path_);
  const auto reopened = file.reopen();
  ASSERT_FALSE(reopened);
  EXPECT_THAT(reopened.error().message, HasSubstr("cannot be opened"));
  write(file, "goes on");
  EXPECT_THAT(file.trouble(), HasSubstr("cannot be opened"));
  EXPECT_EQ(fs::file_size(folder_ / "old"), 8u);
  fs::remove(path_);
  write(file, "here again");
  EXPECT_EQ(read(), "here again\n");
  EXPECT_EQ(file.trouble(), "");
}

TEST_F(LogFileTest, SomebodyElseMayRotateToo) {
  auto file = open(10, 3);
  write(file, "123456789");
  fs::rename(path_, folder_ / "away");
  std::ofstream(path_) << "new\n";
  write(file, "x");
  EXPECT_EQ(read(), "new\nx\n");
  EXPECT_THAT(names(), testing::ElementsAre("away", "lab.log"));

  fs::resize_file(path_, 0);  // copied away and cut
  for (int i = 0; i < 5; ++i) write(file, "y");
  EXPECT_EQ(read(), "y\ny\ny\ny\ny\n");
}

TEST_F(LogFileTest, AFullDiskKeepsSomeLosesTheRestAndCounts) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  fs::create_symlink("/dev/full", path_);
  auto file = open();
  const std::string line(1023, 'x');
  for (int i = 0; i < 100; ++i) write(file, line);
  EXPECT_EQ(file.lost(), 36u);
  EXPECT_EQ(file.take_lost(), 0u) << "not yet";
  EXPECT_THAT(file.trouble(), HasSubstr("No space left"));

  fs::remove(path_);
  ASSERT_TRUE(file.reopen());
  EXPECT_EQ(file.trouble(), "");
  EXPECT_EQ(fs::file_size(path_), 64u * 1024);
  write(file, "not taken while the lost ones are not reported");
  EXPECT_EQ(file.take_lost(), 37u);
  write(file, "taken");
  EXPECT_EQ(fs::file_size(path_), 64u * 1024 + 6);
}

TEST_F(LogFileTest, WhatIsNotALogFileIsAnError) {
  const auto file = LogFile::open({.path = folder_ / "none/lab.log/x"});
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("none/lab.log/x"));
  EXPECT_FALSE(LogFile::on(1 << 20));
}

TEST_F(LogFileTest, APipeIsNeverWaitedForAndGetsWholeLines) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  auto file = LogFile::on(writer.get());
  ASSERT_TRUE(file);
  EXPECT_EQ(::fcntl(writer.get(), F_GETFL) & O_NONBLOCK, 0) << "others share it";
  const std::string line(999, 'x');
  for (int i = 0; i < 200; ++i) write(*file, line);
  EXPECT_GT(file->lost(), 0u);
  EXPECT_THAT(file->trouble(), HasSubstr("not read fast enough"));

  std::string got(1 << 20, '\0');
  std::size_t size = 0;
  while (file->waiting()) {
    const ssize_t n = ::read(reader.get(), got.data() + size, PIPE_BUF);
    ASSERT_GT(n, 0);
    size += static_cast<std::size_t>(n);
    file->flush();
  }
  EXPECT_EQ(file->trouble(), "");
  for (ssize_t n = 1; size % 1000 != 0 || n == PIPE_BUF; size += static_cast<std::size_t>(n))
    ASSERT_GT(n = ::read(reader.get(), got.data() + size, PIPE_BUF), 0);
  EXPECT_EQ(size / 1000 + file->lost(), 200u) << "written or counted";
}

TEST_F(LogFileTest, ASocketIsNeverWaitedFor) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  auto file = LogFile::on(writer.get());
  ASSERT_TRUE(file);
  write(*file, "first");
  char got[16] = {};
  EXPECT_EQ(::read(reader.get(), got, sizeof got), 6);
  const std::string line(999, 'x');
  for (int i = 0; i < 10'000 && file->lost() == 0; ++i) write(*file, line);
  EXPECT_GT(file->lost(), 0u);
  reader.reset();
  write(*file, "nobody");
  EXPECT_THAT(file->trouble(), HasSubstr("Broken pipe"));
}

TEST_F(LogFileTest, AFileThatIsADescriptorIsAppendedTo) {
  const UniqueFd given(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  auto one = LogFile::on(given.get());
  auto two = LogFile::on(given.get());
  ASSERT_TRUE(one && two);
  write(*one, "one");
  write(*two, "two");
  write(*one, "three");
  EXPECT_EQ(read(), "one\ntwo\nthree\n");
}

}  // namespace
}  // namespace shoal::base
