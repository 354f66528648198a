#include "controller/wait_readable.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "base/unique_fd.hpp"

namespace shoal::controller {
namespace {

TEST(WaitReadable, WhatIsThereIsSeenWhenTheTimeIsOver) {
  const auto over = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  const base::UniqueFd empty(::eventfd(0, EFD_CLOEXEC)), full(::eventfd(1, EFD_CLOEXEC));
  EXPECT_FALSE(wait_readable(empty.get(), over));
  EXPECT_TRUE(wait_readable(full.get(), over));
}

}  // namespace
}  // namespace shoal::controller
