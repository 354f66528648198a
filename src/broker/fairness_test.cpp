#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "broker/shard_harness.hpp"
#include "mqtt/encode.hpp"

// What one client may cost the others: time in a turn, memory, recursion.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::uint8_t> repeated(const mqtt::Packet& packet, std::size_t count) {
  std::vector<std::uint8_t> one;
  mqtt::encode(packet, Version::v5, one);
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.insert(bytes.end(), one.begin(), one.end());
  return bytes;
}

// What the end of a turn may do: the line and flushing, and what the last packet of each took.
constexpr std::uint64_t kTurnMax = 3 * Turns::kWorkPerTurn;

TEST(Fairness, ABurstWithALargeFanOutTakesSeveralTurns) {
  Bed bed;
  std::vector<std::unique_ptr<Peer>> receivers;
  for (int i = 0; i < 100; ++i) {
    receivers.push_back(std::make_unique<Peer>(bed));
    receivers.back()->connect({std::to_string(i)}).subscribe("t", 0).skip();
  }
  Peer source(bed);
  source.connect({"source"}).skip();
  source.give(repeated(mqtt::Publish{"t", {}, {}, 0, 0, false, false}, 5'000));
  bed.one_turn();
  const std::size_t first = receivers[0]->take().size();
  EXPECT_LT(first, 1'000u);
  EXPECT_GT(first, 50u);
  bed.turn();  // no time has to pass
  EXPECT_EQ(first + receivers[0]->take().size(), 5'000u);
  EXPECT_LT(bed.most_work, kTurnMax);
}

TEST(Fairness, ManyBusyClientsShareATurnAndTheCalmOneWaitsForAFewOfThem) {
  Bed bed;
  std::vector<std::unique_ptr<Peer>> busy;
  for (int i = 0; i < 200; ++i) {
    busy.push_back(std::make_unique<Peer>(bed));
    busy.back()->connect({std::to_string(i)}).skip();
  }
  Peer calm(bed);
  calm.connect({"calm"}).skip();
  const auto burst = repeated(mqtt::Publish{"nobody/listens", {}, {}, 0, 0, false, false}, 5'000);
  for (const auto& peer : busy) peer->give(burst);
  calm.give({{0xc0, 0x00}});
  int turns = 0;
  while (calm.got().empty()) {
    ASSERT_TRUE(bed.one_turn());
    ++turns;
  }
  EXPECT_LT(turns, 10);
  while (bed.one_turn()) ++turns;
  EXPECT_GT(turns, 40);
  EXPECT_LT(bed.most_work, kTurnMax);
  EXPECT_EQ(bed.stats().messages_received, 200u * 5'000);
}

TEST(Fairness, TurnsAreShorterWhereOthersShareTheThread) {
  Bed bed;
  bed.shard.share_turns(true);
  Peer receiver(bed);
  receiver.connect({"receiver"}).subscribe("t", 0).skip();
  std::vector<std::unique_ptr<Peer>> sources;
  const auto burst = repeated(mqtt::Publish{"t", {}, {}, 0, 0, false, false}, 2'000);
  for (int i = 0; i < 10; ++i) {
    sources.push_back(std::make_unique<Peer>(bed));
    sources.back()->connect({std::to_string(i)}).skip();
  }
  bed.most_work = 0;
  for (const auto& source : sources) source->give(burst);
  int turns = 0;
  while (bed.one_turn()) ++turns;
  EXPECT_GT(turns, 10);
  // Besides what is counted while the last packet of each part is handled.
  EXPECT_LT(bed.most_work, 4 * Turns::kWorkPerSharedTurn);
  EXPECT_EQ(bed.stats().messages_delivered, 20'000u);
}

TEST(Fairness, PartsOfATurnSendInOnePieceButNotForLong) {
  Bed bed;
  bed.shard.share_turns(true);
  Peer receiver(bed);
  receiver.connect({"receiver"}).subscribe("t", 0).skip();
  Peer source(bed);
  source.connect({"source"}).skip();
  source.give(repeated(mqtt::Publish{"t", {}, {}, 0, 0, false, false}, 50'000));
  std::vector<std::size_t> pieces;
  int parts = 0;
  for (bool more = true; more; ++parts) {
    more = bed.one_turn();
    pieces.push_back(receiver.take().size());
    bed.now += Turns::kPartsMax / 5;
  }
  ASSERT_GT(parts, 20);
  for (std::size_t i = 0; i + 1 < pieces.size(); ++i) EXPECT_EQ(pieces[i] > 0, i % 6 == 5) << i;
  EXPECT_EQ(std::accumulate(pieces.begin(), pieces.end(), std::size_t{0}), 50'000u);
}

TEST(Fairness, WhoWaitsForNobodyIsAnsweredAtTheEndOfThePart) {
  Bed bed;
  bed.shard.share_turns(true);
  Peer calm(bed);
  calm.connect({"calm"}).skip();
  calm.give({{0xc0, 0x00}});
  bed.one_turn();
  EXPECT_EQ(calm.take().size(), 1u);
}

TEST(Fairness, ManySessionsThatEndAtOnceTakeSeveralTurns) {
  Bed bed;
  for (int i = 0; i < 50; ++i) {
    Peer absent(bed);
    absent.connect({.id = std::to_string(i), .expiry_s = 10});
    std::vector<std::uint8_t> filters;
    for (int n = 0; n < 1'000; ++n)
      mqtt::append_filter(filters, {std::to_string(n) + "/" + std::to_string(i), {}}, true);
    absent.send(mqtt::Subscribe{1, {}, mqtt::FilterList(filters, true)}).drop();
  }
  bed.most_work = 0;
  bed.now += base::seconds(20);  // all are due in the same moment
  int turns = 0;
  for (; bed.stats().sessions_now > 0 && turns < 100; ++turns) {
    bed.shard.budget().work.add(Turns::kWorkPerTurn);  // clients keep the instance busy
    const std::uint64_t before = bed.shard.budget().work.done();
    bed.now = std::max(bed.now, bed.timers.next());
    bed.timers.run(bed.now);
    EXPECT_LT(bed.shard.budget().work.done() - before, 2 * Turns::kWorkPerTurn);
    if (bed.wants_turn) bed.one_turn();  // nobody has to ask for one
  }
  EXPECT_GT(turns, 5);
  EXPECT_LT(turns, 100);
}

TEST(Fairness, WhoGoesAwayWhileWaitingInLineIsForgotten) {
  Bed bed;
  Peer busy(bed);
  busy.connect({"busy"}).skip();
  auto gone = std::make_unique<Peer>(bed);
  gone->connect({"gone"}).skip();
  busy.give(repeated(mqtt::Publish{"nobody/listens", {}, {}, 0, 0, false, false}, 50'000));
  gone->give({{0xc0, 0x00}});
  EXPECT_TRUE(gone->client().paused());
  gone.reset();
  bed.turn();
  EXPECT_EQ(bed.stats().messages_received, 50'000u);
}

TEST(Fairness, SearchingRetainedMessagesForNothingIsWork) {
  Bed bed;
  Peer keeper(bed);
  keeper.connect({"keeper"}).skip();
  for (int i = 0; i < 1'000; ++i) keeper.publish("a/" + std::to_string(i), "x", {.retain = true});
  std::vector<std::uint8_t> filters;
  mqtt::append_filter(filters, {"+/+/nothing", {}}, true);
  const mqtt::Subscribe packet{1, {}, mqtt::FilterList(filters, true)};
  std::vector<std::unique_ptr<Peer>> seekers;
  for (int i = 0; i < 20; ++i) {
    seekers.push_back(std::make_unique<Peer>(bed));
    seekers.back()->connect({std::to_string(i)}).skip();
  }
  bed.most_work = 0;
  for (const auto& seeker : seekers) seeker->give(repeated(packet, 1'000));
  bed.one_turn();
  EXPECT_LT(seekers[0]->take().size(), 100u);
  bed.advance(base::seconds(100));
  EXPECT_GT(seekers[0]->take().size(), 900u);
  EXPECT_LT(bed.most_work, kTurnMax);

  // A packet that names a filter thousands of times has it looked for once.
  Peer seeker(bed);
  seeker.connect({"seeker"}).skip();
  std::vector<std::uint8_t> many;
  for (int i = 0; i < 30'000; ++i) mqtt::append_filter(many, {"+/+/nothing", {}}, true);
  const std::uint64_t before = bed.shard.budget().work.done();
  seeker.send(mqtt::Subscribe{1, {}, mqtt::FilterList(many, true)});
  EXPECT_EQ(seeker.take().size(), 1u);
  EXPECT_LT(bed.shard.budget().work.done(), before + 30'000 * 40);
}

TEST(Fairness, EveryPauseEndsInItsOwnTime) {
  Bed bed;
  Peer early(bed);
  Peer late(bed);
  early.connect({"early"}).skip();
  late.connect({"late"}).skip();
  bed.shard.pause(early.client(), base::milliseconds(10));
  bed.shard.pause(late.client(), base::milliseconds(100));
  early.ping();
  late.ping();
  bed.advance(base::milliseconds(10));
  EXPECT_THAT(early.got(), ElementsAre("PINGRESP"));
  EXPECT_THAT(late.got(), IsEmpty());
  bed.advance(base::milliseconds(90));
  EXPECT_THAT(late.got(), ElementsAre("PINGRESP"));
}

// Each is subscribed to the next one's will and has a full queue: one message ends them all.
TEST(Fairness, WillsThatEndTheNextOneDoNotPileUp) {
  Bed bed(with([](BrokerOptions& o) {
    o.limits.inflight = 1;
    o.limits.queued_messages = 1;
    o.queue_full = QueueFull::disconnect;
  }));
  constexpr int kClients = 3'000;
  std::vector<std::unique_ptr<Peer>> chain;
  for (int i = 0; i < kClients; ++i) {
    chain.push_back(std::make_unique<Peer>(bed));
    const std::string will_topic = std::to_string(i + 1);
    chain.back()->connect({std::to_string(i)}, {.topic = will_topic, .payload = "x", .qos = 1});
    chain.back()->subscribe(std::to_string(i), 1).skip();
  }
  Peer source(bed);
  source.connect({"source"}).skip();
  for (int i = kClients; i-- > 0;) {
    for (int n = 0; n < 2; ++n) source.publish(std::to_string(i), "x", {.qos = 1, .id = 1});
    if (source.client().paused()) bed.advance(base::milliseconds(30));
  }
  const std::uint64_t dropped = bed.stats().connections_dropped;
  source.publish("0", "x", {.qos = 1, .id = 1});
  EXPECT_EQ(bed.stats().connections_now, 1u);
  EXPECT_EQ(bed.stats().connections_dropped, dropped + kClients);
}

// They have to stay behind the retained ones that a slow reader has still to get.
TEST(QueuedBytesTotal, BoundsTheServersOwnMessagesToo) {
  Bed bed(with([](BrokerOptions& o) {
    o.limits.queued_bytes_total = 10'000;
    o.limits.output_bytes = 100;
  }));
  std::vector<std::unique_ptr<Peer>> readers;
  for (int i = 0; i < 20; ++i) {
    readers.push_back(std::make_unique<Peer>(bed));
    readers.back()->connect({std::to_string(i)}).stall(true).subscribe("$SYS/#", 0);
  }
  for (int i = 0; i < 100; ++i) bed.advance(base::seconds(10));
  EXPECT_LT(bed.shard.router().messages().bytes_now() + bed.shard.budget().entry_bytes_now, 30'000u);
}

TEST(Fairness, MessagesInFlightAndWillsCountAsKept) {
  Bed bed(with([](BrokerOptions& o) { o.limits.queued_bytes_total = 10'000; }));
  Peer source(bed);
  source.connect({"source"}).skip();
  const std::string large(6'000, 'x');
  {
    Peer slow(bed);
    slow.connect({.id = "slow", .expiry_s = 100}).subscribe("t", 1).skip();
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(source.publish("t", large, {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1"));
    }
    EXPECT_THAT(source.publish("t", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 0x97"));
    slow.ack(PacketType::puback, 1).ack(PacketType::puback, 2);
    EXPECT_THAT(source.publish("other", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 16"));
    slow.disconnect();
  }
  Peer a(bed);
  Peer b(bed);
  a.connect({"a"}, {.topic = "w", .payload = large});
  b.connect({"b"}, {.topic = "w", .payload = large});
  EXPECT_THAT(source.publish("t", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 0x97"));
  b.disconnect();
  EXPECT_THAT(source.publish("other", "x", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 16"));
}

TEST(Fairness, AMessageForManyAbsentSessionsIsKeptOnce) {
  Bed bed(with([](BrokerOptions& o) { o.limits.queued_bytes_total = 20'000; }));
  for (int i = 0; i < 10; ++i) {
    Peer absent(bed);
    absent.connect({.id = std::to_string(i), .expiry_s = 100}).subscribe("t", 1).disconnect();
  }
  Peer source(bed);
  source.connect({"source"}).skip();
  const std::string large(6'000, 'x');
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(source.publish("t", large, {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1"));
  }
  EXPECT_EQ(bed.stats().queued_messages_now, 30u);
}

TEST(Fairness, Qos0BehindRetainedMessagesIsBoundByTheInstanceToo) {
  Bed bed(with([](BrokerOptions& o) { o.limits.queued_bytes_total = 10'000; }));
  Peer source(bed);
  source.connect({"source"});
  source.publish("kept", "x", {.qos = 1, .id = 1, .retain = true});
  source.publish("kept/too", "x", {.qos = 1, .id = 1, .retain = true}).skip();
  Peer slow(bed);
  slow.connect({.id = "slow", .receive_maximum = 1}).subscribe("#", 1).skip();
  const std::string large(1'000, 'x');
  for (int i = 0; i < 100; ++i) source.publish("t", large);
  EXPECT_LT(bed.stats().queued_bytes_now, 12'000u);
  EXPECT_GT(bed.stats().messages_dropped_slow, 85u);
  slow.ack(PacketType::puback, 1);
  EXPECT_GT(slow.ack(PacketType::puback, 2).take().size(), 5u);
}

TEST(Fairness, RetainedMessagesThatWaitSlowNoPublisher) {
  Bed bed(with([](BrokerOptions& o) { o.limits.queued_messages = 10; }));
  Peer source(bed);
  source.connect({"source"});
  for (int i = 0; i < 20; ++i) source.publish("kept/" + std::to_string(i), "x", {.retain = true});
  Peer slow(bed);
  slow.connect({.id = "slow"}).stall(true);
  bed.options.limits.output_bytes = 1;
  slow.subscribe("#", 1);
  source.publish("t", "x", {.qos = 1, .id = 1}).skip();
  EXPECT_FALSE(source.client().paused());
}

// More than the host's queue holds comes in one read: the publisher waits, nothing is lost.
TEST(Fairness, ABurstDoesNotOverflowTheHostsQueue) {
  Bed bed(with([](BrokerOptions& o) { o.limits.queued_messages = 100; }));
  std::size_t got = 0;
  ASSERT_TRUE(bed.shard.subscribe("t", Qos::at_least_once, [&](const Message&) { ++got; }));
  Peer source(bed);
  source.connect({"source"}).skip();
  source.raw(repeated(mqtt::Publish{"t", {}, {}, 0, 0, false, false}, 1'000));
  bed.advance(base::seconds(1));
  EXPECT_EQ(got, 1'000u);
  EXPECT_EQ(bed.stats().messages_dropped_queue, 0u);
}

TEST(Fairness, ManySubscriptionIdentifiersCountAsQueued) {
  Bed bed(with([](BrokerOptions& o) { o.limits.queued_bytes = 10'000; }));
  Peer absent(bed);
  absent.connect({.id = "absent", .expiry_s = 100});
  for (unsigned i = 0; i < 256; ++i) {  // every one of them matches
    std::string filter;
    for (unsigned bit = 0; bit < 8; ++bit) filter += std::string(bit ? "/" : "") + ((i >> bit & 1) != 0 ? "+" : "a");
    absent.subscribe(filter, 1, i + 1);
  }
  absent.disconnect();
  Peer source(bed);
  source.connect({"source"});
  for (int i = 0; i < 20; ++i) source.publish("a/a/a/a/a/a/a/a", "x", {.qos = 1, .id = 1});
  EXPECT_LE(bed.stats().queued_bytes_now, 10'000u);
  EXPECT_GT(bed.stats().messages_dropped_queue, 5u);
}

TEST(Fairness, AssignedClientIdsCannotBeGuessed) {
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    Bed bed;
    for (int n = 0; n < 2; ++n) {
      Peer peer(bed);
      const auto sent = peer.connect({""}).take();
      ids.emplace_back(sent.at(0).as<mqtt::Connack>().properties.text(PropertyId::assigned_client_identifier));
    }
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

}  // namespace
}  // namespace shoal::broker
