// The library as a host program sees it: public headers only.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "shoal/broker.hpp"

namespace {

using shoal::Broker;
using shoal::BrokerOptions;
using shoal::ErrorCode;
using shoal::Message;
using shoal::Qos;
using shoal::Runtime;

BrokerOptions open_options(const std::string& name) {
  return {.name = name, .listeners = {{.url = "mqtt://127.0.0.1:0"}}, .auth = {.anonymous = true}};
}

std::size_t entries(const char* folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

// A blocking client that speaks just enough MQTT 3.1.1.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  void send(const std::string& bytes) { ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), 0), ssize_t(bytes.size())); }
  std::string receive(std::size_t size) {
    std::string bytes(size, '\0');
    const ssize_t got = ::recv(fd_, bytes.data(), size, MSG_WAITALL);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
  }
  void hello(const std::string& id) {
    std::string body("\0\4MQTT\4\2\0\0", 10);
    body += std::string("\0", 1) + static_cast<char>(id.size()) + id;
    send(std::string("\x10") + static_cast<char>(body.size()) + body);
    ASSERT_EQ(receive(4), std::string("\x20\2\0\0", 4));
  }

 private:
  int fd_;
  bool connected_ = false;
};

// Collects what a host's subscriber gets.
class Inbox {
 public:
  Broker::OnMessage callback() {
    return [this](const Message& m) {
      const std::lock_guard lock(mutex_);
      messages_.push_back(std::string(m.topic) + "=" + std::string(m.payload) + (m.retain ? " retained" : ""));
      changed_.notify_all();
    };
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return messages_.size() >= count; });
    return messages_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> messages_;
};

TEST(Embed, TwoBrokersInOneProcessShareNothing) {
  Runtime runtime{{.threads = 2}};
  auto a = Broker::start(runtime, open_options("a"));
  auto b = Broker::start(runtime, open_options("b"));
  ASSERT_TRUE(a && b);
  ASSERT_NE((*a)->port(), (*b)->port());

  Inbox inbox_a;
  Inbox inbox_b;
  ASSERT_TRUE((*a)->publish({.topic = "kept", .payload = "a", .qos = Qos::at_least_once, .retain = true}));
  ASSERT_TRUE((*a)->subscribe("#", Qos::exactly_once, inbox_a.callback()));
  ASSERT_TRUE((*b)->subscribe("#", Qos::exactly_once, inbox_b.callback()));
  RawClient client_a((*a)->port());
  RawClient client_b((*b)->port());
  client_a.hello("twin");
  client_b.hello("twin");
  client_a.send(std::string("\x30\4\0\1ta", 6));
  client_b.send(std::string("\x30\4\0\1tb", 6));
  EXPECT_EQ(inbox_a.wait_for(2), (std::vector<std::string>{"kept=a retained", "t=a"}));
  EXPECT_EQ(inbox_b.wait_for(1), (std::vector<std::string>{"t=b"}));
  EXPECT_EQ((*a)->stats().connections_now, 1u);
  EXPECT_EQ((*b)->stats().retained_now, 0u);

  (*a)->stop();  // b does not notice
  client_b.send(std::string("\xc0\0", 2));
  EXPECT_EQ(client_b.receive(2), std::string("\xd0\0", 2));
  EXPECT_EQ((*a)->publish({.topic = "t"}).error().code, ErrorCode::closed);
}

TEST(Embed, ACallbackMayStopItsBroker) {
  Runtime runtime;
  auto started = Broker::start(runtime, open_options("a"));
  ASSERT_TRUE(started);
  std::unique_ptr<Broker> broker = std::move(*started);
  RawClient client(broker->port());
  client.hello("c");
  int calls = 0;
  const std::string text(100, 'x');  // dies with the callback
  ASSERT_TRUE(broker->subscribe("#", Qos::at_most_once, [&broker, &calls, text](const Message& m) {
    if (++calls == 1) broker.reset();
    EXPECT_EQ(m.payload, "stop");
    EXPECT_EQ(text.size(), 100u);
  }));
  client.send(std::string("\x30\7\0\1tstop\x30\7\0\1tstop", 18));
  EXPECT_EQ(client.receive(1), "");
  Broker::start(runtime, open_options("b")).value()->stop();  // the reactor's turn is over now
  EXPECT_EQ(calls, 1);
}

// What stops or drains may come first in a turn that has events of the broker too.
TEST(Embed, StopAndDrainAmongTheEventsOfATurn) {
  for (const bool drain : {false, true}) {
    Runtime runtime{{.threads = 1, .use_calling_thread = true}};
    auto broker = Broker::start(runtime, open_options("a"));
    ASSERT_TRUE(broker);
    int order[2];
    ASSERT_EQ(::pipe(order), 0);
    ASSERT_TRUE(runtime.watch(order[0], [&] {
      if (drain) (*broker)->drain(std::chrono::milliseconds(0), nullptr);
      else (*broker)->stop();
      runtime.unwatch(order[0]);
      runtime.stop();
    }));
    ASSERT_EQ(::write(order[1], "x", 1), 1);  // before the client, so that it is told first
    RawClient client((*broker)->port());
    ASSERT_TRUE(runtime.run());
    ::close(order[0]);
    ::close(order[1]);
  }
}

