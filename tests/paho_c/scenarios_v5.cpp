#include <algorithm>
#include <chrono>
#include <thread>

#include "scenarios.hpp"

namespace paho_c {
namespace {

Property number(MQTTPropertyCodes id, long long value) { return {.id = id, .number = value}; }
Property text(MQTTPropertyCodes id, std::string value) { return {.id = id, .text = std::move(value)}; }
Property user(std::string name, std::string value) {
  return {MQTTPROPERTY_CODE_USER_PROPERTY, 0, std::move(name), std::move(value)};
}
const Property* find(const Properties& properties, MQTTPropertyCodes id) {
  const auto found = std::find_if(properties.begin(), properties.end(), [&](auto& one) { return one.id == id; });
  return found == properties.end() ? nullptr : &*found;
}

void properties(const Place& place) {
  const auto subscriber = place.connected();
  const auto publisher = place.connected();
  subscriber->subscribe("p/t", 2);
  const Properties sent = {user("b", "1"),
                           number(MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR, 1),
                           user("a", "2"),
                           text(MQTTPROPERTY_CODE_CONTENT_TYPE, "text/plain"),
                           user("b", "3"),
                           user("", ""),
                           text(MQTTPROPERTY_CODE_RESPONSE_TOPIC, "r/t"),
                           user("ключ", "значение"),
                           text(MQTTPROPERTY_CODE_CORRELATION_DATA, std::string("\0\xff", 2)),
                           user("b", "1")};
  for (int qos = 0; qos <= 2; ++qos) {
    publisher->publish({"p/t", "m", qos, false, sent});
    Properties got = subscriber->get().properties;
    CHECK(got.size() == sent.size());
    for (const Property& property : sent) {
      if (property.id != MQTTPROPERTY_CODE_USER_PROPERTY) CHECK(*find(got, property.id) == property);
    }
    const auto is_other = [](const Property& one) { return one.id != MQTTPROPERTY_CODE_USER_PROPERTY; };
    Properties pairs = sent;
    std::erase_if(pairs, is_other);
    std::erase_if(got, is_other);
    CHECK(got == pairs);
  }
}

void request(const Place& place) {
  const auto asking = place.connected();
  const auto serving = place.connected();
  serving->subscribe("service", 1);
  asking->subscribe("answers/1", 1);
  for (int n = 0; n < 10; ++n) {
    const std::string correlation(1, static_cast<char>(n));
    asking->publish(
        {"service",
         "question",
         1,
         false,
         {text(MQTTPROPERTY_CODE_RESPONSE_TOPIC, "answers/1"), text(MQTTPROPERTY_CODE_CORRELATION_DATA, correlation)}});
    const Message question = serving->get();
    serving->publish({find(question.properties, MQTTPROPERTY_CODE_RESPONSE_TOPIC)->text,
                      "answer",
                      1,
                      false,
                      {*find(question.properties, MQTTPROPERTY_CODE_CORRELATION_DATA)}});
    CHECK(find(asking->get().properties, MQTTPROPERTY_CODE_CORRELATION_DATA)->text == correlation);
  }
}

void message_expiry(const Place& place) {
  const auto client = place.connected();
  client->publish({"expiry/long", "stays", 1, true, {number(MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, 100)}});
  client->publish({"expiry/short", "goes", 1, true, {number(MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, 1)}});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatience_ms);
  for (std::size_t left = 2; left == 2;) {
    CHECK(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    client->subscribe("expiry/+", 1);
    const auto messages = client->fence();
    left = messages.size();
    if (left == 1) {
      CHECK(messages[0].payload == "stays");
      const auto seconds = find(messages[0].properties, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL)->number;
      CHECK(seconds >= 70 && seconds < 100);
    }
  }
  client->publish({"expiry/long", "", 1, true});
}

// Whether a session is there: its subscription is. A will that waits for longer than the session is sent when
// that ends: so its end can be seen.
void session_expiry(const Place& place) {
  const auto expiry = [](long long seconds) {
    return Properties{number(MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, seconds)};
  };
  const auto connect = [&](long long seconds, bool expected) {
    const Will will{"ended/will", "ended", 1, false, {number(MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL, 600)}};
    auto client = place.client("paho-c-ends");
    const Connected connected = client->connect({.clean = false, .will = will, .properties = expiry(seconds)});
    CHECK(connected.code == 0 && connected.session_present.value_or(expected) == expected);
    client->publish({"ended/own", "m", 1});
    CHECK(client->fence().size() == (expected ? 1 : 0));
    CHECK(client->subscribe("ended/own", 1) == 1);
    return client;
  };
  connect(600, false)->disconnect();
  connect(600, true)->disconnect(expiry(0));
  connect(0, false)->disconnect();
  const auto ending = connect(600, false);
  const auto watcher = place.connected();
  CHECK(watcher->subscribe("ended/will", 1) == 1);
  ending->disconnect(expiry(1), true);
  CHECK(watcher->get().payload == "ended");
  connect(0, false)->disconnect();
  CHECK(watcher->fence().empty());
}

void subscription_options(const Place& place) {
  const auto client = place.connected();
  const auto other = place.connected();
  client->subscribe("own/t", 1, {.no_local = true});
  client->publish({"own/t", "mine", 1});
  other->publish({"own/t", "theirs", 1});
  CHECK(client->get().payload == "theirs");

  client->publish({"rh/t", "kept", 1, true});
  for (const auto& [handling, first, again] : {std::tuple(0, 1u, 1u), {1, 1u, 0u}, {2, 0u, 0u}}) {
    for (const unsigned expected : {first, again}) {
      client->subscribe("rh/t", 1, {.retain_handling = handling});
      CHECK(client->fence().size() == expected);
    }
    CHECK(client->unsubscribe("rh/t") == 0);
  }
  client->subscribe("rh/t", 1, {.retain_as_published = true, .retain_handling = 2});
  other->subscribe("rh/t", 1, {.retain_handling = 2});
  client->publish({"rh/t", "live", 1, true});
  CHECK(client->get().retained && !other->get().retained);
  client->publish({"rh/t", "", 1, true});
}

void subscription_ids(const Place& place) {
  const auto client = place.connected();
  const auto id = [](long long value) { return Properties{number(MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER, value)}; };
  client->subscribe("id/+", 1, {}, id(1));
  client->subscribe("id/t", 2, {}, id(268'435'455));
  client->subscribe("id/#", 0);
  client->publish({"id/t", "m", 2});
  const Message message = client->get();
  std::vector<long long> ids;
  for (const Property& one : message.properties) ids.push_back(one.number);
  std::sort(ids.begin(), ids.end());
  CHECK(message.qos == 2 && ids == std::vector<long long>{1, 268'435'455});
  CHECK(client->fence().empty());
}

void aliases(const Place& place) {
  const auto subscriber = place.connected();
  subscriber->subscribe("alias/#", 2);
  const auto publisher = place.client();
  const Connected connack = publisher->connect();
  const Property* const maximum = find(connack.properties, MQTTPROPERTY_CODE_TOPIC_ALIAS_MAXIMUM);
  CHECK(maximum && maximum->number > 0);
  for (const bool named : {true, false}) {
    for (long long alias = 1; alias <= maximum->number; ++alias) {
      const std::string topic = "alias/" + std::to_string(alias);
      publisher->publish({named ? topic : "", "m", 1, false, {number(MQTTPROPERTY_CODE_TOPIC_ALIAS, alias)}});
      CHECK(subscriber->get().topic == topic);
    }
  }
}

void limits(const Place& place) {
  const auto publisher = place.connected();
  const auto small = place.connected("", {.properties = {number(MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, 500)}});
  small->subscribe("size", 1);
  publisher->publish({"size", std::string(500, 'x'), 1});
  publisher->publish({"size", std::string(400, 'x'), 1});
  CHECK(small->get().payload.size() == 400);
  const auto narrow = place.connected("", {.properties = {number(MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, 1)}});
  narrow->subscribe("window", 2);
  for (int n = 0; n < 20; ++n) publisher->send({"window", std::to_string(n), 2});
  for (int n = 0; n < 20; ++n) CHECK(narrow->get().payload == std::to_string(n));
}

void codes(const Place& place) {
  const auto client = place.client();
  const Connected connack = client->connect();
  CHECK(connack.code == 0 && !find(connack.properties, MQTTPROPERTY_CODE_ASSIGNED_CLIENT_IDENTIFER)->text.empty());
  CHECK(client->unsubscribe("never/was") == 0x11);
  CHECK(client->subscribe("a/#/b", 1) == 0x8f);
  const Properties utf8 = {number(MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR, 1)};
  for (const int qos : {1, 2}) {
    CHECK(client->publish({"nobody", "m", qos}) < 0x80);
    CHECK(client->publish({"nobody", "\xff", qos, false, utf8}) == 0x99);
  }
  CHECK(client->fence().empty());
}

void shared(const Place& place) {
  const auto publisher = place.connected();
  const std::unique_ptr<Client> members[] = {place.connected(), place.connected()};
  for (const auto& member : members) CHECK(member->subscribe("$share/group/jobs/#", 1) == 1);
  for (int n = 0; n < 60; ++n) publisher->publish({"jobs/t", std::to_string(n), 1});
  std::vector<int> numbers;
  for (const auto& member : members) {
    const auto part = member->fence();
    CHECK(part.size() >= 20);
    for (const Message& message : part) numbers.push_back(std::stoi(message.payload));
  }
  std::sort(numbers.begin(), numbers.end());
  CHECK(numbers.size() == 60 && numbers.front() == 0 && numbers.back() == 59);
  CHECK(std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end());
}

}  // namespace

Scenarios scenarios_v5() {
  return {{"properties", properties},
          {"request", request},
          {"message_expiry", message_expiry},
          {"session_expiry", session_expiry},
          {"subscription_ids", subscription_ids},
          {"subscription_options", subscription_options},
          {"aliases", aliases},
          {"limits", limits},
          {"codes", codes},
          {"shared", shared}};
}

}  // namespace paho_c
