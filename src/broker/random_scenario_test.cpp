#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>

#include "broker/shard_harness.hpp"
#include "conformance/covers.hpp"
#include "mqtt/topic_name.hpp"

// Clients that connect, subscribe, publish, acknowledge, stop reading and vanish at random, and a model
// that knows what each has to get. What is checked: nobody gets what he did not subscribe to; per topic
// and QoS the order is kept; QoS 2 exactly once and QoS 1 at least once as long as the session lasts; DUP
// only for what was sent before; no packet identifier in use twice; receive maximum; resending in order.

namespace shoal::broker {
namespace {

using base::seconds;

constexpr unsigned kActors = 5;
constexpr std::uint16_t kInflight = 6;  // the instance's limit
const std::vector<std::string> kScenarioTopics = {"t/a", "t/b", "t/b/c"};
const std::vector<std::string> kScenarioFilters = {"t/a", "t/b", "t/+", "t/#", "#"};

// A message on its way from the broker to a client, from PUBLISH to the end of its flow.
struct Delivery {
  int serial = 0;
  std::uint8_t qos = 0;
  bool released = false;  // PUBREC was sent
  bool here = false;      // sent on this connection
  unsigned order = 0;
};

// A message on its way from a client to the broker.
struct Outgoing {
  std::uint16_t id = 0;
  int serial = 0;
  std::string topic;
  std::uint8_t qos = 0;
  bool released = false;  // PUBREC has come
};

struct Actor {
  std::string id;
  Version version = Version::v5;
  std::unique_ptr<Peer> peer;  // while connected
  bool deaf = false;           // does not see what comes any more: about to break
  bool stalled = false;        // was, on this connection: QoS 0 may be missing

  // The session as the broker has to keep it.
  bool session = false;
  std::uint32_t expiry_s = 0;
  base::Time ends{};  // while not connected
  std::map<std::string, mqtt::SubscriptionOptions> filters;
  std::map<std::pair<std::string, int>, std::deque<int>> due;  // topic and QoS: serials, not sent yet
  std::map<std::uint16_t, Delivery> flows;
  std::set<std::uint16_t> taken;  // QoS 2 identifiers, not released
  std::set<int> promised;         // serials at QoS 1 and 2
  unsigned next_order = 0;
  unsigned last_resent = 0;
  unsigned window = 0;

  // The client's own memory.
  std::vector<Outgoing> outgoing;
  std::set<std::uint16_t> holding;  // QoS 2 identifiers it has the message of
  std::vector<std::pair<PacketType, std::uint16_t>> to_send;
  std::map<int, int> delivered;  // times by serial
  std::set<int> exactly_once;    // serials that came at QoS 2
};

class Scenario {
 public:
  explicit Scenario(unsigned seed) : random_(seed) {
    for (unsigned i = 0; i < kActors; ++i) {
      actors_[i].id = "actor-" + std::to_string(i);
      actors_[i].version = one_in(3) ? Version::v3_1_1 : Version::v5;
    }
    EXPECT_TRUE(bed_.shard.subscribe("t/#", Qos::exactly_once, [this](const Message& message) {
      heard_.push_back(std::stoi(std::string(message.payload)));
    }));
  }

  void step() {
    Actor& actor = actors_[below(kActors)];
    if (one_in(20)) bed_.advance(seconds(below(20)));
    if (!actor.peer) {
      if (one_in(2)) connect(actor, one_in(6), one_in(2) ? 0 : below(60));
    } else if (actor.deaf) {
      if (one_in(3)) drop(actor);
    } else {
      act(actor);
    }
    look();
  }

  // Everybody comes back, reads and acknowledges everything; then everything promised has arrived.
  void settle() {
    for (Actor& actor : actors_) {
      if (actor.peer) drop(actor);
      connect(actor, false, 1000);
    }
    for (bool busy = true; busy;) {
      busy = false;
      for (Actor& actor : actors_) {
        busy |= !actor.to_send.empty();
        while (!actor.to_send.empty()) acknowledge(actor);
      }
    }
    for (Actor& actor : actors_) {
      SCOPED_TRACE(actor.id);
      EXPECT_TRUE(actor.flows.empty());
      EXPECT_TRUE(actor.taken.empty());
      EXPECT_TRUE(actor.outgoing.empty());
      for (const auto& [key, serials] : actor.due) EXPECT_TRUE(serials.empty()) << key.first << " q" << key.second;
      for (const int serial : actor.promised) EXPECT_GE(actor.delivered[serial], 1) << "lost: " << serial;
    }
    EXPECT_EQ(bed_.stats().queued_messages_now, 0u);
    EXPECT_EQ(bed_.stats().queued_bytes_now, 0u);
    EXPECT_EQ(bed_.stats().messages_dropped_queue, 0u);
    EXPECT_GT(accepted_.size(), 100u);
  }

