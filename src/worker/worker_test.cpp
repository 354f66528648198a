#include "worker/worker.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <thread>

#include "link/client_list.hpp"
#include "link/fields.hpp"

namespace shoal::worker {
namespace {

using link::Message;
using testing::HasSubstr;
namespace type = link::type;

/// The controller's end of a worker that runs on a thread.
class WorkerTest : public testing::Test {
 protected:
  WorkerTest() {
    // Without a name: the system gives one.
    base::UniqueFd listening(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    address_.sun_family = AF_UNIX;
    EXPECT_EQ(::bind(listening.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_.sun_family), 0);
    EXPECT_EQ(::listen(listening.get(), 8), 0);
    size_ = sizeof address_;
    ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address_), &size_);
    thread_ = std::thread([socket = std::move(listening)]() mutable {
      Worker worker(std::move(socket), base::UniqueFd());
      EXPECT_TRUE(worker.run().ok());
    });
    come();
  }
  ~WorkerTest() override {
    if (channel_) (void)channel_->send(Message(type::kShutdown).add("drain_ms", 0u));
    thread_.join();
  }
  void come() {
    base::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address_), size_), 0);
    channel_.emplace(std::move(socket));
  }

  void say(const Message& message, std::vector<base::UniqueFd> fds = {}) {
    ASSERT_TRUE(channel_->send(message, std::move(fds)).ok());
  }
  /// The next message; of type `end` when the worker is gone.
  Message hear() {
    for (;;) {
      auto received = channel_->receive();
      if (!received) return Message("end");
      if (received->has_value()) {
        fds_ = std::move((*received)->fds);
        return (*received)->message;
      }
      pollfd wanted{.fd = channel_->fd(), .events = POLLIN, .revents = 0};
      if (::poll(&wanted, 1, 30'000) != 1) return Message("silence");
    }
  }

  /// A listening socket on a free port of loopback.
  base::UniqueFd listener() {
    base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd.get(), 16), 0);
    socklen_t length = sizeof address;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    return fd;
  }
  static BrokerOptions lab() {
    BrokerOptions options;
    options.name = "lab";
    options.listeners = {{.url = "mqtt://127.0.0.1:0"}};
    options.auth.anonymous = true;
    return options;
  }
  void start(const BrokerOptions& options) {
    std::vector<base::UniqueFd> fds;
    fds.push_back(listener());
    say(link::to_start(options), std::move(fds));
  }
  /// A client `x`, whose CONNECT was answered with `answer`; "refused" when nobody listens.
  base::UniqueFd connect(std::string* answer = nullptr) const {
    base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (answer) *answer = "refused";
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
    constexpr std::string_view kConnect("\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01x", 15);
    ::send(fd.get(), kConnect.data(), kConnect.size(), MSG_NOSIGNAL);
    char bytes[4] = {};
    const ssize_t got = ::recv(fd.get(), bytes, sizeof bytes, MSG_WAITALL);
    if (answer) answer->assign(bytes, got > 0 ? static_cast<std::size_t>(got) : 0);
    return fd;
  }
  std::string connack() const {
    std::string answer;
    connect(&answer);
    return answer;
  }

  sockaddr_un address_{};
  socklen_t size_ = 0;
  std::optional<link::Channel> channel_;
  std::vector<base::UniqueFd> fds_;  // with what was heard last
  std::thread thread_;
  std::uint16_t port_ = 0;
};

TEST_F(WorkerTest, HostsAnInstanceOnTheSocketsItIsGiven) {
  const Message hello = hear();
  EXPECT_EQ(hello.type(), type::kHello);
  EXPECT_EQ(hello.number("version"), link::kVersion);

  start(lab());
  const Message ready = hear();
  ASSERT_EQ(ready.type(), type::kReady) << ready.text("error");
  EXPECT_EQ(ready.text("name"), "lab");
  EXPECT_EQ(ready.number("port"), port_);
  EXPECT_EQ(connack(), std::string("\x20\x02\0\0", 4));

  say(Message(type::kStats).add("name", std::string_view("lab")));
  const Message stats = hear();
  EXPECT_EQ(stats.type(), type::kStats);
  EXPECT_EQ(link::stats_from(stats).connections_accepted, 1u);

  say(Message(type::kStop).add("name", std::string_view("lab")).add("drain_ms", 1000u));
  const Message last_word = hear();
  EXPECT_EQ(last_word.type(), type::kStats);
  EXPECT_EQ(link::stats_from(last_word).connections_accepted, 1u);
  const Message stopped = hear();
  EXPECT_EQ(stopped.type(), type::kStopped);
  EXPECT_EQ(stopped.text("name"), "lab");
  EXPECT_EQ(connack(), "refused") << "the worker has closed its copy of the socket";

  say(Message(type::kShutdown));
  EXPECT_EQ(hear().type(), "end");
}