TEST(Embed, EndlessEchoesLeaveOthersTheirTurn) {
  Runtime runtime;
  auto broker = Broker::start(runtime, open_options("a"));
  ASSERT_TRUE(broker);
  ASSERT_TRUE((*broker)->subscribe("echo", Qos::at_most_once, [&](const Message& m) {
    EXPECT_TRUE((*broker)->publish({.topic = m.topic, .payload = m.payload}));
  }));
  ASSERT_TRUE((*broker)->publish({.topic = "echo"}));
  EXPECT_GT((*broker)->stats().messages_received, 0u);
  (*broker)->stop();
}

TEST(Embed, NobodyWaitsForADrainForEver) {
  Runtime runtime;
  auto broker = Broker::start(runtime, open_options("a"));
  ASSERT_TRUE(broker);
  RawClient client((*broker)->port());
  client.hello("stays");
  std::thread first([&] { (*broker)->drain(std::chrono::milliseconds::max()); });
  std::thread second([&] { (*broker)->drain(std::chrono::hours(1)); });
  while ((*broker)->stats().connections_now != 0) std::this_thread::yield();
  (*broker)->stop();
  first.join();
  second.join();
  EXPECT_EQ((*broker)->publish({.topic = "t"}).error().code, ErrorCode::closed);
}

TEST(Embed, CallsAfterTheRuntimeStoppedReturn) {
  Runtime runtime{{.threads = 1, .use_calling_thread = true}};
  auto broker = Broker::start(runtime, open_options("a"));
  ASSERT_TRUE(broker);
  std::thread other([&] {
    while ((*broker)->publish({.topic = "t"})) {
    }
  });
  std::thread stopper([&] {
    (*broker)->stats();
    runtime.stop();
  });
  ASSERT_TRUE(runtime.run());
  stopper.join();
  other.join();
}

