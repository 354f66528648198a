#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "broker/shard_harness.hpp"
#include "store/log.hpp"

// As read_back_test.cpp, with files.

namespace shoal::broker {
namespace {

struct ReadBackLogTest : testing::Test {
  static constexpr int kMany = 200;

  std::string folder = std::filesystem::temp_directory_path() / "shoal_read_back_XXXXXX";
  store::LogContent content;

  void SetUp() override {
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  void use_log(Bed& bed) {
    auto directory = store::open_directory(folder);
    ASSERT_TRUE(directory);
    auto read = store::read_log(**directory);
    ASSERT_TRUE(read);
    content = std::move(*read);
    EXPECT_TRUE(content.report.damages.empty());
    store::Image image;
    for (const auto& segment : content.segments) {
      for (const store::Batch& batch : segment.batches) {
        image.apply_all(batch.records, segment.header.number, batch.offset + store::kBatchHeaderBytes);
      }
    }
    image.finish();
    auto log = store::Log::open(std::move(*directory), {.segment_bytes = 20'000}, content, bed.wall(), nullptr);
    ASSERT_TRUE(log);
    bed.shard.use_store(std::move(*log), image, bed.wall(), [&bed] { return bed.wall(); });
    while (bed.shard.restore_some(100)) bed.turn();
    bed.turn();
  }
  static void expect_all(Bed& bed, int from, int to) {
    Peer peer(bed);
    peer.connect({.id = "s", .clean = false, .expiry_s = 1000, .receive_maximum = std::uint16_t{5}});
    int next = from;
    while (next < to) {
      const auto packets = peer.take();
      ASSERT_FALSE(packets.empty()) << next;
      for (const Sent& sent : packets) {
        if (sent.type != PacketType::publish) continue;
        const auto message = sent.as<mqtt::Publish>();
        ASSERT_EQ(std::stoi(std::string(base::as_text(message.payload))), next++);
        ASSERT_EQ(message.payload.size(), 2'000u);
        peer.ack(PacketType::puback, message.id);
      }
    }
  }
  static void publish(Bed& bed, int from, int to) {
    Peer peer(bed);
    peer.connect({.id = "p"});
    for (int i = from; i < to; ++i) {
      std::string payload = std::to_string(i) + " ";
      payload.resize(2'000, 'x');
      peer.publish("t", payload, {.qos = 1, .id = 1});
    }
  }
};

TEST_F(ReadBackLogTest, BeforeAndAfterARestart) {
  {
    Bed bed(with([](auto&) {}));
    use_log(bed);
    {
      Peer peer(bed);
      peer.connect({.id = "s", .clean = false, .expiry_s = 1000}).subscribe("t", 1).drop();
    }
    publish(bed, 0, kMany);
    EXPECT_LT(bed.shard.router().messages().bytes_now(), kMany * 2'000u / 8);
    expect_all(bed, 0, kMany);
    EXPECT_GT(bed.stats().store_read_back, kMany * 3u / 4);
    publish(bed, kMany, 2 * kMany);
    bed.crash();
  }
  Bed bed(with([](auto&) {}));
  use_log(bed);
  EXPECT_LT(bed.shard.router().messages().bytes_now(), kMany * 2'000u / 8);
  expect_all(bed, kMany, 2 * kMany);
  EXPECT_EQ(bed.stats().store_lost, 0u);
  EXPECT_EQ(bed.shard.router().messages().count_now(), 0u);
  bed.crash();
}

}  // namespace
}  // namespace shoal::broker
