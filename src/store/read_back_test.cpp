#include "store/read_back.hpp"

#include <cerrno>
#include <optional>

#include "store/crc32c.hpp"
#include "store/image.hpp"
#include "store/log_harness_test.hpp"

namespace shoal::store {
namespace {

struct ReadBackTest : testing::Test, LogHarness {
  struct Kept {
    Wanted wanted;
    std::string body;
  };
  std::vector<Kept> kept;
  std::optional<std::vector<std::string>> got;

  /// A batch with a message that will be asked for.
  void keep(std::string_view topic, std::string_view properties, const std::string& payload) {
    const std::uint64_t number = log->number();
    log->batch().put(Alive());
    log->batch().put(MessageRecord{number, 77, 1, topic, base::as_bytes(properties), base::as_bytes(payload)});
    const std::string body = std::string(topic) + std::string(properties) + payload;
    kept.push_back({{.place = log->place(),
                     .offset = log->offset() - body_span(topic.size(), properties.size(), payload.size()),
                     .message = number,
                     .topic_size = topic.size(),
                     .properties_size = properties.size(),
                     .payload_size = payload.size(),
                     .checksum = crc32c(0, base::as_bytes(body))},
                    body});
    log->end_batch(++now);
  }
  void keep(std::size_t size) { keep("a/b", "props", std::string(size, static_cast<char>('a' + kept.size() % 26))); }
  void ask() {
    got.reset();
    std::vector<Wanted> wanted;
    for (const Kept& each : kept) wanted.push_back(each.wanted);
    log->read(wanted, [this](std::vector<Body> bodies) {
      got.emplace();
      for (const Body& body : bodies) got->emplace_back(body.begin(), body.end());
    });
  }
  void expect_all() {
    ask();
    background.finish();
    ASSERT_TRUE(got);
    ASSERT_EQ(got->size(), kept.size());
    for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ((*got)[i], kept[i].body) << i;
  }
};

TEST_F(ReadBackTest, WhatWasWrittenIsThere) {
  for (const Durability durability : {Durability::process, Durability::power}) {
    disk.~SimulatedDisk();
    new (&disk) SimulatedDisk();
    kept.clear();
    options.durability = durability;
    open();
    // Sizes around those where what is written before a text grows.
    for (const std::size_t size : {0u, 1u, 127u, 128u, 700u, 16'383u, 16'384u, 40'000u}) keep(size);
    keep("t", "", "payload");
    keep("t", std::string(300, 'p'), "");
    background.finish();
    ASSERT_EQ(log->committed() + 1, log->number());
    expect_all();
    reopen();
    keep(10);  // behind what was there
    background.finish();
    expect_all();
    end_process();
  }
}

TEST_F(ReadBackTest, TheImageKnowsWhereMessagesAre) {
  open();
  for (int i = 0; i < 10; ++i) keep(300);
  reopen();
  Image image;
  for (const auto& segment : found.segments) {
    for (const Batch& batch : segment.batches) {
      image.apply_all(batch.records, segment.header.number, batch.offset + kBatchHeaderBytes);
    }
  }
  for (const Kept& each : kept) {
    EXPECT_EQ(image.message_offset(each.wanted.message), each.wanted.offset);
    EXPECT_EQ(static_cast<Place>(image.message_segment(each.wanted.message)), each.wanted.place);
  }
}

TEST_F(ReadBackTest, BehindWhatWaitsToBeWritten) {
  options.durability = Durability::power;
  open();
  keep(100);
  background.finish();
  const std::size_t first = kept.size();
  keep(200);
  ask();
  EXPECT_FALSE(got);
  background.finish();
  ASSERT_TRUE(got);
  EXPECT_EQ((*got)[first], kept[first].body) << "what is handed over before is written before";
}

TEST_F(ReadBackTest, AfterAWriteThatFailed) {
  for (const bool truncated : {true, false}) {
    kept.clear();
    open();
    keep(100);
    disk.fail_at(disk.operations() + 1, ENOSPC, 60);
    if (!truncated) disk.refuse(DiskOperation::truncate, EIO);
    keep(100);
    EXPECT_TRUE(disk.has_failed());
    disk.refuse(DiskOperation::truncate, 0);
    keep(100);
    log->retry();
    ASSERT_EQ(log->committed() + 1, log->number());
    keep(100);
    expect_all();
    end_process();
  }
}

TEST_F(ReadBackTest, AfterASyncThatFailed) {
  options.durability = Durability::power;
  open();
  keep(100);
  background.finish();
  disk.refuse(DiskOperation::sync, EIO);
  disk.refuse(DiskOperation::truncate, EIO);
  keep(100);
  background.finish();
  disk.refuse(DiskOperation::sync, 0);
  disk.refuse(DiskOperation::truncate, 0);
  log->retry();
  background.finish();
  ASSERT_EQ(log->committed() + 1, log->number());
  keep(100);
  background.finish();
  expect_all();
}

TEST_F(ReadBackTest, WrongBytesAreRefused) {
  open();
  for (int i = 0; i < 3; ++i) keep(100);
  disk.change(segment_name(1), [&](auto& content) { content[kept[1].wanted.offset + 50] ^= 1; });
  ask();
  background.finish();
  ASSERT_TRUE(got);
  EXPECT_EQ((*got)[0], kept[0].body);
  EXPECT_EQ((*got)[1], "");
  EXPECT_EQ((*got)[2], kept[2].body);
  // A size that is another is no better.
  Wanted wanted = kept[0].wanted;
  const auto& file = disk.content(segment_name(1));
  const std::size_t span = body_span(wanted.topic_size, wanted.properties_size, wanted.payload_size);
  std::vector<std::uint8_t> bytes(file.begin() + static_cast<std::ptrdiff_t>(wanted.offset),
                                  file.begin() + static_cast<std::ptrdiff_t>(wanted.offset + span));
  EXPECT_FALSE(take_body(wanted, bytes).empty());
  ++bytes[3];
  EXPECT_TRUE(take_body(wanted, bytes).empty());
  bytes.pop_back();
  EXPECT_TRUE(take_body(wanted, bytes).empty());
}

TEST_F(ReadBackTest, WhatTheDiskDoesNotGive) {
  open();
  for (int i = 0; i < 20; ++i) keep(200);
  disk.unreadable(segment_name(kept[3].wanted.place), kept[3].wanted.offset, kept[3].wanted.offset + 10);
  ask();
  background.finish();
  ASSERT_TRUE(got);
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ((*got)[i], i == 3 ? "" : kept[i].body) << i;
}

TEST_F(ReadBackTest, WhatIsOfTheMomentIsTriedAgain) {
  open();
  for (int i = 0; i < 20; ++i) keep(200);
  disk.refuse(DiskOperation::open, EMFILE);
  ask();
  background.finish();
  EXPECT_FALSE(got);
  EXPECT_NE(log->trouble(), "");
  EXPECT_FALSE(log->full()) << "it can be written";
  log->retry();
  background.finish();
  EXPECT_FALSE(got);
  disk.refuse(DiskOperation::open, 0);
  log->retry();
  background.finish();
  ASSERT_TRUE(got);
  EXPECT_EQ((*got)[19], kept[19].body);
  EXPECT_EQ(log->trouble(), "");
}

TEST_F(ReadBackTest, ASegmentThatIsGone) {
  open();
  for (int i = 0; i < 20; ++i) keep(200);
  log->drop_oldest(0);
  background.finish();
  ask();
  background.finish();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->front(), "");
  EXPECT_EQ(got->back(), kept.back().body);
}

TEST_F(ReadBackTest, NobodyIsToldWhenTheLogGoes) {
  open();
  keep(200);
  ask();
  close();
  EXPECT_FALSE(got);
}

}  // namespace
}  // namespace shoal::store
