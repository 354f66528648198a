#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "broker/shard_harness.hpp"

// `$SYS`: names of mosquitto, values only while somebody listens.

namespace shoal::broker {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;

struct Sys : testing::Test {
  std::map<std::string, std::string> values(Peer& peer) {
    std::map<std::string, std::string> values;
    for (const Sent& packet : peer.take()) {
      if (packet.type != PacketType::publish) continue;
      const auto publish = packet.as<mqtt::Publish>();
      values[std::string(publish.topic)] = base::as_text(publish.payload);
    }
    return values;
  }

  Bed bed;
};

TEST_F(Sys, TheFirstSubscriberIsAnsweredAtOnce) {
  Peer source(bed), watcher(bed);
  source.connect({"source"}).publish("t", "four", {.retain = true});
  watcher.connect({"watcher"}).subscribe("$SYS/#", 0);
  auto seen = values(watcher);
  EXPECT_EQ(seen["$SYS/broker/clients/connected"], "2");
  EXPECT_EQ(seen["$SYS/broker/clients/total"], "2");
  EXPECT_EQ(seen["$SYS/broker/publish/messages/received"], "1");
  EXPECT_EQ(seen["$SYS/broker/publish/bytes/received"], "4");
  EXPECT_EQ(seen["$SYS/broker/retained messages/count"], "1");
  EXPECT_EQ(seen["$SYS/broker/uptime"], "0 seconds");
  EXPECT_EQ(seen["$SYS/broker/messages/received"], "4");
  for (const char* name : {"version", "load/messages/received/1min", "load/publish/sent/5min", "load/sockets/15min",
                           "bytes/sent", "subscriptions/count", "store/messages/bytes", "heap/current"}) {
    EXPECT_THAT(seen, Contains(Key("$SYS/broker/" + std::string(name))));
  }
  EXPECT_EQ(bed.stats().retained_now, 1u) << "its own are not counted";
}

TEST_F(Sys, RefreshedWhileSomebodyListens) {
  Peer source(bed), watcher(bed);
  watcher.connect({"watcher"}).subscribe("$SYS/broker/publish/#", 0).skip();
  EXPECT_LT(bed.timers.next(), base::kNever);
  source.connect({"source"}).publish("t", "x");
  EXPECT_THAT(watcher.got(), IsEmpty());
  bed.advance(base::seconds(10));
  EXPECT_EQ(values(watcher)["$SYS/broker/publish/messages/received"], "1");
  bed.advance(base::seconds(20));
  EXPECT_THAT(values(watcher), testing::Not(Contains(Key("$SYS/broker/publish/messages/received")))) << "as before";
  watcher.unsubscribe("$SYS/broker/publish/#");
  bed.advance(base::seconds(10));
  EXPECT_EQ(bed.timers.next(), base::kNever) << "nobody listens: nothing wakes up";
  EXPECT_EQ(bed.shard.router().messages().count_now(), 0u);
  EXPECT_THAT(watcher.skip().subscribe("t/#", 0).got(), ElementsAre("SUBACK #1 0"));
}

TEST_F(Sys, AnAbsentSessionDoesNotListenUntilItIsBack) {
  {
    Peer watcher(bed);
    watcher.connect({.id = "watcher", .expiry_s = 1'000}).subscribe("$SYS/broker/uptime", 1).drop();
  }
  bed.advance(base::seconds(10));
  EXPECT_GE(bed.timers.next() - bed.now, base::seconds(900)) << "only the session's expiry";
  Peer back(bed);
  back.connect({.id = "watcher", .clean = false, .expiry_s = 1'000}).skip();
  bed.advance(base::seconds(10));
  EXPECT_THAT(values(back), Contains(Key("$SYS/broker/uptime")));
}

TEST_F(Sys, ClientsDoNotPublishThere) {
  Peer peer(bed), watcher(bed);
  watcher.connect({"watcher"}).subscribe("$SYS/x", 0).skip();
  peer.connect({"peer"}).skip();
  EXPECT_THAT(peer.publish("$SYS/x", "y", {.qos = 1, .id = 1}).got(), ElementsAre("PUBACK #1 0x87"));
  EXPECT_THAT(peer.publish("$SYS/x", "y", {.qos = 2, .id = 2}).got(), ElementsAre("PUBREC #2 0x87"));
  EXPECT_THAT(peer.publish("$SYS/x", "y", {.retain = true}).got(), IsEmpty());
  EXPECT_THAT(peer.publish("$SYSTEM", "y", {.qos = 1, .id = 3}).got(), ElementsAre("PUBACK #3 16"));
  EXPECT_THAT(watcher.got(), IsEmpty());
  Peer old(bed, Version::v3_1_1);
  old.connect({"old"}).publish("$SYS/x", "y", {.qos = 1, .id = 1});
  EXPECT_TRUE(old.closed());
  Peer last(bed);
  EXPECT_THAT(last.connect({"last"}, {.topic = "$SYS/x", .payload = "y"}).got(), ElementsAre("CONNACK 0x87"));
  EXPECT_FALSE(bed.shard.publish({.topic = "$SYS/x", .payload = "y"}).ok());
}

TEST_F(Sys, NotWithoutAnInterval) {
  Bed quiet(with([](BrokerOptions& o) { o.sys_interval_s = 0; }));
  Peer watcher(quiet);
  watcher.connect({"watcher"}).skip();
  EXPECT_THAT(watcher.subscribe("$SYS/#", 0).got(), ElementsAre("SUBACK #1 0"));
  EXPECT_EQ(quiet.timers.next(), base::kNever);
}

}  // namespace
}  // namespace shoal::broker