 private:
  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
  bool one_in(unsigned n) { return below(n) == 0; }
  const std::string& any(const std::vector<std::string>& of) { return of[below(static_cast<unsigned>(of.size()))]; }

  void act(Actor& actor) {
    switch (below(16)) {
      case 0: subscribe(actor); break;
      case 1:
        actor.filters.erase(kScenarioFilters[0]);
        actor.peer->unsubscribe(kScenarioFilters[0]);
        break;
      case 2:
        actor.deaf = true;
        actor.to_send.clear();
        break;
      case 3:
        if (one_in(3)) drop(actor, true);
        break;
      case 4:
        if (one_in(4)) connect(actor, one_in(6), below(60));  // a take-over
        break;
      case 5:
        actor.stalled = true;
        actor.peer->stall(true);
        break;
      case 6: actor.peer->stall(false); break;
      case 7: actor.peer->trickle(below(200)); break;
      case 8:
      case 9:
      case 10: publish(actor); break;
      default:
        if (!actor.to_send.empty()) acknowledge(actor);
    }
  }

  void subscribe(Actor& actor) {
    const bool v5 = actor.version == Version::v5;
    const mqtt::SubscriptionOptions options{.qos = static_cast<std::uint8_t>(below(3)), .no_local = v5 && one_in(3)};
    const std::string& filter = any(kScenarioFilters);
    actor.filters[filter] = options;
    actor.peer->subscribe(filter, options);
  }

  void publish(Actor& actor) {
    if (actor.outgoing.size() > 20) return;
    Outgoing message{0, next_serial_++, any(kScenarioTopics), static_cast<std::uint8_t>(below(3)), false};
    if (message.qos != 0) {
      do message.id = static_cast<std::uint16_t>(1 + below(40));
      while (find(actor, message.id) != actor.outgoing.end());
      actor.outgoing.push_back(message);
      if (one_in(20)) return drop(actor);  // lost on its way to the broker
    }
    send(actor, message, false);
  }

  void send(Actor& actor, const Outgoing& message, bool dup) {
    if (message.qos != 2 || actor.taken.insert(message.id).second) accept(actor, message);
    actor.peer->publish(message.topic, std::to_string(message.serial),
                        {.qos = message.qos, .id = message.id, .dup = dup, .properties = {}});
  }

  // The broker has to pass this on.
  void accept(const Actor& publisher, const Outgoing& message) {
    accepted_.push_back(message.serial);
    for (Actor& actor : actors_) {
      if (!alive(actor)) continue;
      int granted = -1;
      for (const auto& [filter, options] : actor.filters) {
        if (options.no_local && &actor == &publisher) continue;
        if (mqtt::matches(filter, message.topic)) granted = std::max<int>(granted, options.qos);
      }
      const int qos = std::min<int>(granted, message.qos);
      if (qos < 0 || (qos == 0 && !actor.peer)) continue;
      actor.due[{message.topic, qos}].push_back(message.serial);
      if (qos > 0) actor.promised.insert(message.serial);
    }
  }

  void acknowledge(Actor& actor) {
    const auto at = actor.to_send.begin() + below(static_cast<unsigned>(actor.to_send.size()));
    const auto [type, id] = *at;
    actor.to_send.erase(at);
    if (type == PacketType::puback || type == PacketType::pubcomp) actor.flows.erase(id);
    if (type == PacketType::pubrec) actor.flows.at(id).released = true;
    if (type == PacketType::pubrel) actor.taken.erase(id);
    actor.peer->ack(type, id);
    look();
  }

