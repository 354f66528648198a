#include "client/client.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>

#include "client/resolve.hpp"
#include "mqtt/encode.hpp"

namespace shoal::client {
namespace {

/// A server that accepts one connection and answers each packet by a table.
class ScriptedServer final : private io::EventHandler {
 public:
  explicit ScriptedServer(io::Reactor& reactor) : reactor_(reactor) {
    auto fd = io::listen_on(*io::Endpoint::parse("mqtt://127.0.0.1:0"));
    EXPECT_TRUE(fd);
    listener_ = *std::move(fd);
    EXPECT_TRUE(reactor_.add(listener_.get(), EPOLLIN, *this));
  }
  ~ScriptedServer() {
    if (peer_) reactor_.remove(peer_.get());
    reactor_.remove(listener_.get());
  }

  io::Endpoint endpoint() const { return io::Endpoint::local(listener_.get()); }
  void say(const mqtt::Packet& packet) {
    std::vector<std::uint8_t> bytes;
    mqtt::encode(packet, mqtt::Version::v5, bytes);
    EXPECT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void hang_up() {
    reactor_.remove(peer_.get());
    peer_.reset();
  }

  std::function<void(const mqtt::Packet&)> on_packet;

 private:
  void on_events(std::uint32_t) override {
    if (!peer_) {
      io::Endpoint from;
      auto fd = io::accept_one(listener_.get(), from);
      ASSERT_TRUE(fd && *fd);
      peer_ = *std::move(fd);
      ASSERT_TRUE(reactor_.add(peer_.get(), EPOLLIN, *this));
      return;
    }
    std::uint8_t buffer[65536];
    const ssize_t got = ::recv(peer_.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return hang_up();
    input_.insert(input_.end(), buffer, buffer + got);
    mqtt::Frame frame;
    std::size_t used = 0;
    while (peer_ && used < input_.size() &&
           mqtt::cut_frame(base::Bytes(input_).subspan(used), frame) == mqtt::FrameStatus::complete) {
      used += frame.size;
      const auto packet = mqtt::decode(frame, mqtt::Version::v5);
      ASSERT_TRUE(packet);
      on_packet(*packet);
    }
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(used));
  }

  io::Reactor& reactor_;
  base::UniqueFd listener_;
  base::UniqueFd peer_;
  std::vector<std::uint8_t> input_;
};

class ClientTest : public testing::Test, protected Events {
 protected:
  ClientTest() : reactor_(std::move(*io::Reactor::open())), server_(*reactor_) {}

  void run(std::vector<io::Endpoint> endpoints) {
    ASSERT_TRUE(client_.connect(std::move(endpoints)));
    reactor_->run();
  }
  void on_connected(const mqtt::Connack&) override { connected_(); }
  void on_message(const mqtt::Publish& message) override { got_ += message.topic; }
  void on_published(std::uint16_t, mqtt::ReasonCode) override { client_.disconnect(); }
  void on_end(const End& end) override {
    end_ = end;
    reactor_->stop();
  }

  std::unique_ptr<io::Reactor> reactor_;
  ScriptedServer server_;
  Client client_{*reactor_, {}, *this};
  std::function<void()> connected_ = [] {};
  std::string got_;
  End end_;
};

TEST_F(ClientTest, ConnectsPublishesAndLeavesInOrder) {
  const std::string payload(3'000'000, 'x');  // more than a socket's buffers
  std::string seen;
  server_.on_packet = [&](const mqtt::Packet& packet) {
    if (std::holds_alternative<mqtt::Connect>(packet)) return server_.say(mqtt::Connack{});
    if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
      seen += std::string(publish->topic) + ' ' + std::to_string(publish->payload.size()) + ';';
      mqtt::Publish back;
      back.topic = "back";
      server_.say(back);
      return server_.say(mqtt::Ack{mqtt::PacketType::puback, publish->id, mqtt::ReasonCode::success, {}});
    }
    if (std::holds_alternative<mqtt::Disconnect>(packet)) seen += "disconnect;";
  };
  connected_ = [&] { EXPECT_TRUE(client_.publish({.topic = "t", .payload = base::as_bytes(payload), .qos = 1})); };
  run({server_.endpoint()});
  EXPECT_EQ(seen, "t 3000000;disconnect;");
  EXPECT_EQ(got_, "back");
  EXPECT_EQ(end_.why, End::Why::done);
}

TEST_F(ClientTest, TriesTheNextAddressAndSaysWhyNoneWorked) {
  io::Endpoint closed;
  {
    const auto listener = io::listen_on(*io::Endpoint::parse("mqtt://127.0.0.1:0"));
    ASSERT_TRUE(listener);
    closed = io::Endpoint::local(listener->get());
  }
  server_.on_packet = [&](const mqtt::Packet& packet) {
    if (std::holds_alternative<mqtt::Connect>(packet)) server_.say(mqtt::Connack{});
  };
  connected_ = [&] { client_.disconnect(); };
  run({closed, server_.endpoint()});
  EXPECT_EQ(end_.why, End::Why::done);

  Client other(*reactor_, {}, *this);
  ASSERT_TRUE(other.connect({closed}));
  reactor_->run();
  EXPECT_EQ(end_.why, End::Why::lost);
  EXPECT_EQ(end_.message, "cannot connect to " + closed.text() + ": Connection refused");
}

TEST_F(ClientTest, TheServersLastWordsAreHeard) {
  server_.on_packet = [&](const mqtt::Packet&) {
    server_.say(mqtt::Connack{});
    server_.say(mqtt::Disconnect{mqtt::ReasonCode::server_shutting_down, {}});
    server_.hang_up();
  };
  run({server_.endpoint()});
  EXPECT_EQ(end_.message, "the server ended the connection: server shutting down (0x8b)");
}

TEST_F(ClientTest, AHangUpIsTold) {
  server_.on_packet = [&](const mqtt::Packet&) { server_.hang_up(); };
  run({server_.endpoint()});
  EXPECT_EQ(end_.why, End::Why::lost);
  EXPECT_EQ(end_.message, "the server closed the connection without an answer to CONNECT");
}

TEST(Resolve, NumericAddressesAndNonsense) {
  auto found = resolve("127.0.0.1", 18'830);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->front().text(), "127.0.0.1:18830");
  for (const char* host : {"::1", "[::1]"}) {
    found = resolve(host, 18'830);
    ASSERT_TRUE(found) << host;
    EXPECT_EQ(found->front().text(), "[::1]:18830");
  }
  const auto missing = resolve("not a host", 1);
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().message.starts_with("cannot find host not a host: ")) << missing.error().message;
}

}  // namespace
}  // namespace shoal::client
