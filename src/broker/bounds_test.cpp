#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/encode.hpp"

// Bounds of a whole instance, and rates.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Bounds, TheOldestHalfOpenConnectionGoes) {
  Bed bed;
  Peer first(bed), second(bed), third(bed);
  second.connect({"second"});
  bed.shard.end_oldest_half_open();
  bed.turn();
  EXPECT_TRUE(first.closed());
  EXPECT_FALSE(second.closed());
  EXPECT_FALSE(third.closed());
  bed.shard.end_oldest_half_open();
  bed.turn();
  EXPECT_TRUE(third.closed());
  EXPECT_EQ(bed.stats().hits(Bound::half_open), 2u);
  EXPECT_EQ(bed.shard.counters().half_open_now, 0u);
  bed.shard.end_oldest_half_open();
  EXPECT_FALSE(second.closed());
}

TEST(Bounds, ClientIdLength) {
  covers_v5("MQTT-3.1.3-8");
  Bed bed(with([](BrokerOptions& o) { o.limits.client_id_bytes = 30; }));
  Peer fits(bed), not5(bed), not4(bed, Version::v3_1_1);
  EXPECT_THAT(fits.connect({std::string(30, 'x')}).got(), ElementsAre("CONNACK 0"));
  EXPECT_THAT(not5.connect({std::string(31, 'x')}).got(), ElementsAre("CONNACK 0x85"));
  EXPECT_THAT(not4.connect({std::string(31, 'x')}).got(), ElementsAre("CONNACK 2"));
  EXPECT_EQ(bed.stats().hits(Bound::client_id_bytes), 2u);
}

