#include "controller/process_usage.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace shoal::controller {
namespace {

TEST(ProcessUsage, OfThisProcess) {
  const auto usage = read_usage(::getpid());
  ASSERT_TRUE(usage.has_value());
  EXPECT_GT(usage->resident_bytes, 100'000u);
  EXPECT_GE(usage->cpu_seconds, 0);
  EXPECT_FALSE(read_usage(0).has_value());
}

TEST(ProcessUsage, OfAProcessWithAnAwkwardName) {
  std::string folder = std::filesystem::temp_directory_path() / "shoal-proc-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::filesystem::create_directory(folder + "/7");
  const auto with = [&](const std::string& line) {
    std::ofstream(folder + "/7/stat") << line;
    return read_usage(7, folder);
  };
  const auto usage =
      with("7 (a) b) 1 (c)) S 1 1 1 0 -1 4194560 200 0 0 0 250 50 9 9 20 0 1 0 100 5000000 3 18446744073\n");
  ASSERT_TRUE(usage.has_value());
  const auto per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(usage->cpu_seconds, 300 / per_second);
  EXPECT_EQ(usage->resident_bytes, 3u * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  EXPECT_FALSE(with("7 (a) S 1 1").has_value());
  EXPECT_FALSE(with("7 a").has_value());
  EXPECT_FALSE(read_usage(8, folder).has_value());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shoal::controller
