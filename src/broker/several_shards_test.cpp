#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "broker/shard_harness.hpp"
#include "mqtt/encode.hpp"

// The same is said to an instance with one shard and to one with several, whose turns come in random order: clients get
// the same from both. What was said before has arrived everywhere when the next is said.

namespace shoal::broker {
namespace {

constexpr unsigned kClients = 7;
const std::vector<std::string> kTopics = {"a", "a/b", "a/b/c", "b", "b/c", "/", "a/"};
const std::vector<std::string> kFilters = {"a",   "a/b",   "+",   "#",          "a/#",        "+/b",
                                           "+/+", "b/c",   "/",   "a/+",        "$share/g/#", "$share/g/a/+",
                                           "b/#", "a/b/c", "+/#", "$share/h/a", "$share/h/#"};

// One of the two instances with its clients, which acknowledge everything.
class Site {
 public:
  explicit Site(unsigned shards) : bed(with([&](BrokerOptions& o) { o.threads = shards; })), peers_(kClients) {}

  void connect(unsigned client, Version version, bool clean, const char* will_topic) {
    auto peer = std::make_unique<Peer>(bed, version);  // takes over, when there is one
    const std::string name = id(client);
    const Hello hello{.id = name, .clean = clean, .expiry_s = 1000};
    if (will_topic) peer->connect(hello, {.topic = will_topic, .payload = name, .qos = 1});
    else peer->connect(hello);
    old_.push_back(std::move(peers_[client]));
    peers_[client] = std::move(peer);
  }
  Peer* connected(unsigned client) {
    Peer* const peer = peers_[client].get();
    return peer && !peer->closed() ? peer : nullptr;
  }

  // What came since: by client, or by group where its members take turns.
  std::map<std::string, std::vector<std::string>> said() {
    std::map<std::string, std::vector<std::string>> all;
    for (bool more = true; more;) {
      more = false;
      for (auto& peer : old_) more = (peer && take(*peer, "old", all)) || more;
      for (unsigned i = 0; i < kClients; ++i) more = (peers_[i] && take(*peers_[i], id(i), all)) || more;
    }
    std::erase_if(old_, [](const auto& peer) { return !peer || peer->closed(); });
    for (auto& [who, texts] : all) std::sort(texts.begin(), texts.end());
    return all;
  }

  Bed bed;

 private:
  static std::string id(unsigned client) { return "client" + std::to_string(client); }

  bool take(Peer& peer, const std::string& who, std::map<std::string, std::vector<std::string>>& all) {
    const std::vector<Sent> packets = peer.take();
    for (const Sent& sent : packets) {
      std::string text(to_string(sent.type));
      std::string to = who;
      switch (sent.type) {
        case PacketType::publish: {
          const auto publish = sent.as<mqtt::Publish>();
          const std::uint32_t by = publish.properties.number(PropertyId::subscription_identifier);
          text += " " + std::string(publish.topic) + "=" + std::string(base::as_text(publish.payload)) +
                  (publish.retain ? " retain" : "") + " by";
          std::vector<std::string> ids;  // as encoded; their order is nobody's business
          publish.properties.each([&](PropertyId id, base::Bytes value) {
            if (id == PropertyId::subscription_identifier) ids.emplace_back(base::as_text(value));
          });
          std::sort(ids.begin(), ids.end());
          for (const std::string& id : ids) {
            for (const char byte : id) text += " " + std::to_string(static_cast<std::uint8_t>(byte));
          }
          // Members of a group have one identifier, and which of them it is depends on the turns.
          if (by >= kGroups) to = "group" + std::to_string(by);
          else text += " q" + std::to_string(publish.qos);
          if (publish.qos == 1) peer.ack(PacketType::puback, publish.id);
          if (publish.qos == 2) peer.ack(PacketType::pubrec, publish.id);
          break;
        }
        case PacketType::pubrec:
        case PacketType::pubrel: {
          const auto ack = sent.as<mqtt::Ack>();
          if (static_cast<std::uint8_t>(ack.code) < 0x80)
            peer.ack(sent.type == PacketType::pubrec ? PacketType::pubrel : PacketType::pubcomp, ack.id);
          if (sent.type == PacketType::pubrel) continue;
          text = sent.text();
          break;
        }
        default: text = sent.text();
      }
      all[to].push_back(std::move(text));
    }
    return !packets.empty();
  }