TEST(Embed, ABurstReachesTheHostWhole) {
  Runtime runtime;
  auto broker = Broker::start(runtime, open_options("a"));
  ASSERT_TRUE(broker);
  std::size_t count = 0;
  std::size_t in_order = 0;
  std::promise<void> all;
  ASSERT_TRUE((*broker)->subscribe("t", Qos::at_least_once, [&](const Message& m) {
    if (m.payload == std::to_string(count)) ++in_order;
    if (++count == 100'000) all.set_value();
  }));
  std::string burst;
  for (int i = 0; i < 100'000; ++i) {
    const std::string payload = std::to_string(i);
    burst += std::string("\x30") + static_cast<char>(3 + payload.size()) + std::string("\0\1t", 3) + payload;
  }
  RawClient client((*broker)->port());
  client.hello("c");
  client.send(burst);
  EXPECT_EQ(all.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_EQ((*broker)->stats().messages_dropped_queue, 0u);
  EXPECT_EQ(in_order, 100'000u);
}

TEST(Embed, TakesASocketThatBlocks) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
  ASSERT_EQ(::listen(fd, 10), 0);
  Runtime runtime;
  auto options = open_options("a");
  options.listeners = {{.fd = fd}};
  auto broker = Broker::start(runtime, std::move(options));
  ASSERT_TRUE(broker);
  RawClient client((*broker)->port());
  client.hello("c");
}

TEST(Embed, AHundredCyclesLeaveNoDescriptorAndNoThread) {
  // Memory is LeakSanitizer's part. The first cycle does not count: ThreadSanitizer starts a thread of
  // its own with the program's first.
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  const auto folder = std::filesystem::temp_directory_path() / ("shoal-embed-" + std::to_string(::getpid()));
  for (int cycle = 0; cycle < 101; ++cycle) {
    if (cycle == 1) {
      descriptors = entries("/proc/self/fd");
      threads = entries("/proc/self/task");
    }
    Runtime runtime{{.threads = 1 + static_cast<unsigned>(cycle % 3)}};
    auto options = open_options("cycle");
    options.log.file = folder / "cycle.log";
    auto broker = Broker::start(runtime, std::move(options));
    ASSERT_TRUE(broker) << broker.error().message;
    RawClient client((*broker)->port());
    ASSERT_TRUE(client.connected());
    client.hello("c" + std::to_string(cycle));
    client.send(std::string("\x82\6\0\1\0\1t\2", 8));
    EXPECT_EQ(client.receive(5), std::string("\x90\3\0\1\2", 5));
    Inbox inbox;
    ASSERT_TRUE((*broker)->subscribe("t", Qos::at_most_once, inbox.callback()));
    ASSERT_TRUE((*broker)->publish({.topic = "t", .payload = "x", .qos = Qos::exactly_once}));
    EXPECT_EQ(inbox.wait_for(1).size(), 1u);
    if (cycle % 4 == 0) (*broker)->drain(std::chrono::milliseconds(cycle % 8 == 0 ? 0 : 20));
    if (cycle % 2 == 0) (*broker)->stop();
  }
  EXPECT_EQ(entries("/proc/self/fd"), descriptors);
  EXPECT_EQ(entries("/proc/self/task"), threads);
  std::filesystem::remove_all(folder);
}

TEST(Embed, WrongOptionsAreErrorsThatSayWhat) {
  Runtime runtime;
  const auto error_of = [&](BrokerOptions options) {
    auto started = Broker::start(runtime, std::move(options));
    return started ? std::string("started") : started.error().message;
  };
  EXPECT_NE(error_of({.name = "x"}).find("nobody may connect"), std::string::npos);
  EXPECT_NE(error_of({.name = "a b", .auth = {.anonymous = true}}).find("'a b'"), std::string::npos);
  EXPECT_NE(error_of({.name = "x", .listeners = {{.url = "mqtt://name:1"}}, .auth = {.anonymous = true}})
                .find("mqtt://name:1"),
            std::string::npos);
  EXPECT_NE(error_of({.name = "x", .auth = {.users_file = "/nowhere/x.users"}}).find("/nowhere/x.users"),
            std::string::npos);

  auto first = Broker::start(runtime, open_options("first"));
  ASSERT_TRUE(first);
  const std::string url = "mqtt://127.0.0.1:" + std::to_string((*first)->port());
  auto second = Broker::start(runtime, {.name = "second", .listeners = {{.url = url}}, .auth = {.anonymous = true}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
  EXPECT_NE(second.error().message.find("instance second"), std::string::npos);

  EXPECT_EQ((*first)->publish({.topic = "a/+"}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ((*first)->subscribe("a/#/b", Qos::at_most_once, [](const Message&) {}).error().code,
            ErrorCode::invalid_argument);
}

TEST(Embed, TheHostsThreadCanBeTheReactor) {
  Runtime runtime{{.threads = 1, .use_calling_thread = true}};
  const std::size_t threads = entries("/proc/self/task");
  auto broker = Broker::start(runtime, open_options("own"));
  ASSERT_TRUE(broker);
  EXPECT_EQ(entries("/proc/self/task"), threads);
  int calls = 0;
  // A callback that publishes and subscribes is served by the next round, not in itself.
  ASSERT_TRUE((*broker)->subscribe("go", Qos::at_most_once, [&](const Message&) {
    ++calls;
    ASSERT_TRUE((*broker)->subscribe("done", Qos::at_most_once, [&](const Message&) { runtime.stop(); }));
    ASSERT_TRUE((*broker)->publish({.topic = "done"}));
  }));
  ASSERT_TRUE((*broker)->publish({.topic = "go"}));
  ASSERT_TRUE(runtime.run());
  EXPECT_EQ(calls, 1);
}

TEST(Embed, DrainTellsClientsAndReturnsWhenTheyAreGone) {
  Runtime runtime;
  auto broker = Broker::start(runtime, open_options("drained"));
  ASSERT_TRUE(broker);
  RawClient client((*broker)->port());
  client.hello("c");
  (*broker)->drain(std::chrono::milliseconds(0));
  EXPECT_EQ(client.receive(1), "");  // 3.1.1: closed without a word
  EXPECT_FALSE(RawClient((*broker)->port()).connected());
}

TEST(Embed, ClientsComeInPagesAndCanBeDisconnected) {
  Runtime runtime;
  auto broker = Broker::start(runtime, open_options("lab"));
  ASSERT_TRUE(broker);
  EXPECT_TRUE((*broker)->clients().clients.empty());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 25; ++i) {
    clients.push_back(std::make_unique<RawClient>((*broker)->port()));
    clients.back()->hello("client" + std::to_string(i));
  }
  const RawClient silent((*broker)->port());  // no CONNECT: not one of them
  std::set<std::string> seen;
  std::uint64_t next = 0;
  int pages = 0;
  do {
    const shoal::ClientPage page = (*broker)->clients(next, 10);
    EXPECT_LE(page.clients.size(), 10u);
    for (const auto& client : page.clients) EXPECT_TRUE(seen.insert(client.client_id).second) << client.client_id;
    next = page.next;
    // Those that go meanwhile hide nobody.
    if (pages++ == 0) {
      EXPECT_TRUE((*broker)->disconnect("client24") && (*broker)->disconnect("client0"));
    }
  } while (next != 0);
  EXPECT_GE(seen.size(), 24u);
  for (int i = 1; i < 24; ++i) EXPECT_TRUE(seen.contains("client" + std::to_string(i))) << i;
  EXPECT_FALSE((*broker)->disconnect("client0"));
  EXPECT_EQ((*broker)->clients(0, 0).clients.size(), 1u);
  (*broker)->stop();
  EXPECT_TRUE((*broker)->clients().clients.empty());
  EXPECT_FALSE((*broker)->disconnect("client1"));
}

}  // namespace
