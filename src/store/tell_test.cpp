#include "store/tell.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "store/describe.hpp"
#include "store/totals.hpp"

namespace shoal::store {
namespace {

/// Records in batches, and the image they come to.
struct Told {
  std::deque<std::vector<std::uint8_t>> batches;
  Image image;
  Image::Missing missing;

  void take(RecordWriter& writer) {
    if (writer.empty()) return;
    batches.emplace_back(writer.bytes().begin(), writer.bytes().end());
    writer.clear();
  }
  void finish() {
    for (const auto& batch : batches) EXPECT_TRUE(image.apply_all(batch));
    missing = image.finish();
  }
};

std::unique_ptr<Told> told_again(const Image& image, std::size_t batch_bytes = SIZE_MAX) {
  auto told = std::make_unique<Told>();
  RecordWriter writer;
  tell(image, writer, batch_bytes, [&] { told->take(writer); });
  told->take(writer);
  told->finish();
  return told;
}

template <class... Records>
std::unique_ptr<Told> made_of(const Records&... records) {
  auto told = std::make_unique<Told>();
  RecordWriter writer;
  (writer.put(records), ...);
  told->take(writer);
  told->finish();
  return told;
}

MessageRecord message(std::uint64_t number, std::string_view topic = "t") {
  return {number, 0, 1, topic, {}, base::as_bytes("p")};
}

TEST(Tell, NothingIsNothing) {
  const auto told = told_again(Image());
  EXPECT_TRUE(told->batches.empty());
  EXPECT_EQ(describe(told->image), "");
}

TEST(Tell, EveryThingIsToldAsItIs) {
  const std::vector<std::uint32_t> ids = {3, 268'435'455};
  const auto before =
      made_of(message(1, "will"), SessionRecord{7, "client", 60, 1'700'000'000'000, WillRecord{1, 30, 40, true}},
              SubscriptionRecord{7, "a/+", 2, true, true, 9}, SubscriptionRecord{7, "$share/g/t", 1, false, false, 0},
              GroupRecord{4, "$share/g/t"},
              MessageRecord{2, 5, 2, "t", base::as_bytes("properties"), base::as_bytes("p")}, message(3),
              message(4, "retained"), Queued{7, 0xffffffff, {2, 2, true, 4, ids}}, Queued{7, 0, {3, 1, false, 0, {}}},
              InFlight{7, 11, 0xfffffffe, false, {3, 1, true, 4, ids}}, InFlight{7, 12, 1, true, {0, 2, false, 4, {}}},
              Taken{7, 5}, Taken{7, 6}, GroupQueued{4, 0xffffffff, 2, true}, GroupQueued{4, 0, 3, false},
              Retained{4, "retained"}, SessionRecord{9, "other", UINT32_MAX, 0, {}}, GroupRecord{6, "$share/empty/t"});
  ASSERT_EQ(before->missing, Image::Missing());
  const auto after = told_again(before->image);
  EXPECT_EQ(after->missing, Image::Missing());
  EXPECT_EQ(describe(after->image), describe(before->image));
  EXPECT_EQ(after->image.sessions().at(0).will, before->image.sessions().at(0).will);
  EXPECT_EQ(count(after->image), (Totals{.sessions = 2,
                                         .subscriptions = 2,
                                         .queued = 4,
                                         .in_flight = 2,
                                         .taken = 2,
                                         .retained = 1,
                                         .groups = 2,
                                         .messages = 4}));
}

TEST(Tell, WhatNobodyRefersToIsLeftOutAndTheRestToldOnce) {
  const auto before = made_of(message(1), message(2), SessionRecord{1, "c", 60, 0, {}},
                              SessionRecord{2, "d", 60, 0, {}}, SessionRecord{3, "gone", 60, 0, {}}, SessionGone{3},
                              Queued{1, 0, {2, 1, false, 0, {}}}, Queued{2, 0, {2, 1, false, 0, {}}}, Retained{2, "t"});
  const auto after = told_again(before->image);
  std::vector<std::uint64_t> messages;
  RecordReader reader(after->batches.at(0));
  for (Record record; reader.next(record);) {
    if (const auto* one = std::get_if<MessageRecord>(&record)) messages.push_back(one->number);
  }
  EXPECT_EQ(messages, std::vector<std::uint64_t>{2});
  EXPECT_EQ(describe(after->image), describe(before->image));
}

TEST(Tell, MuchIsToldInBatches) {
  const std::string large(1000, 'x');
  std::vector<std::uint8_t> bytes;
  RecordWriter writer;
  writer.put(SessionRecord{1, "c", 60, 0, {}});
  for (std::uint32_t i = 1; i <= 500; ++i) {
    writer.put(MessageRecord{i, 0, 1, "t", {}, base::as_bytes(large)});
    writer.put(Queued{1, i, {i, 1, false, 0, {}}});
  }
  Image before;
  ASSERT_TRUE(before.apply_all(writer.bytes()));
  before.finish();
  const auto after = told_again(before, 10'000);
  EXPECT_EQ(describe(after->image), describe(before));
  EXPECT_GT(after->batches.size(), 40u);
  for (const auto& batch : after->batches) EXPECT_LT(batch.size(), 10'000u + 1'100u);
}

/// Any records, also such as go on from nothing: what they come to is told, and comes to the same.
TEST(Tell, WhateverThereIsComesToTheSameAgain) {
  std::mt19937 random(11);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  static const std::string topics[] = {"a", "b/c", "$share/g/a"};
  for (int round = 0; round < 2000; ++round) {
    RecordWriter writer;
    for (unsigned i = 0, end = below(120); i < end; ++i) {
      const std::uint64_t session = 1 + below(3), number = 1 + below(20);
      const std::uint32_t sequence = below(6) - 3;
      const auto id = static_cast<std::uint16_t>(1 + below(4));
      const auto qos = static_cast<std::uint8_t>(below(3));
      const CopyRecord copy{number, qos, below(2) == 0, below(3), {}};
      const std::string& topic = topics[below(3)];
      switch (below(18)) {
        case 0: writer.put(SessionRecord{session, topic, below(9), below(2), {}}); break;
        case 1: writer.put(SessionRecord{session, topic, 5, 0, WillRecord{number, 1, {}, true}}); break;
        case 2: writer.put(SubscriptionRecord{session, topic, qos, below(2) == 0, false, below(2)}); break;
        case 3: writer.put(SubscriptionGone{session, topic}); break;
        case 4:
        case 5:
        case 6:
          writer.put(MessageRecord{number, below(2), qos, topics[number % 3], {}, base::as_bytes("payload")});
          break;
        case 7: writer.put(Queued{session, sequence, copy}); break;
        case 8: writer.put(Unqueued{session, sequence}); break;
        case 9: writer.put(InFlight{session, id, sequence, false, copy}); break;
        case 10: writer.put(Sent{session, sequence, id, sequence}); break;
        case 11: writer.put(Received{session, id}); break;
        case 12: writer.put(Taken{session, id}); break;
        case 13: writer.put(Retained{number, topics[number % 3]}); break;
        case 14: writer.put(GroupRecord{1 + below(2), topics[2]}); break;
        case 15: writer.put(GroupQueued{1 + below(2), sequence, number, true}); break;
        case 16: writer.put(InFlight{session, id, sequence, true, {0, 2, false, 0, {}}}); break;
        default:
          if (below(8) == 0) writer.put(SessionGone{session});
          else writer.put(RetainedGone{topic});
      }
    }
    Image before;
    ASSERT_TRUE(before.apply_all(writer.bytes()));
    before.finish();
    const auto after = told_again(before, 1 + below(200));
    ASSERT_EQ(after->missing, Image::Missing()) << round;
    ASSERT_EQ(describe(after->image), describe(before)) << round;
    ASSERT_EQ(count(after->image), count(before)) << round;
  }
}

}  // namespace
}  // namespace shoal::store