 public:
  static constexpr std::uint32_t kGroups = 1'000;

 private:
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<Peer>> old_;
};

void compare(unsigned seed) {
  std::mt19937 chance(seed);
  const auto one_of = [&](unsigned count) { return static_cast<unsigned>(chance() % count); };
  Site one(1), many(2 + one_of(5));
  const auto both = [&](auto what) {
    what(one);
    what(many);
  };
  int serial = 0;
  for (int step = 0; step < 150; ++step) {
    const unsigned client = one_of(kClients);
    std::string did = "client" + std::to_string(client);
    if (!one.connected(client) || one_of(12) == 0) {
      const Version version = client % 3 == 0 ? Version::v3_1_1 : Version::v5;
      const bool clean = one_of(4) == 0;
      const char* const will = one_of(4) == 0 ? kTopics[one_of(kTopics.size())].c_str() : nullptr;
      both([&](Site& site) { site.connect(client, version, clean, will); });
      did += " connects";
    } else {
      const bool v5 = client % 3 != 0;
      const auto place = one_of(kFilters.size());
      const std::string& filter = kFilters[place];
      switch (one_of(10)) {
        case 0:
        case 1:
        case 2: {
          const bool shared = filter.starts_with("$share/");
          if (shared && !v5) break;  // no identifier by which to tell them
          mqtt::SubscriptionOptions options{.qos = static_cast<std::uint8_t>(one_of(3))};
          options.retain_as_published = v5 && one_of(2) == 0;
          options.no_local = v5 && !shared && one_of(3) == 0;
          if (v5) options.retain_handling = static_cast<std::uint8_t>(one_of(3));
          // Which member it is must not matter.
          if (shared) options = {.qos = 1};
          const std::uint32_t identifier = !v5 ? 0 : shared ? Site::kGroups + place : 1 + place;
          both([&](Site& site) { site.connected(client)->subscribe(filter, options, identifier); });
          did += " subscribes " + filter;
          break;
        }
        case 3:
          both([&](Site& site) { site.connected(client)->unsubscribe(filter); });
          did += " unsubscribes " + filter;
          break;
        case 4:
          both([&](Site& site) { site.connected(client)->drop(); });
          did += " drops";
          break;
        default: {
          const auto qos = static_cast<std::uint8_t>(one_of(3));
          const How how{.qos = qos, .id = static_cast<std::uint16_t>(qos ? 1 : 0), .retain = one_of(4) == 0};
          const std::string& topic = kTopics[one_of(kTopics.size())];
          const std::string payload = how.retain && one_of(4) == 0 ? "" : std::to_string(++serial);
          both([&](Site& site) { site.connected(client)->publish(topic, payload, how); });
          did += " publishes " + topic + " q" + std::to_string(qos) + (how.retain ? " retain" : "");
        }
      }
    }
    const auto expected = one.said();
    ASSERT_EQ(many.said(), expected) << "seed " << seed << ", step " << step << ": " << did << ", "
                                     << many.bed.options.threads << " shards";
  }
  const Stats a = one.bed.stats(), b = many.bed.stats();
  EXPECT_EQ(a.connections_now, b.connections_now) << seed;
  EXPECT_EQ(a.sessions_now, b.sessions_now) << seed;
  EXPECT_EQ(a.subscriptions_now, b.subscriptions_now) << seed;
  EXPECT_EQ(a.retained_now, b.retained_now) << seed;
  EXPECT_EQ(a.queued_messages_now, b.queued_messages_now) << seed;
}

TEST(SeveralShards, AreAsOne) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    compare(seed);
    if (HasFailure()) return;
  }
}

