#include "base/log.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace shoal::base {
namespace {

std::string read(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Log, PhraseThenFieldsAndHostileTextStaysOnItsLine) {
  std::string seen;
  auto log = Log::open({.sink = [&](const LogRecord& r) { seen = r.text; }}, "lab");
  ASSERT_TRUE(log);
  log->info("client connected", {{"client", "a b\n\"x\""}, {"port", 1883}, {"plain", "yes"}, {"none", ""}});
  EXPECT_EQ(seen, R"(client connected client="a b\n\"x\"" port=1883 plain=yes none="")");
}

TEST(Log, LongTextIsCutBetweenCharacters) {
  std::string seen;
  auto log = Log::open({.sink = [&](const LogRecord& r) { seen = r.text; }}, "lab");
  ASSERT_TRUE(log);
  log->info("x", {{"all", std::string(512, 'a')}, {"cut", std::string(511, 'b') + "\u20ac" + "c"}});
  EXPECT_EQ(seen, "x all=" + std::string(512, 'a') + " cut=" + std::string(511, 'b') + "(+4 bytes)");
}

TEST(Log, LevelsBelowTheThresholdAreNotFormatted) {
  int lines = 0;
  auto log = Log::open({.level = LogLevel::warn, .sink = [&](const LogRecord&) { ++lines; }}, "lab");
  ASSERT_TRUE(log);
  log->info("no");
  log->warn("yes");
  log->error("yes");
  EXPECT_EQ(lines, 2);
}

TEST(Log, ReopenContinuesInANewFileOfTheSameName) {
  const auto folder = std::filesystem::temp_directory_path() / ("shoal-log-" + std::to_string(::getpid()));
  const auto path = folder / "lab.log";
  {
    auto log = Log::open({.file = path}, "lab");
    ASSERT_TRUE(log);
    log->info("first");
    log->flush();
    std::filesystem::rename(path, folder / "old");
    ASSERT_TRUE(log->reopen());
    log->info("second");
  }
  EXPECT_NE(read(folder / "old").find("info  first\n"), std::string::npos);
  EXPECT_NE(read(path).find("info  second\n"), std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST(Log, AFileThatCannotBeOpenedIsAnError) {
  const auto log = Log::open({.file = "/proc/none/lab.log"}, "lab");
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().message.find("/proc/none/lab.log"), std::string::npos);
}

}  // namespace
}  // namespace shoal::base