TEST(Bounds, SubscriptionMemory) {
  Bed bed(with([](BrokerOptions& o) { o.limits.subscription_bytes = 100'000; }));
  Peer a(bed), b(bed);
  a.connect({"a"}).skip();
  b.connect({"b"}).skip();
  std::string filter;
  int granted = 0;
  for (bool full = false; !full && granted < 1'000; ++granted) {
    filter = std::to_string(granted);
    for (int level = 0; level < 100; ++level) filter += "/level" + std::to_string(granted);
    full = a.subscribe(filter, 0).got().front() == "SUBACK #1 0x97";
  }
  EXPECT_GT(granted, 5);
  EXPECT_LT(granted, 40);
  EXPECT_LT(bed.shard.router().subscription_bytes(), 100'000u);
  EXPECT_THAT(b.subscribe(filter, 0).got(), ElementsAre("SUBACK #1 0x97"));
  EXPECT_EQ(bed.stats().hits(Bound::subscription_bytes), 2u);
  a.disconnect();
  EXPECT_LT(bed.shard.router().subscription_bytes(), 1'000u);
  EXPECT_THAT(b.subscribe(filter, 0).got(), ElementsAre("SUBACK #1 0"));
}

// A search is not divided, so what one may come to is bounded: filters that would make it more are refused. With all
// that are granted a turn does no more than it may, and what one packet can ask for.
TEST(Bounds, SearchesAreBounded) {
  Bed bed(with([](BrokerOptions& o) { o.limits.subscriptions = 100'000; }));
  Peer hostile(bed), calm(bed), source(bed);
  hostile.connect({"hostile"}).skip();
  calm.connect({"calm"}).skip();
  source.connect({"source"}).skip();
  const std::uint64_t most = Router::kSearchMax;
  std::string topic;
  for (int level = 0; level < 20; ++level) topic += "a/";
  unsigned granted = 0;
  for (unsigned combination = 0; combination < 1u << 14; ++combination) {
    std::string filter;
    for (unsigned level = 0; level < 20; ++level) filter += combination >> level % 14 & 1 ? "+/" : "a/";
    granted += hostile.subscribe(filter + "no", 0).got() == std::vector<std::string>{"SUBACK #1 0"};
  }
  EXPECT_GT(granted, 500u);
  EXPECT_LT(granted, 1u << 14);
  EXPECT_EQ(bed.shard.stats().hits(Bound::filter_shapes), (1u << 14) - granted);

  const std::uint64_t before = bed.shard.budget().work.done();
  source.publish(topic + "yes", "x");
  EXPECT_GT(bed.shard.budget().work.done() - before, most / 10) << "it is expensive";
  EXPECT_LT(bed.shard.budget().work.done() - before, most + 1'000);
  EXPECT_LE(most, Turns::kSliceMax);
  // Topics that nobody asked for before: each is searched for, and a turn does not do them all.
  bed.most_work = 0;
  std::vector<std::uint8_t> burst;
  for (int i = 0; i < 50; ++i) {
    const std::string one = topic + std::to_string(i);
    mqtt::encode(mqtt::Publish{one, {}, {}, 0, 0, false, false}, Version::v5, burst);
  }
  source.give(burst);
  bed.turn();
  EXPECT_LT(bed.most_work, 3 * Turns::kWorkPerTurn);

  // Who asks for what everybody asks for is not concerned.
  EXPECT_EQ(calm.subscribe("+/a/#", 0).got().at(0), "SUBACK #1 0");
  EXPECT_EQ(calm.subscribe("a/b/c/d/e/f/g", 0).got().at(0), "SUBACK #1 0");
  hostile.disconnect();
  EXPECT_EQ(bed.shard.router().search_fits("+/b/+/c/+/d/+/e/+/f/+/g/+/h"), true);
}

TEST(Bounds, TopicAliasesTakeMemory) {
  Bed bed(with([](BrokerOptions& o) { o.limits.input_bytes_total = 2'000, o.limits.packet_size_bytes = 750; }));
  Peer a(bed), b(bed);
  a.connect({"a"}).skip();
  b.connect({"b"}).skip();
  const auto set = [](Peer& peer, std::uint16_t alias, std::size_t size) {
    How how;
    how.properties.number(PropertyId::topic_alias, alias);
    peer.publish(std::string(size, 'x'), "", how);
  };
  set(a, 1, 600);
  set(a, 1, 700);
  set(b, 1, 700);
  EXPECT_EQ(bed.shard.counters().input_bytes_now, 1'400u);
  set(b, 2, 200);  // a quarter is for incomplete packets
  EXPECT_THAT(b.got(), ElementsAre("DISCONNECT 0x97"));
  EXPECT_EQ(bed.shard.counters().input_bytes_now, 700u);
  a.drop();
  EXPECT_EQ(bed.shard.counters().input_bytes_now, 0u);
}

TEST(Bounds, WaitingPasswordsTakeMemory) {
  Bed bed(with([](BrokerOptions& o) { o.limits.input_bytes_total = 1'200, o.limits.packet_size_bytes = 450; }));
  bed.authority.decision = auth::Decision::needs_hash;
  Peer a(bed), c(bed), b(bed);
  const std::string large(400, 'x');
  a.connect({.id = large, .user = "u", .password = "p"});
  c.connect({.id = large + "c", .user = "u", .password = "p"});
  EXPECT_THAT(b.connect({.id = large, .user = "u", .password = "p"}).got(), ElementsAre("CONNACK 0x89"));
  bed.shard.authenticated(bed.authority.verifying.at(0), {auth::Decision::accepted, ""});
  bed.turn();
  EXPECT_THAT(a.got(), ElementsAre("CONNACK 0"));
  c.drop();
  EXPECT_EQ(bed.shard.counters().input_bytes_now, 0u);
}

// Many readers that do not read share what there is for all of them.
TEST(Bounds, OutputOfAllConnections) {
  Bed bed(with([](BrokerOptions& o) { o.limits.output_bytes_total = 1 << 20; }));
  std::vector<std::unique_ptr<Peer>> slow;
  for (int i = 0; i < 50; ++i) {
    slow.push_back(std::make_unique<Peer>(bed));
    slow.back()->connect({std::to_string(i)}).subscribe("t", 0).skip().stall(true);
  }
  Peer source(bed), good(bed);
  source.connect({"source"});
  good.connect({"good"}).subscribe("t", 0).skip();
  const std::string payload(1'000, 'x');
  for (int i = 0; i < 500; ++i) {
    source.publish("t", payload);
    EXPECT_THAT(good.take(), SizeIs(1));
  }
  EXPECT_LT(bed.shard.counters().output_bytes_now, 2u << 20);
  EXPECT_GT(bed.shard.counters().output_bytes_now, 1u << 19);
  EXPECT_GT(bed.stats().messages_dropped_slow, 20'000u);
  for (auto& peer : slow) peer->stall(false);
  EXPECT_EQ(bed.shard.counters().output_bytes_now, 0u);
  EXPECT_EQ(bed.shard.output_bytes_max(), (1u << 20) / 4);
}

// A turn in which very much is written is flushed in the middle.
TEST(Bounds, OneTurnDoesNotPileUpItsOutput) {
  Bed bed;
  std::vector<std::unique_ptr<Peer>> readers;
  for (int i = 0; i < 100; ++i) {
    readers.push_back(std::make_unique<Peer>(bed));
    readers.back()->connect({std::to_string(i)}).subscribe("t", 0).skip();
  }
  Peer source(bed);
  source.connect({"source"});
  std::vector<std::uint8_t> many;
  const std::string payload(1'000, 'x');
  for (int i = 0; i < 500; ++i) {
    mqtt::encode(mqtt::Publish{"t", base::as_bytes(payload), {}, 0, 0, false, false}, Version::v5, many);
  }
  source.raw(many);
  for (auto& reader : readers) EXPECT_THAT(reader->take(), SizeIs(500)) << "50 MB, no link over its 1 MiB";
  EXPECT_EQ(bed.stats().messages_dropped_slow, 0u);
}

struct Rates : testing::TestWithParam<const char*> {
  static BrokerOptions options(std::string_view which) {
    return with([&](BrokerOptions& o) {
      if (which == "messages in") o.limits.messages_in_per_second = 10;
      if (which == "bytes in") o.limits.bytes_in_per_second = 1'000;
      if (which == "messages out") o.limits.messages_out_per_second = 10;
      if (which == "bytes out") o.limits.bytes_out_per_second = 1'000;
      if (which == "client's messages") o.limits.client_messages_per_second = 10;
      if (which == "client's bytes") o.limits.client_bytes_per_second = 1'000;
    });
  }
};

// 100 bytes a message: ten of them a second in every case, and a second's worth saved up.
TEST_P(Rates, PublishersAreNotReadForAWhile) {
  Bed bed(options(GetParam()));
  Peer source(bed), reader(bed);
  source.connect({.id = "source", .keep_alive_s = 1});
  reader.connect({"reader"}).subscribe("t", 0).skip();
  std::vector<std::uint8_t> many;
  const std::string payload(94, 'x');  // behind two bytes of header, two of length, topic, and property length
  for (int i = 0; i < 40; ++i) {
    mqtt::encode(mqtt::Publish{"t", base::as_bytes(payload), {}, 0, 0, false, false}, Version::v5, many);
  }
  source.raw(many);
  EXPECT_THAT(reader.take(), SizeIs(11));
  bed.advance(base::seconds(1));
  EXPECT_THAT(reader.take(), SizeIs(10));
  bed.advance(base::milliseconds(1'950));
  EXPECT_THAT(reader.take(), SizeIs(19));
  EXPECT_FALSE(source.closed()) << "it is this side that did not read";
  EXPECT_GT(bed.stats().hits(Bound::rate), 20u);
  EXPECT_THAT(reader.ping().got(), ElementsAre("PINGRESP")) << "others are not held up";
}

INSTANTIATE_TEST_SUITE_P(All, Rates,
                         testing::Values("messages in", "bytes in", "messages out", "bytes out", "client's messages",
                                         "client's bytes"));

TEST(Rates, OfAClientIsItsOwn) {
  Bed bed(Rates::options("client's messages"));
  Peer fast(bed), slow(bed), reader(bed);
  fast.connect({"fast"});
  slow.connect({"slow"}).skip();
  reader.connect({"reader"}).subscribe("t", 0).skip();
  for (int i = 0; i < 30; ++i) fast.publish("t", "x");
  EXPECT_THAT(reader.take(), SizeIs(11));
  slow.publish("t", "y");
  EXPECT_THAT(reader.got(), ElementsAre("PUBLISH t=y q0"));
}

TEST(ReasonStrings, WhenTheyAreWanted) {
  covers_v5("MQTT-3.1.2-29");
  Bed bed(with([](BrokerOptions& o) { o.response_information = "answers/"; }));
  for (const std::uint32_t wanted : {0u, 1u}) {
    Peer peer(bed);
    mqtt::PropertyWriter properties;
    properties.number(PropertyId::request_problem_information, wanted);
    properties.number(PropertyId::request_response_information, wanted);
    mqtt::Connect connect;
    connect.client_id = "c";
    connect.properties = properties.view(mqtt::PropertyPlace::connect);
    peer.send(connect);
    const auto connack = peer.take();
    EXPECT_EQ(connack.at(0).as<mqtt::Connack>().properties.text(PropertyId::response_information),
              wanted == 1 ? "answers/" : "");
    peer.publish("$SYS/x", "", {.qos = 1, .id = 1}).subscribe("a+", 0).send(mqtt::Connect{});
    const auto got = peer.take();
    ASSERT_THAT(got, SizeIs(3));
    EXPECT_EQ(got[0].as<mqtt::Ack>().properties.text(PropertyId::reason_string), wanted == 1 ? "not authorized" : "");
    EXPECT_EQ(got[1].as<mqtt::SubscriptionAck>().properties.has(PropertyId::reason_string), wanted == 1);
    EXPECT_EQ(got[2].as<mqtt::Disconnect>().properties.has(PropertyId::reason_string), wanted == 1);
  }
}

TEST(TopicAliases, TowardsAClientThatAllowsThem) {
  covers_v5("MQTT-3.1.2-26 MQTT-3.1.2-27 MQTT-3.3.2-11");
  Bed bed;
  Peer source(bed), none(bed), some(bed);
  source.connect({"source"});
  none.connect({"none"}).subscribe("#", 0).skip();
  mqtt::PropertyWriter properties;
  properties.number(PropertyId::topic_alias_maximum, 2);
  mqtt::Connect connect;
  connect.client_id = "some";
  connect.properties = properties.view(mqtt::PropertyPlace::connect);
  some.send(connect).subscribe("#", 1).skip();
  for (int round = 0; round < 3; ++round) {
    for (const char* topic : {"one", "two", "three", "four"}) source.publish(topic, topic, {.qos = 1, .id = 1});
  }
  for (const Sent& packet : none.take()) {
    EXPECT_FALSE(packet.as<mqtt::Publish>().properties.has(PropertyId::topic_alias));
  }
  std::map<std::uint32_t, std::string> known;
  std::size_t count = 0;
  for (const Sent& packet : some.take()) {
    const auto publish = packet.as<mqtt::Publish>();
    const std::uint32_t alias = publish.properties.number(PropertyId::topic_alias);
    EXPECT_LE(alias, 2u);
    if (!publish.topic.empty()) known[alias] = publish.topic;
    else ASSERT_TRUE(known.contains(alias));
    EXPECT_EQ(base::as_text(publish.payload), publish.topic.empty() ? known[alias] : std::string(publish.topic));
    ++count;
  }
  EXPECT_EQ(count, 12u);
}

// Values of $SYS that come back with their listener overflow its queue, in the middle of its CONNECT.
TEST(Bounds, AQueueThatOverflowsInsideOfConnectEndsTheConnectionAfterwards) {
  Bed bed(with([](BrokerOptions& o) {
    o.limits.inflight = 1;
    o.limits.queued_messages = 1;
    o.queue_full = QueueFull::disconnect;
  }));
  Peer source(bed);
  source.connect({"source"});
  for (const char* topic : {"kept/1", "kept/2"}) source.publish(topic, "x", {.qos = 1, .id = 1, .retain = true});
  {
    Peer listener(bed);
    listener.connect({.id = "listener", .expiry_s = 1000}).subscribe("$SYS/#", 0).subscribe("kept/#", 1).drop();
  }
  bed.advance(base::seconds(100));  // nobody listens any more
  Peer listener(bed);
  const auto got = listener.connect({.id = "listener", .clean = false}).got();
  EXPECT_EQ(got.front(), "CONNACK 0 present");
  EXPECT_EQ(got.back(), "DISCONNECT 0x97");
  EXPECT_TRUE(listener.closed());
}

}  // namespace
}  // namespace shoal::broker
