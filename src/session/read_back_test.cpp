#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "mqtt/decode.hpp"
#include "session/session.hpp"

namespace shoal::session {
namespace {

// A store that has everything at once, and reads when the test says so.
struct FakeJournal final : Journal {
  Place queued(Stored&, std::uint32_t, const MessageRef& message, const Copy&) override {
    if (message->stored_number() == 0) message->set_stored(++last);
    return 1;
  }
  void unqueued(Stored&, std::uint32_t sequence) override { unqueued_ += std::to_string(sequence) + "|"; }
  void sent(Stored&, std::uint32_t, std::uint16_t, std::uint32_t) override {}
  Place in_flight(Stored&, std::uint16_t, std::uint32_t, const MessageRef&, const Copy&) override { return 1; }
  void received(Stored&, std::uint16_t) override {}
  void finished(Stored&, std::uint16_t) override {}
  void taken(Stored&, std::uint16_t) override {}
  void released(Stored&, std::uint16_t) override {}
  std::uint32_t read_back(std::string_view client_id, std::vector<MessageRef> messages) override {
    EXPECT_EQ(client_id, "c");
    asked = std::move(messages);
    return ++requests;
  }

  std::vector<MessageRef> asked;
  std::uint32_t requests = 0;
  std::uint64_t last = 0;
  std::string unqueued_;
};

struct ReadBackTest : testing::Test {
  base::ChunkPool chunks;
  MessagePool pool;
  FakeJournal journal;
  QueueBudget budget;
  Publication publication{pool};
  Publication scratch{pool};
  Link link{chunks};
  Time now{base::seconds(100)};
  MessageList kept;  // all, as the journal's segment has them
  std::vector<std::pair<const Message*, std::vector<std::uint8_t>>> disk;
  Session session{"c", budget};

