#include <gtest/gtest.h>

#include <algorithm>
#include <climits>
#include <optional>

#include "broker/shard_harness.hpp"

// Queued messages leave memory once their segment of the store is finished, and are read back when they are due.

namespace shoal::broker {
namespace {

struct ReadBackTest : testing::Test {
  static constexpr std::size_t kPayload = 2'000;
  static constexpr int kMany = 200;
  static constexpr std::size_t kAll = kMany * kPayload;
  static constexpr std::uint64_t kSegment = 20'000;

  store::MemoryStore::Disk disk;
  BrokerOptions options = with([](BrokerOptions&) {});
  std::optional<Bed> bed;
  int published = 0;

  void start() { bed.emplace(options, &disk, kSegment); }
  void restart() {
    bed->crash();
    bed.reset();
    start();
  }
  const session::MessagePool& messages() { return bed->shard.router().messages(); }

  static std::string payload(int number) {
    std::string text = std::to_string(number) + " ";
    text.resize(kPayload, 'x');
    return text;
  }
  std::unique_ptr<Peer> client(const std::string& id, std::optional<std::uint16_t> receive_maximum = {}) {
    auto peer = std::make_unique<Peer>(*bed);
    peer->connect({.id = id, .clean = false, .expiry_s = 100'000, .receive_maximum = receive_maximum});
    return peer;
  }
  /// A session that is away.
  void away(const std::string& id, std::uint8_t qos) {
    auto peer = client(id);
    peer->subscribe("t/#", qos).drop();
  }
  void publish(int count, std::uint8_t qos, std::optional<std::uint32_t> expiry_s = {}) {
    Peer peer(*bed);
    peer.connect({.id = "publisher"});
    for (int i = 0; i < count; ++i) {
      How how{.qos = qos, .id = 1};
      if (expiry_s) how.properties.number(PropertyId::message_expiry_interval, *expiry_s);
      peer.publish("t/a", payload(published++), how);
      if (qos == 2) peer.ack(PacketType::pubrel, 1);
    }
  }
  /// Answers everything until nothing comes any more, or `most` messages were answered. The numbers of all that came,
  /// duplicates left out.
  static std::vector<int> drain(Peer& peer, int most = INT_MAX) {
    std::vector<int> got;
    int answered = 0;
    for (auto packets = peer.take(); !packets.empty(); packets = peer.take()) {
      for (const Sent& sent : packets) {
        if (sent.type == PacketType::pubrel) {
          const auto ack = sent.as<mqtt::Ack>();
          peer.ack(PacketType::pubcomp, ack.id);
        }
        if (sent.type != PacketType::publish) continue;
        const auto message = sent.as<mqtt::Publish>();
        const std::string text(base::as_text(message.payload));
        const int number = std::stoi(text);
        EXPECT_EQ(text, payload(number));
        if (!message.dup) got.push_back(number);
        if (answered == most) continue;
        ++answered;
        if (message.qos != 0) peer.ack(message.qos == 1 ? PacketType::puback : PacketType::pubrec, message.id);
      }
    }
    return got;
  }
  static std::vector<int> numbers(int from, int to) {
    std::vector<int> all;
    for (int i = from; i < to; ++i) all.push_back(i);
    return all;
  }
};

TEST_F(ReadBackTest, WhatIsQueuedLeavesMemoryAndComesBackInOrder) {
  for (const std::uint8_t qos : {1, 2}) {
    disk = {};
    published = 0;
    start();
    away("s", qos);
    publish(kMany, qos);
    EXPECT_LT(messages().bytes_now(), kAll / 8);
    EXPECT_GT(messages().absent_bytes_now(), kAll * 3 / 4);
    EXPECT_EQ(messages().bytes_now() + messages().absent_bytes_now(), kMany * session::MessagePool::cost(kPayload + 3));
    EXPECT_EQ(bed->stats().store_absent_messages_now, messages().absent_count_now());
    auto peer = client("s", qos == 2 ? std::optional<std::uint16_t>(3) : std::nullopt);
    EXPECT_EQ(drain(*peer), numbers(0, kMany));
    EXPECT_EQ(messages().count_now(), 0u);
    EXPECT_EQ(messages().bytes_now(), 0u);
    EXPECT_EQ(messages().absent_bytes_now(), 0u);
    EXPECT_GT(bed->stats().store_read_back, kMany * 3u / 4);
    peer.reset();
    bed.reset();
  }
}

TEST_F(ReadBackTest, OverManyConnections) {
  for (const std::uint8_t qos : {1, 2}) {
    disk = {};
    published = 0;
    start();
    away("s", qos);
    publish(kMany, qos);
    std::vector<int> got;
    for (int rounds = 0; got.size() < kMany; ++rounds) {
      ASSERT_LT(rounds, kMany);
      auto peer = client("s", std::uint16_t{3});
      for (const int number : drain(*peer, 7)) got.push_back(number);
      peer->drop();
      // So long an acknowledgement at QoS 1 may be lost with the process.
      bed->advance(base::milliseconds(10));
      if (rounds % 5 == 4) restart();
    }
    EXPECT_EQ(got, numbers(0, kMany));
    auto peer = client("s");
    drain(*peer);
    peer.reset();
    bed.reset();
  }
}

TEST_F(ReadBackTest, AfterARestartTheyLeaveMemoryAgain) {
  start();
  away("s", 1);
  publish(kMany, 1);
  restart();
  EXPECT_LT(messages().bytes_now(), kAll / 8);
  publish(kMany, 1);
  EXPECT_LT(messages().bytes_now(), kAll / 8);
  auto peer = client("s");
  EXPECT_EQ(drain(*peer), numbers(0, 2 * kMany));
}

TEST_F(ReadBackTest, TwoSessionsShareThem) {
  start();
  away("a", 1);
  away("b", 2);
  publish(kMany, 2);
  EXPECT_LT(messages().bytes_now(), kAll / 8);
  auto a = client("a", std::uint16_t{3});
  EXPECT_EQ(drain(*a), numbers(0, kMany));
  EXPECT_EQ(messages().count_now(), static_cast<std::size_t>(kMany));
  // Others are written meanwhile, and what was brought back for one leaves memory again.
  publish(kMany, 2);
  EXPECT_LT(messages().bytes_now(), kAll / 4);
  EXPECT_EQ(drain(*a), numbers(kMany, 2 * kMany));
  auto b = client("b");
  EXPECT_EQ(drain(*b), numbers(0, 2 * kMany));
}

TEST_F(ReadBackTest, ASlowReaderWhoIsConnected) {
  start();
  auto peer = client("s", std::uint16_t{3});
  peer->subscribe("t/#", 1).skip();
  publish(kMany, 1);
  EXPECT_LT(messages().bytes_now(), kAll / 8);
  EXPECT_EQ(drain(*peer), numbers(0, kMany));
}

TEST_F(ReadBackTest, FullQueuesDropTheOldest) {
  options.queue_full = QueueFull::drop_old;
  options.limits.queued_messages = 50;
  start();
  away("s", 1);
  publish(kMany, 1);
  EXPECT_LT(messages().bytes_now(), 50 * kPayload / 2);
  auto peer = client("s");
  EXPECT_EQ(drain(*peer), numbers(kMany - 50, kMany));
}

TEST_F(ReadBackTest, WhatHasExpiredIsNotRead) {
  start();
  away("s", 1);
  publish(kMany, 1, 10);
  publish(10, 1);
  bed->advance(base::seconds(11));
  auto peer = client("s");
  EXPECT_EQ(drain(*peer), numbers(kMany, kMany + 10));
  EXPECT_EQ(bed->shard.budget().expired, static_cast<std::uint64_t>(kMany));
  EXPECT_LE(bed->store->reads(), 10u);
}

TEST_F(ReadBackTest, ClearingReadsWhatItTellsAgain) {
  start();
  away("s", 1);
  away("other", 1);
  publish(kMany, 1);
  auto other = client("other");
  EXPECT_EQ(drain(*other), numbers(0, kMany));
  const auto first = bed->store->place();
  bed->store->set_damaged(true);  // asks for all segments to be cleared
  bed->shard.store_changed();
  while (static_cast<std::int16_t>(bed->store->oldest() - first) < 0) bed->one_turn();
  bed->store->set_damaged(false);
  bed->turn();
  EXPECT_GT(bed->store->reads(), kMany / 2u);
  publish(20, 1);
  drain(*other);
  EXPECT_LT(messages().bytes_now(), kAll / 4) << "they leave memory again";
  auto peer = client("s");
  EXPECT_EQ(drain(*peer), numbers(0, kMany + 20));
}

TEST_F(ReadBackTest, ClearingWaitsForWhatIsRead) {
  start();
  away("s", 1);
  publish(kMany, 1);
  bed->store->hold_reads(true);
  bed->store->set_damaged(true);
  bed->shard.store_changed();
  const auto oldest = bed->store->oldest();
  bed->turn();
  EXPECT_EQ(bed->store->oldest(), oldest);
  EXPECT_FALSE(bed->wants_turn);
  // A client is not kept waiting by that; what it asks for is behind it.
  auto peer = client("s");
  bed->store->hold_reads(false);
  for (int i = 0; i < 50; ++i) bed->one_turn();
  bed->store->set_damaged(false);
  bed->turn();
  EXPECT_EQ(drain(*peer), numbers(0, kMany));
}

TEST_F(ReadBackTest, WhoAskedMayBeGoneWhenItComes) {
  start();
  away("s", 1);
  away("ends", 1);
  publish(kMany, 1);
  bed->store->hold_reads(true);
  auto peer = client("s");
  auto ends = client("ends");
  EXPECT_EQ(drain(*peer), std::vector<int>());
  peer->drop();
  ends->disconnect(ReasonCode::success, 0);
  bed->turn();
  const std::size_t before = messages().bytes_now();
  bed->store->hold_reads(false);
  bed->turn();
  EXPECT_EQ(messages().bytes_now(), before) << "nobody takes them now";
  // One request at a time, however often it connects.
  bed->store->hold_reads(true);
  const std::uint64_t reads = bed->store->reads();
  peer = client("s");
  const std::uint64_t once = bed->store->reads() - reads;
  EXPECT_GT(once, 0u);
  EXPECT_LE(once, 64u);
  peer->drop();
  peer = client("s");
  EXPECT_EQ(bed->store->reads() - reads, once);
  bed->store->hold_reads(false);
  bed->turn();
  EXPECT_EQ(drain(*peer), numbers(0, kMany));
}

TEST_F(ReadBackTest, OthersGoOnMeanwhile) {
  start();
  away("s", 1);
  publish(kMany, 1);
  bed->store->hold_reads(true);
  auto peer = client("s");
  peer->skip().subscribe("u", 0).skip();
  Peer other(*bed);
  other.connect({.id = "other"}).publish("u", "now");
  EXPECT_EQ(peer->got(), std::vector<std::string>{"PUBLISH u=now q0"});
  publish(1, 1);
  EXPECT_EQ(drain(*peer), std::vector<int>()) << "it is behind the others";
  bed->store->hold_reads(false);
  bed->turn();
  EXPECT_EQ(drain(*peer), numbers(0, kMany + 1));
}

TEST_F(ReadBackTest, WhatIsDamagedIsLostAndCounted) {
  start();
  away("s", 1);
  away("t", 1);
  publish(kMany, 1);
  ASSERT_GT(messages().absent_count_now(), 100u);
  const std::string damaged = "150 xxxx";
  for (auto& batch : disk.batches) {
    const auto found = std::search(batch.records.begin(), batch.records.end(), damaged.begin(), damaged.end());
    if (found != batch.records.end()) found[100] ^= 1;
  }
  std::vector<int> rest = numbers(0, kMany);
  rest.erase(rest.begin() + 150);
  auto peer = client("s");
  EXPECT_EQ(drain(*peer), rest);
  EXPECT_EQ(bed->stats().store_lost, 1u);
  peer = client("t", std::uint16_t{3});
  EXPECT_EQ(drain(*peer), rest);
  EXPECT_EQ(bed->stats().store_lost, 1u);
  EXPECT_EQ(bed->shard.budget().lost, 2u);
  EXPECT_EQ(messages().count_now(), 0u);
}

}  // namespace
}  // namespace shoal::broker
