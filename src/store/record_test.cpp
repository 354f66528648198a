#include "store/record.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace shoal::store {

// Those with texts and lists are not compared in the store itself.
static bool operator==(const MessageRecord& a, const MessageRecord& b) {
  return a.number == b.number && a.expires == b.expires && a.qos == b.qos && a.topic == b.topic &&
         base::as_text(a.properties) == base::as_text(b.properties) &&
         base::as_text(a.payload) == base::as_text(b.payload);
}
static bool operator==(const CopyRecord& a, const CopyRecord& b) {
  return a.message == b.message && a.qos == b.qos && a.retain == b.retain && a.group == b.group &&
         std::equal(a.ids.begin(), a.ids.end(), b.ids.begin(), b.ids.end());
}
static bool operator==(const Queued& a, const Queued& b) {
  return a.session == b.session && a.sequence == b.sequence && a.copy == b.copy;
}
static bool operator==(const InFlight& a, const InFlight& b) {
  return a.session == b.session && a.id == b.id && a.order == b.order && a.released == b.released && a.copy == b.copy;
}

namespace {

constexpr std::uint64_t kMax64 = UINT64_MAX;
constexpr std::uint32_t kMax32 = UINT32_MAX;
constexpr std::uint16_t kMax16 = UINT16_MAX;

const std::string kLongest(0xffff, 'x');
const std::string kLarge(300'000, '\xff');
const std::vector<std::uint32_t> kIds = {1, 268'435'455, 7};

template <class R>
std::vector<std::uint8_t> written(const R& record) {
  RecordWriter writer;
  writer.put(record);
  const auto bytes = writer.bytes();
  return {bytes.begin(), bytes.end()};
}

// Every kind of record, small and as large as it gets.
template <class Each>
void each_record(Each each) {
  each(SessionRecord{1, "", 0, 0, {}});
  each(SessionRecord{7, "client", 60, 1'700'000'000'000, WillRecord{5, 0, {}, false}});
  each(SessionRecord{kMax64, kLongest, kMax32, kMax64, WillRecord{kMax64, kMax32, kMax32, true}});
  each(SessionRecord{1, "zero expiry is not none", 0, 0, WillRecord{1, 0, 0, false}});
  each(SessionGone{1});
  each(SessionGone{kMax64});
  each(SubscriptionRecord{1, "a/+/#", 0, false, false, 0});
  each(SubscriptionRecord{1, "b", 1, true, false, 1});
  each(SubscriptionRecord{kMax64, kLongest, 2, true, true, kMax32});
  each(SubscriptionGone{1, ""});
  each(SubscriptionGone{kMax64, kLongest});
  each(MessageRecord{1, 0, 0, "", {}, {}});
  each(MessageRecord{kMax64, kMax64, 2, kLongest, base::as_bytes(kLarge), base::as_bytes(kLarge)});
  each(Queued{1, 0, {}});
  each(Queued{kMax64, kMax32, {kMax64, 2, true, kMax32, kIds}});
  each(Queued{3, 4, {5, 1, false, 0, kIds}});
  each(Unqueued{1, 0});
  each(Unqueued{kMax64, kMax32});
  each(InFlight{1, 1, 0, true, {}});
  each(InFlight{kMax64, kMax16, kMax32, false, {kMax64, 2, true, kMax32, kIds}});
  each(InFlight{2, 3, 4, true, {0, 2, true, 9, kIds}});
  each(Sent{1, 0, 1, 0});
  each(Sent{kMax64, kMax32, kMax16, kMax32});
  each(Received{1, 1});
  each(Received{kMax64, kMax16});
  each(Finished{1, 1});
  each(Finished{kMax64, kMax16});
  each(Taken{1, 1});
  each(Taken{kMax64, kMax16});
  each(Released{1, 1});
  each(Released{kMax64, kMax16});
  each(Retained{1, ""});
  each(Retained{kMax64, kLongest});
  each(RetainedGone{""});
  each(RetainedGone{kLongest});
  each(GroupRecord{1, "$share/g/a"});
  each(GroupRecord{kMax32, kLongest});
  each(GroupGone{1});
  each(GroupGone{kMax32});
  each(GroupQueued{1, 0, 1, false});
  each(GroupQueued{kMax32, kMax32, kMax64, true});
  each(GroupUnqueued{1, 0});
  each(GroupUnqueued{kMax32, kMax32});
  each(Alive{});
}

TEST(Record, EveryRecordIsReadAsItWasWritten) {
  each_record([](const auto& record) {
    const auto bytes = written(record);
    RecordReader reader(bytes);
    Record read;
    ASSERT_TRUE(reader.next(read));
    const auto* same = std::get_if<std::decay_t<decltype(record)>>(&read);
    ASSERT_NE(same, nullptr);
    EXPECT_TRUE(*same == record) << "type " << int{bytes[0]};
    EXPECT_FALSE(reader.next(read));
    EXPECT_FALSE(reader.malformed());
  });
}

TEST(Record, ManyInARowAreReadInTheirOrder) {
  RecordWriter writer(24);
  std::vector<std::size_t> kinds;
  each_record([&](const auto& record) {
    writer.put(record);
    kinds.push_back(Record(record).index());
  });
  RecordReader reader(writer.bytes().subspan(24));
  Record record;
  for (const std::size_t kind : kinds) {
    ASSERT_TRUE(reader.next(record));
    EXPECT_EQ(record.index(), kind);
  }
  EXPECT_FALSE(reader.next(record));
  EXPECT_FALSE(reader.malformed());
}

TEST(Record, CutAnywhereIsMalformed) {
  each_record([](const auto& record) {
    const auto whole = written(record);
    // Long texts are long in their middle, too.
    for (std::size_t size = 1; size<whole.size(); size += size> 200 && size + 200 < whole.size() ? 1999 : 1) {
      const std::vector<std::uint8_t> bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      RecordReader reader(bytes);
      Record read;
      EXPECT_FALSE(reader.next(read)) << "type " << int{bytes[0]} << " cut at " << size;
      EXPECT_TRUE(reader.malformed());
      EXPECT_FALSE(reader.next(read)) << "and stays so";
    }
  });
}

bool is_malformed(std::vector<std::uint8_t> bytes) {
  RecordReader reader(bytes);
  Record read;
  return !reader.next(read) && reader.malformed();
}

TEST(Record, WhatCannotBeIsMalformed) {
  EXPECT_TRUE(is_malformed({0}));
  EXPECT_TRUE(is_malformed({21, 1}));
  EXPECT_TRUE(is_malformed({255, 1}));
  EXPECT_TRUE(is_malformed({2, 0})) << "a session 0";
  EXPECT_TRUE(is_malformed({17, 0})) << "a group 0";
  EXPECT_TRUE(is_malformed({10, 1, 0})) << "a packet 0";
  EXPECT_TRUE(is_malformed({10, 1, 0x80, 0x80, 4})) << "a packet 65536";
  EXPECT_TRUE(is_malformed({17, 0x80, 0x80, 0x80, 0x80, 0x10})) << "a group beyond 32 bits";
  EXPECT_TRUE(is_malformed({2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2})) << "a number beyond 64 bits";
  EXPECT_TRUE(is_malformed({3, 3, 1, 1, 'a', 0})) << "QoS 3";
  EXPECT_TRUE(is_malformed({3, 16, 1, 1, 'a', 0})) << "a flag nobody knows";
  EXPECT_FALSE(is_malformed({3, 2, 1, 1, 'a', 0}));
  EXPECT_TRUE(is_malformed({6, 1, 0, 16, 1, 0})) << "identifiers, but none";
  EXPECT_TRUE(is_malformed({6, 1, 0, 16, 1, 1, 0})) << "a subscription identifier 0";
  EXPECT_TRUE(is_malformed({6, 1, 0, 16, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}))
      << "more identifiers than bytes";
  EXPECT_FALSE(is_malformed({6, 1, 0, 16, 1, 1, 1}));
  EXPECT_TRUE(is_malformed({5, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 'a'})) << "a topic longer than all";
}

TEST(Record, AnyBytesAreReadOrRefusedAndNothingElse) {
  std::mt19937 random(3);
  std::uint64_t read = 0, malformed = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::vector<std::uint8_t> bytes(random() % 40);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : random() % 20);
    RecordReader reader(bytes);
    for (Record record; reader.next(record);) {
      // What is there is read, so that the sanitizer sees where it refers to.
      RecordWriter writer;
      std::visit([&](const auto& one) { writer.put(one); }, record);
      ++read;
    }
    malformed += reader.malformed() ? 1 : 0;
  }
  EXPECT_GT(read, 10'000u);
  EXPECT_GT(malformed, 10'000u);
}

TEST(RecordWriter, KeepsTheRoomInFrontAndForgetsTheRest) {
  RecordWriter writer(24);
  EXPECT_TRUE(writer.empty());
  EXPECT_TRUE(writer.bytes().empty());
  for (int i = 0; i < 40; ++i) {
    writer.put(MessageRecord{1, 0, 0, "t", {}, base::as_bytes(i == 0 ? kLarge : "small")});
    writer.put(SessionGone{2});
    Record record;
    RecordReader reader(writer.bytes().subspan(24));
    ASSERT_TRUE(reader.next(record));
    ASSERT_TRUE(reader.next(record));
    EXPECT_EQ(std::get<SessionGone>(record).number, 2u);
    writer.clear();
    EXPECT_TRUE(writer.empty());
    EXPECT_EQ(writer.size(), 24u);
  }
}

}  // namespace
}  // namespace shoal::store