  void SetUp() override {
    budget.journal = &journal;
    session.set_expiry_s(100);
    session.set_stored(std::make_unique<Stored>());
  }
  void queue(int number, std::size_t size = 1'000, Time expires = base::kNever) {
    std::string payload = std::to_string(number);
    payload.resize(size, ' ');
    publication.start("t", base::as_bytes(payload), {}, 1, expires, now);
    EXPECT_EQ(session.deliver(publication, {1, false, {}}), Outcome::queued);
    kept.add(*publication.message());
    publication.finish();
  }
  /// Everything that can leaves memory. How many.
  std::size_t evict() {
    std::size_t count = 0;
    MessageList rest(std::move(kept));
    while (!rest.empty()) {
      const Message& message = rest.front();
      kept.add(message);
      if (!message.evictable()) continue;
      disk.emplace_back(&message, std::vector<std::uint8_t>(message.body().begin(), message.body().end()));
      message.evict(0);
      ++count;
    }
    return count;
  }
  void arrive() {
    for (const MessageRef& message : std::exchange(journal.asked, {})) {
      const auto found = std::find_if(disk.rbegin(), disk.rend(), [&](auto& each) { return each.first == &*message; });
      if (message->absent()) message->bring_back(found->second);
    }
    EXPECT_TRUE(session.arrived(journal.requests));
  }
  /// Numbers of the messages that were written since the last call, all acknowledged.
  std::string written() {
    std::vector<std::uint8_t> bytes;
    for (mqtt::Bytes piece; link.out.peek(&piece, 1) == 1; link.out.consume(piece.size())) {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
    }
    std::string text;
    mqtt::Bytes rest = bytes;
    for (mqtt::Frame frame; mqtt::cut_frame(rest, frame) == mqtt::FrameStatus::complete;
         rest = rest.subspan(frame.size)) {
      const auto packet = mqtt::decode(frame, link.version);
      const auto& publish = std::get<mqtt::Publish>(*packet);
      text += std::to_string(std::stoi(std::string(base::as_text(publish.payload)))) + "|";
      EXPECT_TRUE(session.acknowledge({mqtt::PacketType::puback, publish.id, mqtt::ReasonCode::success, {}}, now));
    }
    return text;
  }
};

TEST_F(ReadBackTest, WhatIsAbsentIsAskedForOnceAndSentInOrder) {
  for (int i = 0; i < 5; ++i) queue(i, i == 2 ? 100 : 1'000);
  EXPECT_EQ(evict(), 4u) << "the small one stays";
  EXPECT_EQ(session.outbound().queued_bytes(), 4 * 1'001u + 101u);
  session.attach(link, 100);
  EXPECT_FALSE(session.pump(scratch, now));
  EXPECT_FALSE(session.pump(scratch, now));
  EXPECT_EQ(journal.requests, 1u);
  EXPECT_EQ(journal.asked.size(), 4u);
  queue(5);
  EXPECT_EQ(written(), "");
  EXPECT_FALSE(session.arrived(7)) << "somebody else's";
  arrive();
  EXPECT_TRUE(session.pump(scratch, now));
  EXPECT_EQ(written(), "0|1|2|3|4|5|");
  EXPECT_EQ(pool.count_now(), 0u);
}

TEST_F(ReadBackTest, WhatWasReadBackStaysUntilItIsSentOrTheClientGoes) {
  link.receive_maximum = 1;
  for (int i = 0; i < 70; ++i) queue(i);
  EXPECT_EQ(evict(), 70u);
  session.attach(link, 100);
  session.pump(scratch, now);
  EXPECT_EQ(journal.asked.size(), 64u);
  arrive();
  session.pump(scratch, now);
  EXPECT_EQ(written(), "0|");
  EXPECT_EQ(evict(), 0u);
  session.pump(scratch, now);
  EXPECT_EQ(written(), "1|");
  session.detach();
  EXPECT_EQ(evict(), 62u);
  session.attach(link, 100);
  std::string all;
  for (int i = 0; i < 200; ++i) {
    session.pump(scratch, now);
    if (!journal.asked.empty()) arrive();
    all += written();
  }
  std::string expected;
  for (int i = 2; i < 70; ++i) expected += std::to_string(i) + "|";
  EXPECT_EQ(all, expected);
  EXPECT_EQ(pool.count_now(), 0u);
}

TEST_F(ReadBackTest, LargeOnesAreAskedForOneByOne) {
  for (int i = 0; i < 3; ++i) queue(i, 2'000'000);
  EXPECT_EQ(evict(), 3u);
  session.attach(link, 100);
  session.pump(scratch, now);
  EXPECT_EQ(journal.asked.size(), 1u);
}

TEST_F(ReadBackTest, OneRequestOverConnections) {
  for (int i = 0; i < 3; ++i) queue(i);
  evict();
  session.attach(link, 100);
  session.pump(scratch, now);
  session.detach();
  session.attach(link, 100);
  session.pump(scratch, now);
  EXPECT_EQ(journal.requests, 1u);
  arrive();
  session.pump(scratch, now);
  EXPECT_EQ(written(), "0|1|2|");
}

TEST_F(ReadBackTest, WhatIsLostOrExpiredIsLeftOut) {
  queue(0);
  queue(1);
  queue(2, 1'000, now + base::seconds(1));
  queue(3);
  evict();
  session.attach(link, 100);
  session.pump(scratch, now);
  ASSERT_EQ(journal.asked.size(), 4u);
  journal.asked[1]->lose();
  journal.asked.erase(journal.asked.begin() + 1, journal.asked.begin() + 3);  // the third was not found now
  arrive();
  now += base::seconds(2);
  session.pump(scratch, now);
  EXPECT_EQ(written(), "0|3|");
  EXPECT_EQ(journal.unqueued_, "1|2|");
  EXPECT_EQ(budget.lost, 1u);
  EXPECT_EQ(budget.expired, 1u);
  EXPECT_EQ(budget.messages_now, 0u);
}

TEST_F(ReadBackTest, FullQueuesDropWhatIsAbsent) {
  budget.when_full = QueueFull::drop_old;
  budget.messages_max = 3;
  for (int i = 0; i < 3; ++i) queue(i);
  evict();
  for (int i = 3; i < 5; ++i) queue(i);
  EXPECT_EQ(journal.unqueued_, "0|1|");
  EXPECT_EQ(pool.count_now(), 3u);
  EXPECT_EQ(pool.absent_count_now(), 1u);
}

}  // namespace
}  // namespace shoal::session
