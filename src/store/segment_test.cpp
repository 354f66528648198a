#include "store/segment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace shoal::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kSalt = 0x12345678;

Bytes batch(std::uint64_t number, std::string_view records, std::uint32_t salt = kSalt) {
  Bytes bytes(kBatchHeaderBytes);
  bytes.insert(bytes.end(), records.begin(), records.end());
  seal_batch(bytes, salt, number, 1000 + number);
  return bytes;
}

Bytes segment(std::initializer_list<Bytes> parts) {
  Bytes bytes(kSegmentHeaderBytes);
  encode({.salt = kSalt, .number = 1}, bytes.data());
  for (const Bytes& part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

std::string text(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// "1:one" and so on; "(n)" where n bytes are none.
std::vector<std::string> scan(const Bytes& bytes, std::uint64_t first = 1) {
  std::vector<std::string> found;
  // A block of its own, so that the sanitizer sees a read behind it.
  const Bytes exact(bytes);
  BatchScanner scanner(exact, kSalt, first);
  const auto skipped = [&] {
    if (scanner.skipped() > 0) found.push_back('(' + std::to_string(scanner.skipped()) + ')');
  };
  for (Batch each; scanner.next(each);) {
    skipped();
    EXPECT_EQ(each.at, 1000 + each.number);
    found.push_back(std::to_string(each.number) + ':' + std::string(base::as_text(each.records)));
    EXPECT_EQ(scanner.end(), each.offset + kBatchHeaderBytes + each.records.size());
  }
  skipped();
  return found;
}

TEST(SegmentHeader, IsReadAsItWasWritten) {
  const SegmentHeader header{.version = 1, .salt = 0xfedcba98, .number = 0x123456789abcdef0, .created = 42};
  Bytes bytes(kSegmentHeaderBytes);
  encode(header, bytes.data());
  EXPECT_EQ(decode_segment_header(bytes), header);
  EXPECT_EQ(text(bytes).substr(0, 8), "SHOALLOG");
  EXPECT_EQ(bytes[12], 0x98) << "numbers are little-endian";
}

TEST(SegmentHeader, IsNoneWhenAnyBitOfItIsWrongOrAByteMissing) {
  Bytes bytes(kSegmentHeaderBytes);
  encode({.salt = 7, .number = 3, .created = 42}, bytes.data());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(decode_segment_header(bytes)) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_segment_header(base::Bytes(bytes).first(size)));
  }
  EXPECT_FALSE(decode_segment_header(Bytes(kSegmentHeaderBytes)));
}

TEST(SegmentHeader, OfALaterVersionIsToldFromDamage) {
  Bytes bytes(kSegmentHeaderBytes);
  encode({.version = 9, .number = 3}, bytes.data());
  ASSERT_TRUE(decode_segment_header(bytes));
  EXPECT_EQ(decode_segment_header(bytes)->version, 9u);
}

TEST(SegmentName, IsTheNumberInHexadecimal) {
  EXPECT_EQ(segment_name(1), "0000000000000001.log");
  EXPECT_EQ(segment_name(UINT64_MAX), "ffffffffffffffff.log");
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{0xabcdef}, UINT64_MAX}) {
    EXPECT_EQ(segment_number(segment_name(number)), number);
  }
  for (const char* name : {"", "lock", "0000000000000000.log", "1.log", "000000000000000g.log", "0000000000000001.bad",
                           "0000000000000001.log.bad", "-000000000000001.log", "00000000000000001.log"}) {
    EXPECT_FALSE(segment_number(name)) << name;
  }
}

TEST(BatchScanner, FindsBatchesInTheirOrder) {
  EXPECT_THAT(scan(segment({})), IsEmpty());
  EXPECT_THAT(scan(segment({batch(1, "one"), batch(2, "two"), batch(3, std::string(5000, 'x'))})),
              ElementsAre("1:one", "2:two", "3:" + std::string(5000, 'x')));
}

TEST(BatchScanner, FirstOneMayHaveAnyNumber) {
  constexpr std::uint64_t kLate = std::uint64_t{1} << 40;
  EXPECT_THAT(scan(segment({batch(kLate, "one"), batch(kLate + 1, "two")}), 0),
              ElementsAre(std::to_string(kLate) + ":one", std::to_string(kLate + 1) + ":two"));
}

