#include "controller/state_lock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace shoal::controller {
namespace {

class StateLockTest : public testing::Test {
 protected:
  void SetUp() override { folder = ::mkdtemp(pattern); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  char pattern[32] = "/tmp/shoal-lock-XXXXXX";
  std::string folder;
};

TEST_F(StateLockTest, OneAtATimeAndTheOtherHearsWhoHasIt) {
  EXPECT_FALSE(StateLock::is_held(folder));
  {
    const auto first = StateLock::take(folder);
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(StateLock::is_held(folder));
    const auto second = StateLock::take(folder);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::unavailable);
    EXPECT_THAT(second.error().message, testing::HasSubstr("pid " + std::to_string(::getpid())));
  }
  EXPECT_FALSE(StateLock::is_held(folder));
  EXPECT_TRUE(std::filesystem::is_empty(folder)) << "nothing is left behind";
  EXPECT_TRUE(StateLock::take(folder).ok());
}

TEST_F(StateLockTest, AFileThatACrashLeftLocksNothing) {
  {
    std::FILE* file = std::fopen((folder + "/.lock").c_str(), "w");
    std::fputs("12345\n", file);
    std::fclose(file);
  }
  EXPECT_FALSE(StateLock::is_held(folder));
  EXPECT_TRUE(StateLock::take(folder).ok());
}

TEST_F(StateLockTest, AFolderThatIsNotThereIsAnError) {
  const auto lock = StateLock::take(folder + "/nothing");
  ASSERT_FALSE(lock.ok());
  EXPECT_EQ(lock.error().code, ErrorCode::io);
}

}  // namespace
}  // namespace shoal::controller
