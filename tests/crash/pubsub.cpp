#include "pubsub.hpp"

#include <algorithm>

#include "mqtt/topic_name.hpp"
#include "world.hpp"

namespace shoal::crash {

Publisher::Publisher(World& world, ClientOptions options, const std::string& root, bool exactly_once)
    : Client(world, std::move(options)) {
  for (const char* name : {"/a/1", "/b/1", "/a/2", "/b/2"}) {
    const std::uint8_t qos = std::string_view(name).ends_with('2') && exactly_once ? 2 : 1;
    topics_.push_back(&world_.ledger().topic(root + name, qos));
  }
}

void Publisher::begin_round() {
  Random& random = world_.random();
  left_ = random.between(20, 500);
  window_ = random.between(1, 20);
  large_percent_ = random.chance(15) ? 40 : 3;
}

void Publisher::act() {
  Random& random = world_.random();
  while (online() && !world_.calm() && left_ != 0 && flights().size() < window_ && !random.chance(10)) {
    --left_;
    Topic& topic = *topics_[random.below(topics_.size())];
    // From 4 KiB on a payload is handled differently; and the log has to begin a segment now and then.
    const std::size_t padding = random.chance(large_percent_) ? random.below(60'000) : random.below(60);
    const std::uint64_t sequence = topic.sent.size();
    topic.sent.push_back({.round = world_.round});
    ++world_.ledger().published;
    publish(topic.name, make_payload(sequence, padding), topic.qos, false, sequence);
  }
  if (online() && !world_.calm() && random.permille(5)) hang_up();  // and comes back at once
  wanted_ = true;
}

void Publisher::on_acknowledged(const Flight& flight) {
  const auto topic =
      std::find_if(topics_.begin(), topics_.end(), [&](Topic* one) { return one->name == flight.topic; });
  (*topic)->sent[flight.sequence].acknowledged = true;
  ++world_.ledger().acknowledged;
}

Subscriber::Subscriber(World& world, ClientOptions options, std::vector<Subscription> subscriptions, Habits habits)
    : Client(world, std::move(options)), subscriptions_(std::move(subscriptions)), habits_(habits) {}

void Subscriber::act() {
  Random& random = world_.random();
  if (world_.draining() || !subscribed()) {
    wanted_ = true;
  } else if (habits_.comes_and_goes && random.permille(wanted_ ? 20 : 8)) {
    if (!wanted_) wanted_ = true;
    else if (random.chance(50)) hang_up();
    else say_goodbye();
  }
  if (!habits_.slow || world_.draining()) send_acks();
  else if (random.chance(20)) send_acks(random.between(1, 4));
}

void Subscriber::on_opening() {
  if (habits_.receive_max != 0) {
    receive_maximum_ = static_cast<std::uint16_t>(world_.random().between(1, habits_.receive_max));
  }
}

void Subscriber::on_online(bool) {
  if (subscribed()) return;
  confirmed_ = 0;
  for (const Subscription& one : subscriptions_) subscribe({{one.filter, one.qos}}, one.identifier);
}

void Subscriber::on_suback(std::uint16_t, base::Bytes) { ++confirmed_; }

const Topic& Subscriber::check_message(const mqtt::Publish& message, std::uint8_t& qos) {
  const Topic* topic = world_.ledger().find(message.topic);
  if (!topic) fail("a message of a topic that nobody publishes to: " + std::string(message.topic));
  std::uint8_t granted = 0;
  bool matches = false;
  for (const Subscription& one : subscriptions_) {
    const auto shared = mqtt::split_shared(one.filter);
    if (!mqtt::matches(shared ? shared->filter : one.filter, message.topic)) continue;
    matches = true;
    granted = std::max(granted, one.qos);
  }
  const std::uint64_t sequence = sequence_of(base::as_text(message.payload));
  if (!matches || sequence >= topic->sent.size()) {
    fail("what was not sent to it: " + std::string(message.topic) + " #" + std::to_string(sequence));
  }
  qos = std::min(granted, topic->qos);
  if (message.qos != qos) fail("QoS " + std::to_string(message.qos) + " for " + topic->describe(sequence));
  ++world_.ledger().received;
  return *topic;
}

void Subscriber::check_identifiers(const mqtt::Publish& message) const {
  std::vector<std::uint32_t> wanted;
  for (const Subscription& one : subscriptions_) {
    if (one.identifier != 0 && mqtt::matches(one.filter, message.topic)) wanted.push_back(one.identifier);
  }
  std::vector<std::uint32_t> told;
  message.properties.each([&](mqtt::PropertyId id, base::Bytes value) {
    if (id == mqtt::PropertyId::subscription_identifier) told.push_back(value[0]);  // all are below 128
  });
  std::sort(told.begin(), told.end());
  if (told != wanted) fail("wrong subscription identifiers with " + std::string(message.topic));
}

void Subscriber::on_message(const mqtt::Publish& message) {
  std::uint8_t qos = 0;
  const Topic& topic = check_message(message, qos);
  check_identifiers(message);
  const std::uint64_t sequence = sequence_of(base::as_text(message.payload));
  std::uint64_t& next = next_[&topic];
  if (sequence > next) {
    // In order for all of its QoS (MQTT-4.6.0-5), so what is between will not come any more.
    fail("missing: " + topic.describe(next) + "; came: #" + std::to_string(sequence));
  }
  if (sequence == next) {
    ++next;
  } else {
    if (qos == 2) fail("twice: " + topic.describe(sequence));
    ++world_.ledger().again;
  }
}

std::string Subscriber::missing() const {
  for (const Subscription& one : subscriptions_) {
    for (const Topic* topic : world_.ledger().matching(one.filter)) {
      const auto found = next_.find(topic);
      const std::uint64_t next = found == next_.end() ? 0 : found->second;
      if (next != topic->sent.size()) return id() + " has not " + topic->describe(next);
    }
  }
  return {};
}

bool Subscriber::complete() const { return missing().empty(); }

Member::Member(World& world, ClientOptions options, const std::string& filter, SharedReceived& received)
    : Subscriber(world, std::move(options), {{"$share/g/" + filter, 1, 0}}, {.comes_and_goes = true}),
      shared_filter_(filter),
      received_(received) {}

void Member::on_message(const mqtt::Publish& message) {
  std::uint8_t qos = 0;
  const Topic& topic = check_message(message, qos);
  const std::uint64_t sequence = sequence_of(base::as_text(message.payload));
  SharedReceived::OfTopic& of = received_.topics[&topic];
  if (of.has.size() <= sequence) of.has.resize(sequence + 1);
  if (of.has[sequence]) ++world_.ledger().again;
  of.has[sequence] = true;
  while (of.first_missing < of.has.size() && of.has[of.first_missing]) ++of.first_missing;
}

std::string Member::missing() const {
  for (const Topic* topic : world_.ledger().matching(shared_filter_)) {
    const std::uint64_t first = received_.topics[topic].first_missing;
    if (first != topic->sent.size()) return "no member of " + shared_filter_ + " has " + topic->describe(first);
  }
  return {};
}

}  // namespace shoal::crash
