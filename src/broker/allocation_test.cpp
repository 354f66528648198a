#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <new>

#include "broker/connection.hpp"

#include "broker/shard_harness.hpp"
#include "mqtt/decode.hpp"
#include "mqtt/encode.hpp"

// The promise of the hot path: a message that is delivered at once allocates nothing. And what things take that there
// are many of. Counted by this program's own operator new.

namespace {

thread_local std::size_t allocations = 0;
thread_local std::size_t live_blocks = 0;
thread_local std::size_t live_bytes = 0;

void* counted(std::size_t size) {
  ++allocations;
  void* const memory = std::malloc(size != 0 ? size : 1);
  if (!memory) throw std::bad_alloc();
  ++live_blocks;
  live_bytes += ::malloc_usable_size(memory);
  return memory;
}

void release(void* memory) {
  if (!memory) return;
  --live_blocks;
  live_bytes -= ::malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
// Not inlined: the compiler would see free() meet the new expression it does not look into.
[[gnu::noinline]] void operator delete(void* memory) noexcept { release(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { release(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { release(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { release(memory); }

namespace shoal::broker {
namespace {

// A client that answers what it gets and owns no memory that grows.
class Wire final : public Transport {
 public:
  Wire(Bed& bed, Version version, std::string_view id, bool keep) : version_(version), client_(bed.shard, *this) {
    mqtt::Connect packet;
    packet.version = version;
    packet.client_id = id;
    packet.clean_start = version == Version::v5 || !keep;
    mqtt::PropertyWriter properties;
    if (keep && version == Version::v5) properties.number(PropertyId::session_expiry_interval, 1000);
    packet.properties = properties.view(mqtt::PropertyPlace::connect);
    give(packet);
  }

  void give(const mqtt::Packet& packet) {
    std::vector<std::uint8_t> bytes;
    mqtt::encode(packet, version_, bytes);
    give(bytes);
  }
  void give(base::Bytes bytes) { ASSERT_EQ(client_.receive(bytes), bytes.size()); }
  /// Gives the answers to what came.
  void answer() {
    if (answers_size_ != 0) give({answers_, std::exchange(answers_size_, 0)});
  }
  std::size_t messages() const { return messages_; }

 private:
  void flush() override {
    base::ByteQueue& out = client_.link().out;
    while (!out.empty()) {
      base::Bytes piece;
      while (out.peek(&piece, 1) == 1) {
        ASSERT_LE(input_size_ + piece.size(), sizeof input_);
        std::copy(piece.begin(), piece.end(), input_ + input_size_);
        input_size_ += piece.size();
        out.consume(piece.size());
      }
      read();
      client_.drained();
    }
  }
  void resume() override {}
  std::string peer() const override { return {}; }

  void read() {
    mqtt::Frame frame;
    std::size_t at = 0;
    for (; mqtt::cut_frame({input_ + at, input_size_ - at}, frame) == mqtt::FrameStatus::complete; at += frame.size) {
      const unsigned first = frame.body.size() >= 2 ? unsigned{frame.body[0]} << 8 | frame.body[1] : 0u;
      if (frame.type == PacketType::publish) {
        ++messages_;
        const unsigned qos = frame.flags >> 1 & 3;
        if (qos == 0) continue;
        const auto id = static_cast<std::uint16_t>(frame.body[2 + first] << 8 | frame.body[3 + first]);
        ack(qos == 1 ? PacketType::puback : PacketType::pubrec, id);
      } else if (frame.type == PacketType::pubrec) {
        ack(PacketType::pubrel, static_cast<std::uint16_t>(first));
      } else if (frame.type == PacketType::pubrel) {
        ack(PacketType::pubcomp, static_cast<std::uint16_t>(first));
      }
    }
    std::copy(input_ + at, input_ + input_size_, input_);
    input_size_ -= at;
  }
  void ack(PacketType type, std::uint16_t id) {
    ASSERT_LE(answers_size_ + mqtt::kAckSizeMax, sizeof answers_);
    answers_size_ += mqtt::encode_ack(answers_ + answers_size_, type, id, ReasonCode::success, version_);
  }

  const Version version_;
  std::uint8_t input_[512 * 1024];
  std::size_t input_size_ = 0;
  std::uint8_t answers_[64 * 1024];
  std::size_t answers_size_ = 0;
  std::size_t messages_ = 0;
  Client client_;
};

struct Load {
  const char* name;
  Version version;
  bool keep;
  std::size_t payload_bytes;
  bool properties;
};

struct Allocations : testing::TestWithParam<std::tuple<Load, int>> {};

TEST_P(Allocations, NoneWhileSubscribersKeepUp) {
  const auto& [the_case, qos_number] = GetParam();
  const auto qos = static_cast<std::uint8_t>(qos_number);
  constexpr std::size_t kSubscribers = 3;
  constexpr std::size_t kBatch = 20;
  auto bed = std::make_unique<Bed>();
  const auto source = std::make_unique<Wire>(*bed, the_case.version, "source", false);
  std::vector<std::unique_ptr<Wire>> subscribers;
  for (const char* id : {"a", "b", "c"}) {
    subscribers.push_back(std::make_unique<Wire>(*bed, the_case.version, id, the_case.keep));
    std::vector<std::uint8_t> filters;
    for (const char* filter : {"plant/+/temp", "plant/#"}) mqtt::append_filter(filters, {filter, {.qos = qos}}, true);
    subscribers.back()->give(mqtt::Subscribe{1, {}, mqtt::FilterList(filters, true)});
  }
  std::size_t from_host = 0;
  ASSERT_TRUE(bed->shard.subscribe("plant/7/temp", Qos::exactly_once, [&](const Message&) { ++from_host; }));

  // A batch of one turn, as it comes from the publisher's socket: some messages by alias, some retained.
  const std::string payload(the_case.payload_bytes, 'x');
  std::vector<std::uint8_t> batch;
  for (std::size_t i = 0; i < kBatch; ++i) {
    mqtt::PropertyWriter properties;
    if (the_case.properties) {
      properties.number(PropertyId::message_expiry_interval, 60).text(PropertyId::content_type, "text/plain");
      properties.number(PropertyId::topic_alias, 1).user("unit", "°C");
    }
    const bool by_alias = the_case.properties && i % 2 == 1;
    const auto id = static_cast<std::uint16_t>(qos != 0 ? i + 1 : 0);
    mqtt::encode(mqtt::Publish{by_alias ? "" : "plant/7/temp", base::as_bytes(payload),
                               properties.view(mqtt::PropertyPlace::publish), id, qos, i % 4 == 0, false},
                 the_case.version, batch);
  }
  const auto exchange = [&] {
    source->give(batch);
    for (int round = 0; round < 4; ++round) {
      bed->shard.turn_end();
      source->answer();
      for (const auto& subscriber : subscribers) subscriber->answer();
    }
    bed->now += base::milliseconds(1);
    bed->timers.run(bed->now);
  };
  for (int warm_up = 0; warm_up < 20; ++warm_up) exchange();

  const std::size_t before = allocations;
  ASSERT_GT(before, 0u);
  for (std::size_t sent = 0; sent < 10'000; sent += kBatch) exchange();
  EXPECT_EQ(allocations - before, 0u);
  for (const auto& subscriber : subscribers) EXPECT_EQ(subscriber->messages(), 10'400u);
  EXPECT_EQ(from_host, 10'400u);
  EXPECT_EQ(bed->stats().messages_delivered, 10'400u * (kSubscribers + 1));
}

INSTANTIATE_TEST_SUITE_P(Steady, Allocations,
                         testing::Combine(testing::Values(Load{"V311Clean", Version::v3_1_1, false, 100, false},
                                                          Load{"V311Kept", Version::v3_1_1, true, 100, false},
                                                          Load{"V5Clean", Version::v5, false, 100, false},
                                                          Load{"V5Kept", Version::v5, true, 100, false},
                                                          Load{"V5CleanProperties", Version::v5, false, 100, true},
                                                          Load{"V5KeptProperties", Version::v5, true, 100, true},
                                                          Load{"V5Clean8KiB", Version::v5, false, 8192, false},
                                                          Load{"V5Kept8KiBProperties", Version::v5, true, 8192, true}),
                                          testing::Values(0, 1, 2)),
                         [](const auto& chosen) {
                           return std::string(std::get<0>(chosen.param).name) + "Qos" +
                                  std::to_string(std::get<1>(chosen.param));
                         });

// The window is closed for most messages and the queue empties again and again.
TEST(AllocationsOfQueues, NoneWhileTheWindowIsTheBrake) {
  for (const bool keep : {false, true}) {
    Bed bed(with([](BrokerOptions& o) { o.limits.inflight = 4; }));
    const auto source = std::make_unique<Wire>(bed, Version::v5, "source", false);
    const auto subscriber = std::make_unique<Wire>(bed, Version::v5, "a", keep);
    std::vector<std::uint8_t> filters;
    mqtt::append_filter(filters, {"t", {.qos = 1}}, true);
    subscriber->give(mqtt::Subscribe{1, {}, mqtt::FilterList(filters, true)});
    std::vector<std::uint8_t> batch;
    for (std::uint16_t id = 1; id <= 20; ++id) {
      mqtt::encode(mqtt::Publish{"t", base::as_bytes("x"), {}, id, 1, false, false}, Version::v5, batch);
    }
    const auto exchange = [&] {
      source->give(batch);
      for (int round = 0; round < 8; ++round) {
        bed.shard.turn_end();
        subscriber->answer();
      }
    };
    for (int warm_up = 0; warm_up < 20; ++warm_up) exchange();
    const std::size_t before = allocations;
    for (int i = 0; i < 500; ++i) exchange();
    EXPECT_EQ(allocations - before, 0u);
    EXPECT_EQ(subscriber->messages(), 20u * 520);
  }
}

// Per thing, of so many; malloc's header of each block included. Tables that double are half empty in the worst case.
class Taken {
 public:
  double each(std::size_t count) const {
    const std::size_t bytes = live_bytes - bytes_ + 8 * (live_blocks - blocks_);
    return static_cast<double>(bytes) / static_cast<double>(count);
  }

 private:
  std::size_t bytes_ = live_bytes;
  std::size_t blocks_ = live_blocks;
};

constexpr std::size_t kMeasured = 10'000;

class Quiet final : public Transport {
 public:
  explicit Quiet(Bed& bed) : client(bed.shard, *this) {}
  void flush() override {
    client.link().out.clear();
    client.account_output(true);
  }
  void resume() override {}
  std::string peer() const override { return {}; }

  Client client;
};

TEST(Memory, OfAnIdleConnection) {
  EXPECT_LE(sizeof(Connection), 296u);
  EXPECT_LE(sizeof(ClientSession), 200u);
  Bed bed(with([](BrokerOptions& o) { o.limits.connections = o.limits.half_open = kMeasured; }));
  std::vector<std::unique_ptr<Quiet>> clients;
  std::vector<std::uint8_t> bytes;
  const Taken taken;
  for (std::size_t i = 0; i < kMeasured; ++i) {
    const std::string id = "i" + std::to_string(i);
    bytes.clear();
    mqtt::Connect connect;
    connect.version = Version::v3_1_1;
    connect.client_id = id;
    connect.keep_alive_s = 60;
    mqtt::encode(connect, Version::v3_1_1, bytes);
    std::vector<std::uint8_t> filters;
    mqtt::append_filter(filters, {"idle/" + std::to_string(i), {}}, true);
    mqtt::encode(mqtt::Subscribe{1, {}, mqtt::FilterList(filters, true)}, Version::v3_1_1, bytes);
    clients.push_back(std::make_unique<Quiet>(bed));
    ASSERT_EQ(clients.back()->client.receive(bytes), bytes.size());
    bed.shard.turn_end();
  }
  EXPECT_EQ(bed.stats().subscriptions_now, kMeasured);
  const double each = taken.each(kMeasured) + sizeof(Connection) - sizeof(Quiet);
  std::printf("idle connection with a subscription: %.0f bytes\n", each);
  EXPECT_LE(each, 760);
}

TEST(Memory, OfASubscription) {
  topic::SubscriptionTree tree;
  topic::Subscriber subscriber;
  const Taken taken;
  for (std::size_t i = 0; i < kMeasured; ++i) {
    tree.subscribe("plant/" + std::to_string(i % 100) + "/" + std::to_string(i), &subscriber, {}, 0);
  }
  std::printf("subscription: %.0f bytes\n", taken.each(kMeasured));
  EXPECT_LE(taken.each(kMeasured), 150);
}

TEST(Memory, OfARetainedMessage) {
  Bed bed;
  const std::string payload(64, 'x');
  const Taken taken;
  for (std::size_t i = 0; i < kMeasured; ++i) {
    const std::string topic = "plant/" + std::to_string(i % 100) + "/" + std::to_string(i);
    ASSERT_TRUE(bed.shard.publish({.topic = topic, .payload = payload, .retain = true}));
  }
  std::printf("retained message of %zu bytes: %.0f bytes\n", payload.size(), taken.each(kMeasured));
  EXPECT_LE(taken.each(kMeasured), 300);
}

}  // namespace
}  // namespace shoal::broker
