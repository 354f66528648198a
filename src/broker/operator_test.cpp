#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard_harness.hpp"

// What an operator sees of clients, and does to them.

namespace shoal::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Operator, SeesWhatAClientIs) {
  Bed bed(with([](auto& o) { o.limits.inflight = 1; }));
  Peer publisher(bed);
  Peer client(bed);
  publisher.connect({"p"});
  client.connect({.id = "c", .keep_alive_s = 30, .user = "alice"}).subscribe("t", 1).subscribe("$share/g/u", 1);
  for (std::uint16_t id = 1; id < 4; ++id) publisher.publish("t", "12345", {.qos = 1, .id = id});
  bed.advance(base::seconds(12));
  const ClientInfo info = client.client().info();
  EXPECT_EQ(info.client_id, "c");
  EXPECT_EQ(info.user, "alice");
  EXPECT_EQ(info.address, "192.0.2.1:50000");
  EXPECT_EQ(info.protocol, "5.0");
  EXPECT_EQ(info.connected_s, 12u);
  EXPECT_EQ(info.keep_alive_s, 30u);
  EXPECT_EQ(info.subscriptions, 2u);
  EXPECT_EQ(info.in_flight, 1u);
  EXPECT_EQ(info.queued_messages, 2u);
  EXPECT_EQ(info.queued_bytes, 12u);
  EXPECT_EQ(publisher.client().info().user, "");
}

TEST(Operator, DisconnectsAClientWhoseSessionStays) {
  Bed bed(with([](auto&) {}));
  Peer watcher(bed);
  Peer v5(bed);
  Peer v311(bed, Version::v3_1_1);
  watcher.connect({"w"}).subscribe("will", 0).skip();
  v5.connect({.id = "v5", .expiry_s = 100}, {.topic = "will", .payload = "gone"}).skip();
  v311.connect({"v311"}).skip();
  EXPECT_TRUE(bed.disconnect("v5"));
  EXPECT_TRUE(bed.disconnect("v311"));
  EXPECT_FALSE(bed.disconnect("v5")) << "it is on its way out";
  EXPECT_FALSE(bed.disconnect("nobody"));
  bed.turn();
  EXPECT_THAT(v5.got(), ElementsAre("DISCONNECT 0x98"));
  EXPECT_THAT(v311.got(), IsEmpty());
  EXPECT_TRUE(v5.closed() && v311.closed());
  EXPECT_THAT(watcher.got(), ElementsAre("PUBLISH will=gone q0"));
  Peer again(bed);
  again.connect({.id = "v5", .clean = false, .expiry_s = 100});
  EXPECT_THAT(again.got(), ElementsAre("CONNACK 0 present"));
}

}  // namespace
}  // namespace shoal::broker
