#include "session/inbound.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "conformance/covers.hpp"
#include "session/kept_copy.hpp"
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

// 4.9: a new connection starts with the whole receive maximum; what is sent again counts again.
TEST(Inbound, EachConnectionStartsAfresh) {
  Inbound inbound;
  for (const std::uint16_t id : {1, 2, 3}) EXPECT_EQ(inbound.publish(id, 3), Verdict::route);
  inbound.attach();
  EXPECT_EQ(inbound.publish(2, 3), Verdict::duplicate);
  EXPECT_EQ(inbound.publish(4, 3), Verdict::route);
  EXPECT_EQ(inbound.publish(5, 3), Verdict::route);
  EXPECT_EQ(inbound.publish(1, 3), Verdict::exceeded);
  EXPECT_TRUE(inbound.release(3)) << "of the first connection";
  EXPECT_EQ(inbound.publish(6, 3), Verdict::exceeded) << "it did not count";
  EXPECT_TRUE(inbound.release(2));
  EXPECT_EQ(inbound.publish(6, 3), Verdict::route);
  EXPECT_EQ(inbound.inflight(), 4u);
  inbound.attach();
  inbound.attach();
  for (const std::uint16_t id : {1, 4, 5, 6}) EXPECT_TRUE(inbound.release(id)) << id;
  EXPECT_EQ(inbound.inflight(), 0u);
}

TEST(Inbound, WhatEarlierConnectionsLeftIsBounded) {
  Inbound inbound;
  std::uint16_t id = 0;
  std::size_t taken = 0;
  for (int connection = 0; connection < 50; ++connection, inbound.attach()) {
    for (int i = 0; i < 100; ++i) taken += inbound.publish(++id, 100) == Verdict::route ? 1 : 0;
  }
  EXPECT_EQ(taken, Inbound::kEarlierMax + 100);
  EXPECT_EQ(inbound.publish(2, 100), Verdict::duplicate) << "sent again: not one more";
  EXPECT_TRUE(inbound.release(1));
  EXPECT_EQ(inbound.publish(++id, 100), Verdict::route);
}

TEST(KeptCopy, IsTheCopy) {
  std::uint32_t single = 0;
  const std::uint32_t many[] = {1, 268'435'455, 7};
  for (const std::size_t count : {0u, 1u, 2u, 3u}) {
    for (const std::uint32_t group : {0u, 1u, 0xffffffffu}) {
      for (const std::uint8_t qos : {0, 1, 2}) {
        for (const bool retain : {false, true}) {
          if (group != 0 && count > 1) continue;
          const Copy copy{qos, retain, std::span(many).subspan(1).first(std::min(count, std::size_t{2})), group};
          KeptCopy kept(copy);
          KeptCopy moved = std::move(kept);
          const Copy again = moved.copy(single);
          EXPECT_EQ(again.qos, qos);
          EXPECT_EQ(again.retain, retain);
          EXPECT_EQ(again.group, group);
          EXPECT_TRUE(std::equal(again.ids.begin(), again.ids.end(), copy.ids.begin(), copy.ids.end()));
          EXPECT_EQ(moved.bytes(), copy.ids.size() < 2 ? 0u : 12u);
          moved = KeptCopy({1, false, many});
          EXPECT_EQ(moved.copy(single).ids.size(), 3u);
        }
      }
    }
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
  EXPECT_EQ(aliases.set(1, "abc"), 3);
  EXPECT_EQ(aliases.set(1, "ab"), -1);
  EXPECT_EQ(aliases.bytes(), 3u);
}

TEST(SentAliases, ATopicHasAPlace) {
  SentAliases aliases(4);
  const auto first = aliases.find("a/b");
  EXPECT_FALSE(first.known);
  ASSERT_TRUE(first.number >= 1 && first.number <= 4);
  EXPECT_FALSE(aliases.find("a/b").known) << "the client was not told yet";
  aliases.set(first.number, "a/b");
  EXPECT_TRUE(aliases.find("a/b").known);
  EXPECT_EQ(aliases.find("a/b").number, first.number);
  EXPECT_EQ(aliases.find(std::string(SentAliases::kTopicBytesMax + 1, 'x')).number, 0);
  // Another topic in its place takes it over.
  std::string other = "x";
  while (aliases.find(other).number != first.number) other += 'x';
  EXPECT_FALSE(aliases.find(other).known);
  aliases.set(first.number, other);
  EXPECT_FALSE(aliases.find("a/b").known);
  EXPECT_TRUE(aliases.find(other).known);
}

}  // namespace
}  // namespace shoal::session
