#include "link/worker_page.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace shoal::link {
namespace {

TEST(WorkerPage, WhatOneWritesTheOtherReads) {
  auto mine = PageMapping::create();
  ASSERT_TRUE(mine.ok());
  const auto theirs = PageMapping::open(base::UniqueFd(::fcntl(mine->fd(), F_DUPFD_CLOEXEC, 0)));
  ASSERT_TRUE(theirs.ok());
  mine->page()->pulses[2].busy_since = 77;
  mine->page()->starting = pulse_id("lab");
  EXPECT_EQ(theirs->page()->pulses[2].busy_since, 77);
  EXPECT_EQ(theirs->page()->starting, pulse_id("lab"));
}

TEST(WorkerPage, CannotBecomeShorterUnderItsReader) {
  auto mine = PageMapping::create();
  ASSERT_TRUE(mine.ok());
  EXPECT_NE(::ftruncate(mine->fd(), 0), 0);
}

TEST(WorkerPage, MemoryThatCouldBecomeShorterIsNotRead) {
  base::UniqueFd fd(::memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(fd.get(), sizeof(WorkerPage)), 0);
  EXPECT_FALSE(PageMapping::open(std::move(fd)).ok());
  EXPECT_FALSE(PageMapping::open(base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))).ok());
}

TEST(WorkerPage, TakesAPageWhileNobodyCrashes) { EXPECT_LE(offsetof(WorkerPage, stacks), 4096u); }

TEST(PulseId, DiffersByName) {
  EXPECT_NE(pulse_id("lab"), pulse_id("lab2"));
  EXPECT_NE(pulse_id(""), 0u);
}

}  // namespace
}  // namespace shoal::link