TEST_F(WorkerTest, SetsTheLogLevelOfWhatItStartsAndTellsWhenALogCannotBeWritten) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  hear();
  BrokerOptions options = lab();
  options.log.file = "/dev/full";
  options.log.level = LogLevel::off;
  start(options);
  say(link::to_set_log_level("lab", LogLevel::info));
  for (bool ready = false, told = false; !ready || !told;) {
    const Message message = hear();
    ASSERT_THAT(message.type(), testing::AnyOf(type::kReady, type::kReply)) << message.text("error");
    ready = ready || message.type() == type::kReady;
    if (message.type() != type::kReply) continue;
    told = true;
    EXPECT_EQ(message.text("name"), "lab");
    EXPECT_EQ(message.text("to"), "write-log");
    EXPECT_THAT(std::string(message.text("error")), HasSubstr("/dev/full cannot be written: No space left"));
  }
  say(Message(type::kStats).add("name", std::string_view("lab")));
  EXPECT_THAT(link::stats_from(hear()).alarm, HasSubstr("/dev/full cannot be written"));
}

TEST_F(WorkerTest, RefusesWhatItCannotServeAndServesTheNext) {
  hear();
  say(link::to_start(lab()));  // without the socket
  EXPECT_THAT(std::string(hear().text("error")), HasSubstr("sockets"));

  BrokerOptions users = lab();
  users.auth.users_file = "/nonexistent/users";
  start(users);
  const Message refused = hear();
  EXPECT_EQ(refused.type(), type::kRefused);
  EXPECT_THAT(std::string(refused.text("error")), HasSubstr("/nonexistent/users"));

  say(Message("of-tomorrow").add("name", std::string_view("lab")));
  say(Message(type::kStart).add("name", std::string_view("lab")).add("limits.inflight", std::string_view("many")));
  EXPECT_THAT(std::string(hear().text("error")), HasSubstr("limits.inflight"));

  start(lab());
  EXPECT_EQ(hear().type(), type::kReady);
  start(lab());
  EXPECT_THAT(std::string(hear().text("error")), HasSubstr("already"));
}

TEST_F(WorkerTest, WhoComesBeforeTheLastOnesWordsAreAllHeardIsNotSentAway) {
  hear();
  start(lab());  // so that it does not end without a controller
  EXPECT_EQ(hear().type(), type::kReady);
  BrokerOptions options = lab();
  options.auth.users_file = "/nonexistent/users";
  for (int i = 0; i < 40; ++i) {
    options.name = "lab" + std::to_string(i);
    start(options);
  }
  channel_.reset();
  come();
  EXPECT_EQ(hear().type(), type::kHello);
}

TEST_F(WorkerTest, AnswersAboutInstancesItDoesNotHost) {
  hear();
  say(Message(type::kStop).add("name", std::string_view("gone")));
  EXPECT_EQ(hear().type(), type::kStopped);
  say(Message(type::kReloadUsers).add("name", std::string_view("gone")));
  const Message reply = hear();
  EXPECT_EQ(reply.type(), type::kReply);
  EXPECT_EQ(reply.text("to"), type::kReloadUsers);
  EXPECT_TRUE(reply.has("error"));
}

TEST_F(WorkerTest, ShutdownDrainsEverything) {
  hear();
  start(lab());
  hear();
  BrokerOptions other = lab();
  other.name = "lab2";
  start(other);
  hear();
  say(Message(type::kShutdown).add("drain_ms", 1000u));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(hear().type(), type::kStats);
    EXPECT_EQ(hear().type(), type::kStopped);
  }
  EXPECT_EQ(hear().type(), "end");
}

TEST_F(WorkerTest, StopsWhatIsBeingStarted) {
  hear();
  start(lab());
  say(Message(type::kStop).add("name", std::string_view("lab")).add("drain_ms", 1000u));
  EXPECT_EQ(hear().type(), type::kReady);
  EXPECT_EQ(hear().type(), type::kStats);
  EXPECT_EQ(hear().type(), type::kStopped);
}

TEST_F(WorkerTest, ShutdownEndsWhatIsBeingStartedAndRefusesTheRest) {
  hear();
  std::map<std::string, std::string> last;
  for (int i = 0; i < 20; ++i) {
    BrokerOptions options = lab();
    options.name = "lab" + std::to_string(i);
    start(options);
    last[options.name];
  }
  say(Message(type::kShutdown).add("drain_ms", 1000u));
  for (Message message = hear(); message.type() != "end"; message = hear()) {
    last[std::string(message.text("name"))] = message.type();
  }
  EXPECT_EQ(last.size(), 20u);
  for (const auto& [name, type] : last) {
    EXPECT_TRUE(type == link::type::kStopped || type == link::type::kRefused) << name << ' ' << type;
  }
}