  static std::vector<Outgoing>::iterator find(Actor& actor, std::uint16_t id) {
    return std::find_if(actor.outgoing.begin(), actor.outgoing.end(), [&](const Outgoing& o) { return o.id == id; });
  }

  bool alive(const Actor& actor) const { return actor.session && (actor.peer || bed_.now < actor.ends); }

  void connect(Actor& actor, bool clean, std::uint32_t expiry_s) {
    const bool v5 = actor.version == Version::v5;
    const bool present = !clean && alive(actor) && (!actor.peer || actor.expiry_s != 0);
    const auto window = static_cast<std::uint16_t>(1 + below(8));
    Hello hello{.id = actor.id, .clean = clean};
    if (v5) hello.expiry_s = expiry_s;
    if (v5) hello.receive_maximum = window;
    auto next = std::make_unique<Peer>(bed_, actor.version);
    next->connect(hello);
    if (actor.peer) {
      watch(actor);
      EXPECT_TRUE(actor.peer->closed());
    }
    gone(actor);
    if (!present) forget(actor);
    actor.peer = std::move(next);
    actor.session = true;
    actor.expiry_s = v5 ? expiry_s : clean ? 0 : bed_.options.limits.session_expiry_s;
    actor.window = v5 ? window : 65535u;
    for (auto& [id, flow] : actor.flows) flow.here = false;
    actor.last_resent = 0;

    std::vector<Sent> packets = actor.peer->take();
    ASSERT_FALSE(packets.empty());
    EXPECT_EQ(packets[0].text(), present ? "CONNACK 0 present" : "CONNACK 0");
    packets.erase(packets.begin());
    for (const Sent& packet : packets) see(actor, packet);
    for (const Outgoing& message : std::vector<Outgoing>(actor.outgoing)) {  // MQTT-4.4.0-1
      if (message.released) actor.to_send.emplace_back(PacketType::pubrel, message.id);
      else send(actor, message, true);
      look();
    }
  }

  void drop(Actor& actor, bool politely = false) {
    actor.deaf = true;
    if (politely) actor.peer->disconnect();
    else actor.peer->drop();
    watch(actor);
    EXPECT_TRUE(actor.peer->closed());
    gone(actor);
  }

  // The connection is no more, on both sides.
  void gone(Actor& actor) {
    if (!actor.peer) return;
    actor.peer.reset();
    actor.deaf = false;
    actor.stalled = false;
    actor.to_send.clear();
    actor.session = actor.expiry_s != 0;
    actor.ends = bed_.now + seconds(actor.expiry_s);
    for (const std::string& topic : kScenarioTopics) actor.due[{topic, 0}].clear();
  }

  // MQTT-3.2.2-4, -5: without a session on one side there is none on the other.
  void forget(Actor& actor) {
    actor.filters.clear();
    actor.due.clear();
    actor.flows.clear();
    actor.taken.clear();
    actor.promised.clear();
    actor.outgoing.clear();
    actor.holding.clear();
  }

  void look() {
    for (Actor& actor : actors_) {
      if (!actor.peer) continue;
      watch(actor);
      ASSERT_FALSE(actor.peer->closed());
    }
    ASSERT_EQ(heard_, accepted_);
    ASSERT_FALSE(testing::Test::HasFailure());
  }

  void watch(Actor& actor) {
    for (const Sent& packet : actor.peer->take()) see(actor, packet);
  }

  void see(Actor& actor, const Sent& packet) {
    SCOPED_TRACE(actor.id + " gets " + packet.text());
    const mqtt::Packet content = packet.packet();
    if (const auto* publish = std::get_if<mqtt::Publish>(&content)) see_publish(actor, *publish);
    if (const auto* ack = std::get_if<mqtt::Ack>(&content)) see_ack(actor, *ack);
  }

