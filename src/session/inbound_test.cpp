#include "session/inbound.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "conformance/covers.hpp"
#include "session/id_list.hpp"
#include "session/message.hpp"
#include "session/topic_aliases.hpp"

namespace shoal::session {
namespace {

using Verdict = Inbound::Verdict;

// MQTT-4.3.3-10 to -12: the same identifier is the same message until it is released.
TEST(Inbound, ExactlyOnce) {
  covers_v5("MQTT-4.3.3-9 MQTT-4.3.3-10 MQTT-4.3.3-12");
  covers_v311("MQTT-4.3.3-2");
  Inbound inbound;
  EXPECT_EQ(inbound.publish(5, 10), Verdict::route);
  EXPECT_EQ(inbound.publish(5, 10), Verdict::duplicate);
  EXPECT_TRUE(inbound.release(5));
  EXPECT_FALSE(inbound.release(5));
  EXPECT_EQ(inbound.publish(5, 10), Verdict::route);
  inbound.refuse(5);
  EXPECT_EQ(inbound.publish(5, 10), Verdict::route);
  EXPECT_EQ(inbound.inflight(), 1u);
}

TEST(Inbound, ReceiveMaximum) {
  Inbound inbound;
  for (std::uint16_t id = 1; id <= 3; ++id) EXPECT_EQ(inbound.publish(id, 3), Verdict::route);
  EXPECT_EQ(inbound.publish(2, 3), Verdict::duplicate) << "a duplicate is not one more";
  EXPECT_EQ(inbound.publish(4, 3), Verdict::exceeded);
  EXPECT_FALSE(inbound.release(4));
  EXPECT_TRUE(inbound.release(1));
  EXPECT_EQ(inbound.publish(4, 3), Verdict::route);
}

TEST(PacketIdSet, RandomUse) {
  std::mt19937 random(9);
  for (const unsigned range : {20u, 300u, 65'535u}) {
    PacketIdSet ids;
    std::set<std::uint16_t> expected;
    EXPECT_FALSE(ids.contains(1));
    EXPECT_FALSE(ids.erase(1));
    for (int step = 0; step < 50'000; ++step) {
      // Strides, so that many identifiers want the same slots.
      const auto id = static_cast<std::uint16_t>(1 + random() % range / 16 * 16 % 65'535);
      ASSERT_EQ(ids.contains(id), expected.contains(id));
      if (random() % 2 == 0) ASSERT_EQ(ids.insert(id), expected.insert(id).second);
      else ASSERT_EQ(ids.erase(id), expected.erase(id) == 1);
      ASSERT_EQ(ids.size(), expected.size());
    }
  }
}

TEST(PacketIdSet, AllOfThem) {
  PacketIdSet ids;
  for (std::uint32_t id = 1; id <= 65'535; ++id) ASSERT_TRUE(ids.insert(static_cast<std::uint16_t>(id)));
  for (std::uint32_t id = 1; id <= 65'535; ++id) ASSERT_FALSE(ids.insert(static_cast<std::uint16_t>(id)));
  for (std::uint32_t id = 65'535; id > 0; --id) ASSERT_TRUE(ids.erase(static_cast<std::uint16_t>(id)));
  EXPECT_EQ(ids.size(), 0u);
}

TEST(IdList, NoneOneMany) {
  std::uint32_t single = 0;
  const std::uint32_t many[] = {1, 268'435'455, 7};
  EXPECT_TRUE(IdList().view(single).empty());
  for (const std::size_t count : {0u, 1u, 2u, 3u}) {
    const std::span<const std::uint32_t> ids = std::span(many).last(count);
    IdList list(ids);
    IdList moved = std::move(list);
    const auto view = moved.view(single);
    EXPECT_TRUE(std::equal(view.begin(), view.end(), ids.begin(), ids.end())) << count;
    moved = IdList(many);
    EXPECT_EQ(moved.view(single).size(), 3u);
  }
}

TEST(MessagePool, KeepsPartsAndMemory) {
  MessagePool pool;
  for (const std::size_t size : {0u, 1u, 60u, 200u, 1'000u, 5'000u, 100'000u}) {
    const std::string payload(size, 'p');
    for (int again = 0; again < 3; ++again) {
      const MessageRef message = pool.make("a/b", base::as_bytes(payload), base::as_bytes("props"), 2, base::kNever);
      EXPECT_EQ(message->topic(), "a/b");
      EXPECT_EQ(base::as_text(message->properties()), "props");
      EXPECT_EQ(base::as_text(message->payload()), payload);
      EXPECT_EQ(message->qos(), 2);
      EXPECT_EQ(message->size(), 8 + size);
      const MessageRef copy = message;
      EXPECT_EQ(copy.get(), message.get());
    }
  }
}

TEST(TopicAliases, SetAndFind) {
  TopicAliases aliases(3);
  EXPECT_FALSE(aliases.valid(0));
  EXPECT_TRUE(aliases.valid(3));
  EXPECT_FALSE(aliases.valid(4));
  EXPECT_EQ(aliases.find(3), "");
  aliases.set(3, "a");
  EXPECT_EQ(aliases.find(3), "a");
  EXPECT_EQ(aliases.find(1), "");
  aliases.set(3, "b");
  EXPECT_EQ(aliases.find(3), "b");
  EXPECT_FALSE(TopicAliases(0).valid(1));
}

}  // namespace
}  // namespace shoal::session
