#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"

namespace shoal::broker {
namespace {

struct StoreClearingTest : testing::Test {
  static constexpr std::uint64_t kSegment = 10'000;

  store::MemoryStore::Disk disk;
  Bed bed{options(), &disk, kSegment};

  static BrokerOptions options() {
    BrokerOptions options;
    options.auth.anonymous = true;
    return options;
  }
  /// A session that stays.
  std::unique_ptr<Peer> kept(const std::string& id) {
    auto peer = std::make_unique<Peer>(bed);
    peer->connect({.id = id, .clean = false, .expiry_s = 1000});
    return peer;
  }
  /// Messages in the log that are so large.
  std::size_t messages_of(std::size_t payload_bytes) const {
    std::size_t count = 0;
    for (const auto& batch : disk.batches) {
      store::RecordReader reader(batch.records);
      for (store::Record record; reader.next(record);) {
        const auto* const message = std::get_if<store::MessageRecord>(&record);
        if (message && message->payload.size() == payload_bytes) ++count;
      }
    }
    return count;
  }
};

TEST_F(StoreClearingTest, EndsWhereLongNamesAreMostOfWhatThereIs) {
  for (int i = 0; i < 100; ++i) {
    const std::string id = std::to_string(i) + std::string(1'000, '.');
    auto peer = kept(id);
    peer->subscribe("a/" + id, 1);
    peer->drop();
  }
  int turns = 0;
  while (bed.one_turn()) ASSERT_LT(++turns, 1'000);
  EXPECT_LT(bed.store->bytes(), 2 * 100 * 2'100 + 2 * kSegment);
  // And what is dead goes all the same.
  for (int i = 0; i < 100; ++i) {
    Peer peer(bed);
    peer.connect({.id = std::to_string(i) + std::string(1'000, '.')});
  }
  turns = 0;
  while (bed.one_turn()) ASSERT_LT(++turns, 1'000);
  EXPECT_LT(bed.store->bytes(), 4 * kSegment);
}

TEST_F(StoreClearingTest, AMessageIsInTheLogOnceHoweverManyGetItWhenever) {
  Peer publisher(bed);
  publisher.connect({.id = "p"}).publish("t", std::string(3'000, 'x'), {.qos = 1, .id = 1, .retain = true});
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 60; ++i) {
    peers.push_back(kept(std::to_string(i)));
    peers.back()->subscribe("t", 1);
    publisher.publish("none", std::string(1'000, 'y'), {.qos = 1, .id = 2, .retain = true});  // what makes segments
    // It may be in a segment that goes, and told again.
    ASSERT_LE(messages_of(3'000), 2u);
  }
  EXPECT_GT(bed.store->place(), 5);
  for (auto& peer : peers) peer->drop();
  bed.turn();
  bed.crash();
  Bed again({options()}, &disk, kSegment);
  for (int i = 0; i < 60; ++i) {
    Peer peer(again);
    peer.connect({.id = std::to_string(i), .clean = false, .expiry_s = 1000});
    const auto packets = peer.take();
    ASSERT_EQ(packets.size(), 2u) << i;
    EXPECT_EQ(packets[1].as<mqtt::Publish>().payload.size(), 3'000u);
  }
}

}  // namespace
}  // namespace shoal::broker
