#include "cli/log_merge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace shoal::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

MergedLine line(std::size_t log, const std::string& stamp) { return {log, {.stamp = stamp, .text = stamp}}; }

std::vector<std::string> texts(const std::vector<MergedLine>& lines) {
  std::vector<std::string> all;
  for (const MergedLine& one : lines) all.push_back(std::to_string(one.log) + one.line.text);
  return all;
}

TEST(LogMerge, ByTimeThenInTheOrderOfTheLogs) {
  std::string name = fs::temp_directory_path() / "shoal-log-merge-XXXXXX";
  const fs::path folder = ::mkdtemp(name.data());
  const std::string second = "2025-01-31T10:30:0";
  const auto write = [&](const char* file, std::initializer_list<std::string> lines) {
    std::ofstream out(folder / file);
    for (const std::string& text : lines) out << text << '\n';
  };
  write("a", {second + "1.000Z a1", "  more of it", second + "3.000Z a3"});
  write("b", {second + "1.000Z b1", second + "2.000Z b2"});
  write("c", {});
  std::vector<LogReader> logs;
  for (const char* file : {"a", "b", "c"}) EXPECT_EQ(logs.emplace_back(folder / file).open(std::nullopt), 0);
  LogMerge merge(logs);
  std::vector<std::string> all;
  while (const auto next = merge.next()) all.push_back(next->line.text.substr(next->line.text.rfind(' ') + 1));
  EXPECT_THAT(all, ElementsAre("a1", "it", "b1", "b2", "a3"));
  fs::remove_all(folder);
}

TEST(LogWindow, ALineWaitsForOneRoundInWhichEarlierOnesMayCome) {
  LogWindow window;
  window.add(line(0, "3"));
  window.add(line(0, "5"));
  EXPECT_THAT(window.end_round(), IsEmpty());
  window.add(line(1, "2"));
  window.add(line(1, "4"));
  window.add(line(1, "6"));
  EXPECT_THAT(texts(window.end_round()), ElementsAre("12", "03", "14", "05"));
  EXPECT_THAT(texts(window.end_round()), ElementsAre("16"));
  EXPECT_THAT(window.end_round(), IsEmpty());
}

TEST(LogWindow, ATimeFarAheadHoldsNothingUp) {
  LogWindow window;
  window.add(line(0, "9"));
  window.add(line(1, "1"));
  EXPECT_THAT(window.end_round(), IsEmpty());
  EXPECT_THAT(texts(window.end_round()), ElementsAre("11", "09"));
}

}  // namespace
}  // namespace shoal::cli
