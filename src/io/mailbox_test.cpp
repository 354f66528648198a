#include "io/mailbox.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

namespace shoal::io {
namespace {

void write(Mailbox& from, Mailbox& to, std::uint8_t what) {
  Letter& letter = from.blank();
  letter.bytes.resize(1);
  *letter.bytes.data() = what;
  to.put(letter);
}

std::vector<std::uint8_t> read(Mailbox& box) {
  std::vector<std::uint8_t> all;
  box.read_all([&](const Letter& letter) { all.insert(all.end(), letter.bytes.begin(), letter.bytes.end()); });
  return all;
}

TEST(MailboxTest, LettersOfAllSendersHaveOneOrder) {
  Mailbox a(0), b(1), to(2);
  write(a, to, 1);
  write(b, to, 2);
  write(a, to, 3);
  EXPECT_FALSE(to.empty());
  EXPECT_EQ(read(to), (std::vector<std::uint8_t>{1, 2, 3}));
  EXPECT_TRUE(to.empty());
}

TEST(MailboxTest, TheOwnerIsWokenOnceUntilItReads) {
  Mailbox from(0), to(1);
  int wakes = 0;
  to.set_wake([&] { ++wakes; });
  write(from, to, 1);
  write(from, to, 2);
  EXPECT_EQ(wakes, 1);
  read(to);
  write(from, to, 3);
  EXPECT_EQ(wakes, 2);
}

TEST(MailboxTest, LettersAreUsedAgain) {
  Mailbox from(0), to(1);
  write(from, to, 1);
  EXPECT_EQ(from.unread_bytes(), 1u);
  const Letter* first = nullptr;
  to.read_all([&](const Letter& letter) { first = &letter; });
  EXPECT_EQ(from.unread_bytes(), 0u);
  Letter& again = from.blank();
  EXPECT_EQ(&again, first);
  EXPECT_EQ(again.bytes.size(), 0u);
  EXPECT_EQ(again.from, 0u);
  to.put(again);
}

TEST(MailboxTest, ShrinkGivesBackWhatIsNotInUse) {
  Mailbox from(0), to(1);
  for (int i = 0; i < 3; ++i) {
    Letter& letter = from.blank();
    letter.bytes.resize(1000);
    to.put(letter);
  }
  from.shrink();  // nothing is back yet
  EXPECT_EQ(from.unread_bytes(), 3000u);
  EXPECT_EQ(read(to).size(), 3000u);
  from.shrink();
  EXPECT_EQ(from.unread_bytes(), 0u);
  Letter& blank = from.blank();
  EXPECT_EQ(blank.bytes.capacity(), 0u);
  to.put(blank);
}

TEST(MailboxTest, LargeLettersAreUsedAgainAsLongAsAllTogetherAreNotTooLarge) {
  constexpr std::size_t kLarge = 1'500'000;
  Mailbox from(0), to(1);
  const auto send = [&](std::size_t size) {
    Letter& letter = from.blank();
    letter.bytes.resize(size);
    to.put(letter);
  };
  const auto capacities = [&] {
    std::size_t all = 0;
    std::array<Letter*, 3> letters{};
    for (Letter*& letter : letters) all += (letter = &from.blank())->bytes.capacity();
    for (Letter* letter : letters) to.put(*letter);
    to.read_all([](const Letter&) {});
    return all;
  };
  for (int i = 0; i < 3; ++i) send(kLarge);
  to.read_all([](const Letter&) {});
  EXPECT_EQ(capacities(), 2 * kLarge);
  EXPECT_EQ(capacities(), 2 * kLarge) << "taking them out and putting them back counts once";
}

TEST(MailboxTest, WhatIsNotReadGoesWithTheMailbox) {
  Mailbox from(0), to(1);
  write(from, to, 1);
  write(from, to, 2);
}

// Each writes to both others: what one of them has read comes before what it writes then, for the third.
TEST(MailboxTest, WhatWasKnownBeforeIsReadBefore) {
  constexpr std::uint32_t kRounds = 20'000;
  std::array<Mailbox, 3> boxes{Mailbox(0), Mailbox(1), Mailbox(2)};
  const auto number = [](const Letter& letter) {
    std::uint32_t n = 0;
    for (std::size_t i = 4; i-- > 0;) n = n << 8 | letter.bytes.data()[i];
    return n;
  };
  const auto tell = [&](std::size_t from, std::size_t to, std::uint32_t n) {
    Letter& letter = boxes[from].blank();
    letter.bytes.resize(4);
    for (int i = 0; i < 4; ++i) letter.bytes.data()[i] = static_cast<std::uint8_t>(n >> (8 * i));
    boxes[to].put(letter);
  };
  // 0 counts, to 2 and then to 1; 1 passes on what it read; 2 must have read it from 0 by then.
  std::thread counting([&] {
    for (std::uint32_t n = 1; n <= kRounds; ++n) {
      tell(0, 2, n);
      tell(0, 1, n);
    }
  });
  std::thread passing([&] {
    for (std::uint32_t last = 0; last < kRounds;) {
      boxes[1].read_all([&](const Letter& letter) {
        EXPECT_EQ(number(letter), last + 1);
        last = number(letter);
        tell(1, 2, last);
      });
    }
  });
  std::uint32_t from_0 = 0, from_1 = 0, early = 0;
  while (from_1 < kRounds) {
    boxes[2].read_all([&](const Letter& letter) {
      if (letter.from == 0) {
        from_0 = number(letter);
      } else {
        from_1 = number(letter);
        early += from_1 > from_0;
      }
    });
  }
  counting.join();
  passing.join();
  EXPECT_EQ(early, 0u);
}

}  // namespace
}  // namespace shoal::io
