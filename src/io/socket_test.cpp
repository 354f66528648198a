#include "io/socket.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <string>

namespace shoal::io {
namespace {

TEST(Endpoint, Parses) {
  struct Case {
    const char* url;
    const char* text;
    std::uint16_t port;
  };
  for (const Case& c : {Case{"mqtt://127.0.0.1:1883", "127.0.0.1:1883", 1883},
                        {"mqtt://0.0.0.0:0", "0.0.0.0:0", 0},
                        {"mqtt://localhost:65535", "127.0.0.1:65535", 65535},
                        {"mqtt://[::1]:1", "[::1]:1", 1},
                        {"mqtt://[::]:8883", "[::]:8883", 8883},
                        {"mqtt://[2001:DB8:0:0::7]:9", "[2001:db8::7]:9", 9}}) {
    const auto endpoint = Endpoint::parse(c.url);
    ASSERT_TRUE(endpoint) << c.url;
    EXPECT_EQ(endpoint->text(), c.text);
    EXPECT_EQ(endpoint->port(), c.port);
    EXPECT_EQ(endpoint->ipv6(), c.url[7] == '[');
  }
}

TEST(Endpoint, SaysWhatIsWrong) {
  using namespace std::string_view_literals;
  for (const std::string_view url : {""sv,
                                     "127.0.0.1:1883"sv,
                                     "mqtts://127.0.0.1:1883"sv,
                                     "mqtt://"sv,
                                     "mqtt://:1883"sv,
                                     "mqtt://127.0.0.1"sv,
                                     "mqtt://127.0.0.1:"sv,
                                     "mqtt://127.0.0.1:65536"sv,
                                     "mqtt://127.0.0.1:-1"sv,
                                     "mqtt://127.0.0.1:+1"sv,
                                     "mqtt://127.0.0.1: 1"sv,
                                     "mqtt://127.0.0.1:1/"sv,
                                     "mqtt://127.0.0.1:1x"sv,
                                     "mqtt://example.org:1883"sv,
                                     "mqtt://127.0.0:1"sv,
                                     "mqtt://127.0.0.256:1"sv,
                                     "mqtt://::1:1883"sv,
                                     "mqtt://[::1]"sv,
                                     "mqtt://[]:1"sv,
                                     "mqtt://[127.0.0.1]:1"sv,
                                     "mqtt://[::1:1"sv,
                                     "mqtt://127.0.0.1\0junk:1"sv}) {
    const auto endpoint = Endpoint::parse(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(endpoint.error().message, testing::HasSubstr("mqtt://"));
  }
}

// Blocks until `fd` has what is asked for; a test that waits here for ever is ended by its timeout.
void wait_for(int fd, short events) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  ASSERT_EQ(::poll(&entry, 1, -1), 1);
}

struct Sockets : testing::TestWithParam<const char*> {
  // False when the machine has no such address (IPv6 switched off).
  bool open() {
    auto bound = listen_on(*Endpoint::parse(GetParam()));
    if (!bound) {
      EXPECT_EQ(bound.error().code, ErrorCode::not_found) << bound.error().message;
      return false;
    }
    listener = std::move(*bound);
    return true;
  }
  void connect() {
    auto started = connect_to(Endpoint::local(listener.get()));
    ASSERT_TRUE(started) << started.error().message;
    client = std::move(*started);
    wait_for(listener.get(), POLLIN);
    auto accepted = accept_one(listener.get(), peer);
    ASSERT_TRUE(accepted);
    ASSERT_TRUE(*accepted);
    server = std::move(*accepted);
  }

  base::UniqueFd listener;
  base::UniqueFd client;
  base::UniqueFd server;
  Endpoint peer;
};

TEST_P(Sockets, ConnectAndAccept) {
  if (!open()) GTEST_SKIP() << "no such address here";
  const auto none = accept_one(listener.get(), peer);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  connect();
  EXPECT_EQ(peer.text(), Endpoint::local(client.get()).text());
  EXPECT_EQ(Endpoint::peer(client.get()).text(), Endpoint::local(server.get()).text());
  EXPECT_EQ(Endpoint::local(server.get()).port(), Endpoint::local(listener.get()).port());
  for (const int fd : {listener.get(), client.get(), server.get()}) {
    EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ::getsockopt(server.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
  EXPECT_NE(no_delay, 0);
}

TEST_P(Sockets, AnAddressInUseIsSaidSo) {
  if (!open()) GTEST_SKIP() << "no such address here";
  const Endpoint taken = Endpoint::local(listener.get());
  const auto second = listen_on(taken);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
  EXPECT_THAT(second.error().message, testing::HasSubstr(taken.text()));
}

TEST_P(Sockets, FlushSendsWhatTheSocketTakes) {
  if (!open()) GTEST_SKIP() << "no such address here";
  connect();
  base::ChunkPool chunks;
  base::ByteQueue out(chunks);
  std::string sent;
  for (int i = 0; sent.size() < (8u << 20); ++i) {
    const std::string part = std::to_string(i) + std::string(static_cast<std::size_t>(i % 5000), '.');
    out.append(base::as_bytes(part));
    sent += part;
  }
  std::uint64_t counted = 0;
  std::string received;
  std::array<char, 65536> bytes;
  bool was_full = false;
  while (received.size() < sent.size()) {
    const Flushed result = flush(server.get(), out, counted);
    ASSERT_NE(result, Flushed::broken);
    ASSERT_EQ(result == Flushed::all, out.empty());
    was_full |= result == Flushed::some;
    wait_for(client.get(), POLLIN);
    for (ssize_t got = 0; (got = ::read(client.get(), bytes.data(), bytes.size())) > 0;) {
      received.append(bytes.data(), static_cast<std::size_t>(got));
    }
  }
  EXPECT_TRUE(was_full) << "the socket's buffers hold 8 MiB: this tested nothing";
  EXPECT_TRUE(received == sent);
  EXPECT_EQ(counted, sent.size());
  EXPECT_EQ(flush(server.get(), out, counted), Flushed::all);
}

TEST_P(Sockets, FlushToAPeerThatIsGone) {
  if (!open()) GTEST_SKIP() << "no such address here";
  connect();
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  client.reset();
  wait_for(server.get(), POLLIN);
  base::ChunkPool chunks;
  base::ByteQueue out(chunks);
  out.append(base::as_bytes("nobody reads this"));
  std::uint64_t counted = 0;
  EXPECT_EQ(flush(server.get(), out, counted), Flushed::broken);
  EXPECT_EQ(counted, 0u);
}

INSTANTIATE_TEST_SUITE_P(Addresses, Sockets, testing::Values("mqtt://127.0.0.1:0", "mqtt://[::1]:0"));

TEST(Listen, OnAnAddressThatIsNotHere) {
  const auto bound = listen_on(*Endpoint::parse("mqtt://192.0.2.1:0"));
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, ErrorCode::not_found);
  EXPECT_THAT(bound.error().message, testing::HasSubstr("192.0.2.1:0"));
}

TEST(EndpointOfASocket, IsEmptyWhenThereIsNone) {
  EXPECT_EQ(Endpoint::local(-1).text(), "");
  EXPECT_EQ(Endpoint::peer(-1).port(), 0);
}

}  // namespace
}  // namespace shoal::io