  void see_publish(Actor& actor, const mqtt::Publish& packet) {
    const int serial = std::stoi(std::string(base::as_text(packet.payload)));
    if (packet.dup) {
      ASSERT_TRUE(actor.flows.contains(packet.id)) << "DUP without a first time";
      Delivery& flow = actor.flows[packet.id];
      EXPECT_EQ(flow.serial, serial);
      EXPECT_FALSE(flow.released) << "after PUBREC (MQTT-4.3.3-6)";
      resent(actor, flow);
    } else {
      std::deque<int>& due = actor.due[{std::string(packet.topic), packet.qos}];
      while (packet.qos == 0 && actor.stalled && !due.empty() && due.front() != serial) due.pop_front();
      ASSERT_FALSE(due.empty()) << "not subscribed";
      ASSERT_EQ(due.front(), serial) << "out of order";
      due.pop_front();
      if (packet.qos != 0) {
        for (const auto& [id, flow] : actor.flows) EXPECT_TRUE(flow.here) << "before #" << id << " was sent again";
        ASSERT_FALSE(actor.flows.contains(packet.id)) << "identifier in use";
        actor.flows[packet.id] = {serial, packet.qos, false, true, actor.next_order++};
      }
    }
    unsigned open = 0;
    for (const auto& [id, flow] : actor.flows) open += flow.here;
    EXPECT_LE(open, actor.window) << "receive maximum";
    EXPECT_LE(actor.flows.size(), kInflight);
    if (!actor.deaf) read(actor, packet, serial);
  }

  void resent(Actor& actor, Delivery& flow) {
    EXPECT_FALSE(flow.here) << "sent again on the same connection";
    flow.here = true;
    EXPECT_GE(flow.order + 1, actor.last_resent) << "not in the original order";
    actor.last_resent = flow.order + 1;
  }

  // The client's application.
  void read(Actor& actor, const mqtt::Publish& packet, int serial) {
    if (packet.qos == 1) actor.to_send.emplace_back(PacketType::puback, packet.id);
    if (packet.qos == 2) {
      actor.to_send.emplace_back(PacketType::pubrec, packet.id);
      if (!actor.holding.insert(packet.id).second) return;
      EXPECT_TRUE(actor.exactly_once.insert(serial).second) << "delivered twice";
    }
    ++actor.delivered[serial];
  }

  void see_ack(Actor& actor, const mqtt::Ack& packet) {
    // The first PUBCOMP may have been lost; then the repeated PUBREL means nothing to the broker (4.3.3).
    EXPECT_TRUE(!is_error(packet.code) || packet.type == PacketType::pubcomp);
    if (packet.type == PacketType::pubrel) {
      ASSERT_TRUE(actor.flows.contains(packet.id));
      Delivery& flow = actor.flows[packet.id];
      EXPECT_TRUE(flow.qos == 2 && flow.released);
      if (!flow.here) resent(actor, flow);
      if (actor.deaf) return;
      actor.holding.erase(packet.id);
      actor.to_send.emplace_back(PacketType::pubcomp, packet.id);
      return;
    }
    if (actor.deaf) return;
    const auto found = find(actor, packet.id);
    ASSERT_NE(found, actor.outgoing.end()) << "nothing was sent";
    EXPECT_EQ(packet.type == PacketType::puback, found->qos == 1);
    if (packet.type == PacketType::pubrec) {
      found->released = true;
      actor.to_send.emplace_back(PacketType::pubrel, packet.id);
    } else {
      actor.outgoing.erase(found);
    }
  }

  std::mt19937 random_;
  Bed bed_{with([](BrokerOptions& o) {
    o.limits.inflight = kInflight;
    o.limits.output_bytes = 200;
  })};
  Actor actors_[kActors];
  int next_serial_ = 0;
  std::vector<int> accepted_;
  std::vector<int> heard_;
};

TEST(RandomScenario, KeepsEveryPromise) {
  covers_v5(
      "MQTT-2.2.1-4 MQTT-3.3.1-1 MQTT-3.3.2-3 MQTT-3.3.4-9 MQTT-4.3.3-6 MQTT-4.4.0-1 MQTT-4.6.0-1 MQTT-4.6.0-5 "
      "MQTT-4.6.0-6 MQTT-4.9.0-2");
  covers_v311("MQTT-2.3.1-4 MQTT-3.3.1-1 MQTT-3.3.2-3 MQTT-4.4.0-1 MQTT-4.6.0-1 MQTT-4.6.0-5 MQTT-4.6.0-6");
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scenario scenario(seed);
    for (int i = 0; i < 1500 && !HasFailure(); ++i) scenario.step();
    if (!HasFailure()) scenario.settle();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace shoal::broker