// More members than are asked for one message, on one shard and stuck, but for one of them.
TEST(SeveralShards, AFreeMemberBehindManyThatAreStuckGetsEverything) {
  Bed bed(with([](BrokerOptions& o) { o.threads = 2, o.limits.inflight = 1'000; }));
  const unsigned elsewhere = 1 - bed.set->owner("$share/g/t");
  std::vector<std::unique_ptr<Peer>> peers;
  const auto member = [&](std::uint16_t receive_maximum) -> Peer& {
    static int number = 0;
    std::string id;
    do id = "member" + std::to_string(++number);
    while (bed.set->owner(id) != elsewhere);
    peers.push_back(std::make_unique<Peer>(bed));
    peers.back()->connect({.id = id, .receive_maximum = receive_maximum}).subscribe("$share/g/t", 1).skip();
    return *peers.back();
  };
  constexpr int kStuck = 100;
  for (int i = 0; i < kStuck; ++i) member(1);
  Peer source(bed);
  source.connect({"source"}).skip();
  for (int i = 0; i < kStuck; ++i) source.publish("t", "first", {.qos = 1, .id = 1});
  Peer& free = member(1'000);
  for (int i = 0; i < 200; ++i) source.publish("t", "x", {.qos = 1, .id = 1});
  bed.advance(base::seconds(2));
  EXPECT_EQ(free.take().size(), 200u);
  EXPECT_EQ(bed.stats().queued_messages_now, 0u);
}

// It may be the last that happens for long, and the turn's end notices that less memory is needed.
TEST(SeveralShards, WhoHeardOfSomethingEndsATurn) {
  Bed bed(with([](BrokerOptions& o) { o.threads = 2; }));
  bed.turn();
  ASSERT_TRUE(bed.shard.subscribe("a/b", Qos::at_most_once, [](const Message&) {}));
  bed.shard.turn_end();
  Bed::OtherShard& other = *bed.others.front();
  ASSERT_TRUE(other.shard.has_mail());
  ASSERT_FALSE(other.wants_turn);
  Bed::hear(other.shard);
  EXPECT_TRUE(other.wants_turn);
}

// A shard tells with a message which filters it matches over there. These may be others by the time it arrives, or
// more.
TEST(SeveralShards, FiltersThatChangeWhileAMessageIsOnItsWayAreSearchedAgain) {
  Bed bed(with([](BrokerOptions& o) { o.threads = 2; }));
  const auto id_of = [&](unsigned shard) {
    std::string id = "c";
    while (bed.set->owner(id) != shard) id += 'c';
    return id;
  };
  const std::string near_id = id_of(0), far_id = id_of(1);
  Peer near(bed), far(bed);
  near.connect({near_id}).skip();
  far.connect({far_id}).subscribe("a/b", 0).skip();
  std::vector<std::uint8_t> message, changes, filters;
  mqtt::encode(mqtt::Publish{"a/b", base::as_bytes("x"), {}, 1, 1, false, false}, Version::v5, message);

  near.give(message);
  mqtt::append_filter(filters, {"a/+", {.qos = 1}}, true);
  mqtt::encode(mqtt::Subscribe{1, {}, mqtt::FilterList(filters, true)}, Version::v5, changes);
  far.give(changes);
  bed.turn();
  EXPECT_EQ(far.got(), (std::vector<std::string>{"SUBACK #1 1", "PUBLISH a/b=x q1 #1"}));
  far.unsubscribe("a/+").skip();

  near.give(message);
  changes.clear();
  filters.clear();
  mqtt::append_filter(filters, {"a/b", {}}, false);
  mqtt::encode(mqtt::Unsubscribe{1, {}, mqtt::FilterList(filters, false)}, Version::v5, changes);
  filters.clear();
  mqtt::append_filter(filters, {"c/d", {}}, true);  // takes the place of the other in the tree
  mqtt::encode(mqtt::Subscribe{2, {}, mqtt::FilterList(filters, true)}, Version::v5, changes);
  far.give(changes);
  bed.turn();
  EXPECT_EQ(far.got(), (std::vector<std::string>{"UNSUBACK #1 0", "SUBACK #2 0"}));
}

}  // namespace
}  // namespace shoal::broker
