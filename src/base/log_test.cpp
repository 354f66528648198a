#include "base/log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/unique_fd.hpp"

namespace shoal::base {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::MatchesRegex;

#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z"

class LogTest : public testing::Test {
 protected:
  LogTest() {
    std::string name = fs::temp_directory_path() / "shoal-log-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ / "lab.log";
  }
  ~LogTest() override { fs::remove_all(folder_); }

  static std::string read(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  fs::path folder_;
  fs::path path_;
};

TEST_F(LogTest, ASinkGetsLinesWithoutTimeAndLevel) {
  std::string seen;
  auto log = Log::open({.sink = [&](const LogRecord& r) { seen = r.text; }}, "lab");
  ASSERT_TRUE(log);
  log->info("client connected", {{"client", "a b"}});
  EXPECT_EQ(seen, R"(client connected client="a b")");
}

TEST_F(LogTest, LevelsBelowTheThresholdAreNotFormatted) {
  int lines = 0;
  auto log = Log::open({.level = LogLevel::warn, .sink = [&](const LogRecord&) { ++lines; }}, "lab");
  ASSERT_TRUE(log);
  log->info("no");
  log->warn("yes");
  log->error("yes");
  EXPECT_EQ(lines, 2);
  log->set_level(LogLevel::debug);
  log->debug("yes");
  log->set_level(LogLevel::off);
  log->error("no");
  EXPECT_EQ(lines, 3);
}

TEST_F(LogTest, TextLines) {
  auto log = Log::open({.file = path_}, "lab");
  ASSERT_TRUE(log);
  log->warn("odd", {{"n", 1}});
  log->flush();
  EXPECT_THAT(read(path_), MatchesRegex(STAMP " warn  odd n=1\n"));
}

TEST_F(LogTest, JsonLines) {
  auto log = Log::open({.format = LogFormat::json, .file = path_}, "lab");
  ASSERT_TRUE(log);
  log->info("client connected", {{"client", "\"\xff"}, {"instance", "other"}});
  log->flush();
  EXPECT_THAT(read(path_),
              MatchesRegex(R"(\{"time":")" STAMP R"(","level":"info","instance":"lab",)"
                           R"("message":"client connected","fields":\{"client":"\\"...","instance":"other"\}\})"
                           "\n"));
}

TEST_F(LogTest, LinesToADescriptorSayWhichInstance) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  auto log = Log::open({.fd = writer.get()}, "lab");
  ASSERT_TRUE(log);
  log->error("at once");
  char got[200] = {};
  ASSERT_GT(::read(reader.get(), got, sizeof got - 1), 0);
  EXPECT_THAT(got, MatchesRegex(STAMP " error lab: at once\n"));
}

TEST_F(LogTest, TheJournalGetsThePriority) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  struct stat status {};
  ASSERT_EQ(::fstat(writer.get(), &status), 0);
  ::setenv("JOURNAL_STREAM", (std::to_string(status.st_dev) + ':' + std::to_string(status.st_ino)).c_str(), 1);
  auto log = Log::open({.fd = writer.get()}, "lab");
  ::unsetenv("JOURNAL_STREAM");
  ASSERT_TRUE(log);
  log->warn("odd");
  log->flush();
  char got[200] = {};
  ASSERT_GT(::read(reader.get(), got, sizeof got - 1), 0);
  EXPECT_THAT(got, MatchesRegex("<4>" STAMP " warn  lab: odd\n"));
}

TEST_F(LogTest, ReopenContinuesInANewFileOfTheSameName) {
  {
    auto log = Log::open({.file = path_}, "lab");
    ASSERT_TRUE(log);
    log->info("first");
    log->flush();
    fs::rename(path_, folder_ / "old");
    ASSERT_TRUE(log->reopen());
    log->info("second");
  }
  EXPECT_THAT(read(folder_ / "old"), HasSubstr("info  first\n"));
  EXPECT_THAT(read(path_), HasSubstr("info  second\n"));
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsAnError) {
  const auto log = Log::open({.file = "/proc/none/lab.log"}, "lab");
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message, HasSubstr("/proc/none/lab.log"));
}

TEST_F(LogTest, TroubleIsToldOnceAndItsEndAndWhatWasLost) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  fs::create_symlink("/dev/full", path_);
  std::vector<std::string> told;
  auto log = Log::open({.file = path_, .on_trouble = [&](std::string_view what) { told.emplace_back(what); }}, "lab");
  ASSERT_TRUE(log);
  for (int i = 0; i < 2'000; ++i) {
    log->info("a line of some length", {{"number", i}, {"text", std::string(100, 'x')}});
    if (i % 10 == 0) log->flush();
  }
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0], HasSubstr("lab.log cannot be written: No space left"));
  EXPECT_EQ(log->trouble(), told[0]);
  const std::uint64_t lost = log->lost();
  EXPECT_GT(lost, 1'000u);

  fs::remove(path_);
  ASSERT_TRUE(log->reopen());
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[1], "");
  EXPECT_EQ(log->trouble(), "");
  EXPECT_EQ(log->lost(), lost);
  log->info("after");
  log->flush();
  const std::string all = read(path_);
  EXPECT_THAT(all, HasSubstr("error log lines lost count=" + std::to_string(lost) + "\n"));
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n') - 2 + static_cast<long>(lost), 2'000);
  EXPECT_LT(all.find("log lines lost"), all.find("after"));
}

}  // namespace
}  // namespace shoal::base
