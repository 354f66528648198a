#include "scenarios.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace paho_c {

std::unique_ptr<Client> Place::connected(const std::string& id, const Connect& how) const {
  auto made = client(id);
  CHECK(made->connect(how).code == 0);
  return made;
}

Properties Place::kept() const {
  if (version != 5) return {};
  return {{.id = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .number = 600}};
}

namespace {

// Ends a session that was kept.
void forget(const Place& place, const std::string& id) { place.connected(id); }

void every_qos(const Place& place) {
  const auto subscriber = place.connected();
  const auto publisher = place.connected();
  for (int granted = 0; granted <= 2; ++granted) {
    const std::string topic = "qos/" + std::to_string(granted);
    CHECK(subscriber->subscribe(topic, granted) == granted);
    for (int qos = 0; qos <= 2; ++qos) {
      for (int n = 0; n < 100; ++n) publisher->publish({topic, std::to_string(n), qos});
      for (int n = 0; n < 100; ++n) {
        const Message message = subscriber->get();
        CHECK(message.topic == topic && message.payload == std::to_string(n));
        CHECK(message.qos == std::min(qos, granted) && !message.retained);
      }
    }
  }
  CHECK(subscriber->fence().empty());
}

void retained(const Place& place) {
  const auto publisher = place.connected();
  for (const char* text : {"old", "new"}) publisher->publish({"kept/t", text, 1, true});
  const auto subscriber = place.connected();
  CHECK(subscriber->subscribe("kept/+", 2) == 2);
  const Message kept = subscriber->get();
  CHECK(kept.payload == "new" && kept.retained && kept.qos == 1);
  publisher->publish({"kept/t", "live", 2, true});
  const Message live = subscriber->get();
  CHECK(live.payload == "live" && !live.retained && live.qos == 2);
  publisher->publish({"kept/t", "", 1, true});
  CHECK(subscriber->get().payload.empty());
  const auto late = place.connected();
  late->subscribe("kept/+", 2);
  CHECK(late->fence().empty());
}

// Before anything else: a process with threads is not to be forked.
pid_t dying_client(const Place& place, int ready) {
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // also when the test fails
  const auto client = place.connected("", {.will = Will{"will/t", "killed", 1, false}});
  CHECK(write(ready, "x", 1) == 1);
  for (;;) pause();
}

void will(const Place& place) {
  int ready[2];
  CHECK(pipe(ready) == 0);
  const pid_t child = dying_client(place, ready[1]);
  const auto watcher = place.connected();
  CHECK(watcher->subscribe("will/#", 1) == 1);
  { place.connected("", {.will = Will{"will/polite", "never", 1, false}}); }
  char byte = 0;
  CHECK(read(ready[0], &byte, 1) == 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const Message message = watcher->get();
  CHECK(message.topic == "will/t" && message.payload == "killed" && message.qos == 1);
  CHECK(watcher->fence().empty());
}

void session(const Place& place) {
  const Connect keep{.clean = false, .properties = place.kept()};
  {
    const auto first = place.client("paho-c-kept");
    const Connected connected = first->connect(keep);
    CHECK(connected.code == 0 && !connected.session_present.value_or(false));
    CHECK(first->subscribe("away/#", 2) == 2);
  }
  const auto publisher = place.connected();
  for (int n = 0; n < 30; ++n) publisher->publish({"away/t", std::to_string(n), 1 + n / 15});
  const auto again = place.client("paho-c-kept");
  const Connected connected = again->connect(keep);
  CHECK(connected.code == 0 && connected.session_present.value_or(true));
  for (int n = 0; n < 30; ++n) {
    const Message message = again->get();
    CHECK(message.payload == std::to_string(n) && message.qos == 1 + n / 15);
  }
  CHECK(again->fence().empty());
  again->disconnect();
  forget(place, "paho-c-kept");
}

void big(const Place& place) {
  const std::string topic = "big/t";
  const auto client = place.connected();
  CHECK(client->subscribe(topic, 2) == 2);
  for (int qos = 0; qos <= 2; ++qos) {
    // All of 1 MiB, the limit: fixed header, topic, packet identifier, property length.
    const std::size_t head = 4 + 2 + topic.size() + (qos > 0 ? 2 : 0) + (place.version == 5 ? 1 : 0);
    std::string payload((1 << 20) - head, '\0');
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i * 7);
    client->publish({topic, payload, qos});
    const Message message = client->get();
    CHECK(message.qos == qos && message.payload == payload);
  }
}

void topics(const Place& place) {
  const auto client = place.connected();
  for (const std::string topic : {"工厂/温度", "дом/кухня", "😀/🌡️", "a b/c", "/", "//", "e\u0301", "\u00e9"}) {
    CHECK(client->subscribe(topic, 1) == 1);
    client->publish({topic, topic, 1});
    const Message message = client->get();
    CHECK(message.topic == topic && message.payload == topic);
  }
  for (int n = 0; n < 300; ++n) CHECK(client->subscribe("many/" + std::to_string(n) + "/+", n % 3) == n % 3);
  for (int n = 0; n < 300; n += 50) {
    client->publish({"many/" + std::to_string(n) + "/t", "m", 2});
    CHECK(client->get().qos == n % 3);
  }
  CHECK(client->fence().empty());
}

void take_over(const Place& place) {
  const Connect keep{.clean = false, .properties = place.kept()};
  const auto first = place.connected("paho-c-same", keep);
  CHECK(first->subscribe("same/t", 1) == 1);
  const auto second = place.client("paho-c-same");
  CHECK(second->connect(keep).session_present.value_or(true));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatience_ms);
  while (first->connected()) {
    CHECK(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  second->publish({"same/t", "mine", 1});
  CHECK(second->get().payload == "mine");
  CHECK(!first->receive(0));
  second->disconnect();
  forget(place, "paho-c-same");
}

// For an instance with the user alice.
void password(const Place& place) {
  const int refused = place.version == 5 ? 0x86 : 4;
  CHECK(place.client()->connect({.login = Login{"alice", "wrong"}}).code == refused);
  CHECK(place.client()->connect({.login = Login{"mallory", "alice's secret"}}).code == refused);
  CHECK(place.client()->connect().code == refused);
  const auto alice = place.connected("", {.login = Login{"alice", "alice's secret"}});
  CHECK(alice->fence().empty());
}

}  // namespace

Scenarios scenarios() {
  return {{"every_qos", every_qos}, {"retained", retained},   {"will", will},        {"session", session}, {"big", big},
          {"topics", topics},       {"take_over", take_over}, {"password", password}};
}

}  // namespace paho_c
