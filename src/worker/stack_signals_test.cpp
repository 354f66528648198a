#include "worker/stack_signals.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

namespace shoal::worker {
namespace {

TEST(StackSignalsDeathTest, QuitSaysWhereTheThreadIsAndItGoesOn) {
  EXPECT_EXIT(
      {
        auto mapping = link::PageMapping::create();
        const StackSignals signals(*mapping->page());
        std::raise(SIGQUIT);
        std::exit(mapping->page()->stacks_taken == 1 && mapping->page()->stacks[0].frames > 0 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(StackSignalsDeathTest, ACrashIsNotedAndKills) {
  auto mapping = link::PageMapping::create();  // shared with the process that dies
  ASSERT_TRUE(mapping);
  EXPECT_EXIT(
      {
        std::signal(SIGFPE, SIG_DFL);  // a sanitizer may have it
        const StackSignals signals(*mapping->page());
        std::raise(SIGFPE);
      },
      testing::KilledBySignal(SIGFPE), "");
  EXPECT_EQ(mapping->page()->fatal_signal, SIGFPE);
  EXPECT_GT(mapping->page()->stacks[0].frames, 0u);
}

// A worker that ends may get one when its page is gone already.
TEST(StackSignalsDeathTest, QuitDoesNothingAfterwards) {
  EXPECT_EXIT(
      {
        {
          auto mapping = link::PageMapping::create();
          const StackSignals signals(*mapping->page());
        }
        std::raise(SIGQUIT);
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace shoal::worker