TEST(BatchScanner, LeavesATornTailOutWhereverItIsTorn) {
  const Bytes whole = segment({batch(1, "one"), batch(2, "two"), batch(3, "three")});
  const std::size_t before = whole.size() - kBatchHeaderBytes - 5;
  for (std::size_t size = before; size < whole.size(); ++size) {
    const Bytes torn(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    auto found = scan(torn);
    if (size > before) {
      EXPECT_EQ(found.back(), '(' + std::to_string(size - before) + ')');
      found.pop_back();
    }
    EXPECT_THAT(found, ElementsAre("1:one", "2:two")) << "torn at " << size;
  }
  EXPECT_THAT(scan(Bytes(whole.begin(), whole.begin() + 20)), IsEmpty()) << "not even a header";
}

TEST(BatchScanner, FindsTheOthersWhereverOneIsDamaged) {
  const Bytes first = batch(1, "one");
  const Bytes second = batch(2, "the second");
  const Bytes third = batch(3, "three");
  for (std::size_t at = 0; at < second.size(); ++at) {
    for (const std::uint8_t mask : {0x01, 0x80, 0xff}) {
      Bytes damaged = second;
      damaged[at] ^= mask;
      EXPECT_THAT(scan(segment({first, damaged, third})),
                  ElementsAre("1:one", '(' + std::to_string(second.size()) + ')', "3:three"))
          << "at " << at;
    }
  }
}

TEST(BatchScanner, FindsTheOthersWhereverBytesAreMissingOrInserted) {
  const Bytes second = batch(2, "the second");
  for (std::size_t at = 0; at < second.size(); ++at) {
    Bytes less = second;
    less.erase(less.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_THAT(scan(segment({batch(1, "one"), less, batch(3, "three")})),
                ElementsAre("1:one", '(' + std::to_string(less.size()) + ')', "3:three"));
    Bytes more = second;
    more.insert(more.begin() + static_cast<std::ptrdiff_t>(at), 5, 0);
    auto found = scan(segment({batch(1, "one"), more, batch(3, "three")}));
    // Bytes in front of it leave it whole.
    if (at == 0) EXPECT_THAT(found, ElementsAre("1:one", "(5)", "2:the second", "3:three"));
    else EXPECT_THAT(found, ElementsAre("1:one", '(' + std::to_string(more.size()) + ')', "3:three"));
  }
}

TEST(BatchScanner, WhatLooksLikeABatchInsideOfOneIsNone) {
  const std::string inner = text(batch(9, "inner"));
  EXPECT_THAT(scan(segment({batch(1, inner), batch(2, "two")})), ElementsAre("1:" + inner, "2:two"));
}

TEST(BatchScanner, WhatLooksLikeABatchInADamagedOneIsNoneWithoutTheSalt) {
  Bytes outer = batch(1, text(batch(1, "of another segment", kSalt + 1)) + text(batch(5, "of none", 0)));
  outer[0] ^= 1;
  EXPECT_THAT(scan(segment({outer, batch(2, "two")})), ElementsAre('(' + std::to_string(outer.size()) + ')', "2:two"));
}

TEST(BatchScanner, AnOldBatchInADamagedOneIsNone) {
  // As somebody who reads the file could publish it.
  Bytes outer = batch(3, text(batch(1, "old")) + text(batch(2, "old, too")));
  outer[1] ^= 1;
  EXPECT_THAT(scan(segment({batch(1, "one"), batch(2, "two"), outer, batch(4, "four")})),
              ElementsAre("1:one", "2:two", '(' + std::to_string(outer.size()) + ')', "4:four"));
  EXPECT_THAT(scan(segment({batch(1, "one"), batch(2, "two")}), 2),
              ElementsAre('(' + std::to_string(batch(1, "one").size()) + ')', "2:two"))
      << "the segment before had it";
}

TEST(BatchScanner, BatchesThatWereWrittenTwiceCountOnce) {
  const Bytes one = batch(1, "one"), two = batch(2, "two");
  const std::string both = '(' + std::to_string(one.size() + two.size()) + ')';
  EXPECT_THAT(scan(segment({one, two, one, two, batch(3, "three")})), ElementsAre("1:one", "2:two", both, "3:three"));
}

TEST(BatchScanner, NumberThatCannotBeNextIsDamage) {
  const Bytes far = batch(std::uint64_t{1} << 40, "far");
  EXPECT_THAT(scan(segment({batch(1, "one"), far, batch(2, "two")})),
              ElementsAre("1:one", '(' + std::to_string(far.size()) + ')', "2:two"));
}

TEST(BatchScanner, ZerosAndEmptyBatchesAreNone) {
  EXPECT_THAT(scan(segment({batch(1, "one"), Bytes(1000), batch(2, "two")})), ElementsAre("1:one", "(1000)", "2:two"));
  EXPECT_THAT(scan(segment({batch(1, ""), batch(2, "two")})), ElementsAre("(24)", "2:two"));
}

TEST(BatchScanner, DoesNotCheckForeverWhatOnlyLooksLikeBatches) {
  // Each of the starts of batches claims all that is behind it.
  constexpr std::size_t kStarts = 20'000;
  Bytes hostile;
  for (std::size_t i = 0; i < kStarts; ++i) {
    Bytes start(kBatchHeaderBytes);
    const auto length = static_cast<std::uint32_t>((kStarts - i - 1) * kBatchHeaderBytes);
    for (std::size_t byte = 0; byte < 4; ++byte) start[4 + byte] = static_cast<std::uint8_t>(length >> (8 * byte));
    start[8] = 2;
    hostile.insert(hostile.end(), start.begin(), start.end());
  }
  // Without the limit that are 4.8 GB. With it what is behind is not found either.
  const Bytes behind = batch(2, "two");
  const auto found = scan(segment({batch(1, "one"), hostile, behind}));
  EXPECT_THAT(found, ElementsAre("1:one", '(' + std::to_string(hostile.size() + behind.size()) + ')'));
}

TEST(BatchScanner, FewThatOnlyLookLikeBatchesDoNotHideTheNextOne) {
  std::string payload;
  for (int i = 0; i < 50; ++i) {
    Bytes start = batch(3, std::string(8, 'x'));
    start[0] ^= 1;
    payload += text(start);
  }
  Bytes outer = batch(2, payload);
  outer[0] ^= 1;
  EXPECT_THAT(scan(segment({batch(1, "one"), outer, batch(3, "three")})),
              ElementsAre("1:one", '(' + std::to_string(outer.size()) + ')', "3:three"));
}

TEST(BatchScanner, AnyBytesAreGoneThrough) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes = segment({batch(1, "one")});
    for (std::size_t i = 0, size = random() % 200; i < size; ++i) {
      bytes.push_back(static_cast<std::uint8_t>(random() % 3 == 0 ? random() : random() % 4));
    }
    const auto found = scan(bytes);
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0], "1:one");
    EXPECT_LE(found.size(), 2u) << "nothing is invented";
  }
}

}  // namespace
}  // namespace shoal::store