TEST_F(WorkerTest, ListsClientsAndDisconnectsThem) {
  hear();
  start(lab());
  hear();
  const auto clients = [&](std::string_view name) {
    say(Message(type::kClients).add("name", name).add("request", 7u).add("from", 0u).add("most", 10u));
    const Message answer = hear();
    EXPECT_EQ(answer.type(), type::kClients);
    EXPECT_EQ(answer.number("request"), 7u);
    return link::client_page_from(answer);
  };
  const auto disconnect = [&](std::string_view name, std::string_view client) {
    say(Message(type::kDisconnect).add("name", name).add("request", 8u).add("client", client));
    const Message answer = hear();
    EXPECT_EQ(answer.type(), type::kReply);
    EXPECT_EQ(answer.number("request"), 8u);
    return !answer.has("error");
  };
  EXPECT_TRUE(clients("lab").clients.empty());
  EXPECT_TRUE(clients("gone").clients.empty());
  const base::UniqueFd client = connect();
  const ClientPage page = clients("lab");
  ASSERT_EQ(page.clients.size(), 1u);
  EXPECT_EQ(page.clients[0].client_id, "x");
  EXPECT_EQ(page.clients[0].protocol, "3.1.1");
  EXPECT_EQ(page.next, 0u);
  EXPECT_FALSE(disconnect("gone", "x"));
  EXPECT_FALSE(disconnect("lab", "y"));
  EXPECT_TRUE(disconnect("lab", "x"));
  char byte = 0;
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0);
  EXPECT_TRUE(clients("lab").clients.empty());
}

TEST_F(WorkerTest, ServesOnWithoutAControllerAndTellsTheNextOneWhatItHas) {
  hear();
  std::vector<base::UniqueFd> fds;
  fds.push_back(listener());
  say(link::to_start(lab()).add("note.of", std::string_view("mine")), std::move(fds));
  EXPECT_EQ(hear().type(), type::kReady);
  channel_.reset();
  EXPECT_EQ(connack(), std::string("\x20\x02\0\0", 4));
  come();
  const Message hello = hear();
  EXPECT_EQ(hello.type(), type::kHello);
  EXPECT_EQ(hello.number("instances"), 1u);
  Message hosts = hear();
  EXPECT_EQ(hosts.type(), type::kHosts);
  EXPECT_EQ(hosts.text("name"), "lab");
  EXPECT_EQ(hosts.text("state"), "ready");
  EXPECT_EQ(hosts.text("note.of"), "mine");
  EXPECT_EQ(link::options_from(hosts)->listeners.at(0).url, "mqtt://127.0.0.1:0");
  EXPECT_EQ(fds_.size(), 1u) << "its socket";
  say(Message(type::kStop).add("name", std::string_view("lab")).add("drain_ms", 0u));
  EXPECT_EQ(hear().type(), type::kStats) << "its last ones";
  EXPECT_EQ(hear().type(), type::kStopped);
}

TEST_F(WorkerTest, ASecondControllerIsSentAway) {
  hear();
  link::Channel first = std::move(*channel_);
  come();
  EXPECT_EQ(hear().type(), "end");
  channel_.emplace(std::move(first));
  start(lab());
  EXPECT_EQ(hear().type(), type::kReady);
}

TEST_F(WorkerTest, GoesOverToOtherOptions) {
  hear();
  start(lab());
  hear();
  BrokerOptions other = lab();
  other.limits.sessions = 7;
  say(link::to_change(other, {"mqtt://127.0.0.1:0"}).add("note.of", std::string_view("newer")));
  const Message reply = hear();
  EXPECT_EQ(reply.text("to"), type::kChange);
  EXPECT_FALSE(reply.has("error")) << reply.text("error");
  EXPECT_EQ(connack(), std::string("\x20\x02\0\0", 4));
  channel_.reset();
  come();
  hear();
  const Message hosts = hear();
  EXPECT_EQ(hosts.text("note.of"), "newer");
  EXPECT_EQ(link::options_from(hosts)->limits.sessions, 7u);
  other.persistence = Persistence::crash_safe;
  other.store_dir = "/nonexistent";
  say(link::to_change(other, {"mqtt://127.0.0.1:0"}));
  EXPECT_TRUE(hear().has("error"));
}

TEST_F(WorkerTest, EndsWithoutAControllerAndWithoutInstances) {
  hear();
  channel_.reset();
  // The destructor joins.
}

}  // namespace
}  // namespace shoal::worker
