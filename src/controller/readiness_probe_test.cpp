#include "controller/readiness_probe.hpp"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <optional>
#include <string>

namespace shoal::controller {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kConnectBytes = 29;

/// A broker that answers each connection with the next of some answers; with an empty one it says nothing and closes.
class Broker {
 public:
  Broker(asio::io_context& context, std::deque<std::string> answers)
      : acceptor_(context, {asio::ip::address_v4::loopback(), 0}), answers_(std::move(answers)) {
    accept();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void close() { acceptor_.close(); }

  std::string heard;
  std::string rest;  // what the last client said behind its CONNECT
  unsigned connections = 0;

 private:
  void accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error) return;
      ++connections;
      socket_.emplace(std::move(socket));
      heard.resize(kConnectBytes);
      asio::async_read(*socket_, asio::buffer(heard), [this](error_code failed, std::size_t) {
        if (!failed) answer();
      });
      accept();
    });
  }
  void answer() {
    const std::string text = answers_.front();
    answers_.pop_front();
    if (text.empty()) return socket_->close();
    asio::write(*socket_, asio::buffer(text));
    asio::async_read(*socket_, asio::dynamic_buffer(rest), [](error_code, std::size_t) {});
  }

  tcp::acceptor acceptor_;
  std::optional<tcp::socket> socket_;
  std::deque<std::string> answers_;
};

constexpr std::chrono::seconds kPatience{20};

TEST(ReadinessProbe, AsksWithAConnectUntilAConnackComes) {
  asio::io_context context;
  Broker broker(context, {"", "HTTP/1.1 400", std::string("\x20\x02\x00\x00", 4)});
  unsigned answers = 0;
  ReadinessProbe probe(context, broker.port(), [&] {
    ++answers;
    broker.close();
  });
  context.run_for(kPatience);
  EXPECT_EQ(answers, 1u);
  EXPECT_EQ(broker.connections, 3u);
  EXPECT_EQ(broker.heard, std::string("\x10\x1b\x00\x04MQTT\x04\x02\x00\x0a\x00\x0fshoal-readiness", 29));
  EXPECT_EQ(broker.rest, std::string("\xe0\x00", 2)) << "who was let in says good bye";
}

TEST(ReadinessProbe, ARefusalIsAnAnswer) {
  asio::io_context context;
  Broker broker(context, {std::string("\x20\x02\x00\x05", 4)});
  std::optional<ReadinessProbe> probe;
  bool answered = false;
  probe.emplace(context, broker.port(), [&] {
    answered = true;
    probe.reset();
    broker.close();
  });
  context.run_for(kPatience);
  EXPECT_TRUE(answered);
  EXPECT_EQ(broker.rest, "");
}

TEST(ReadinessProbe, OneThatIsGoneAsksNoMore) {
  asio::io_context context;
  std::uint16_t port = 0;
  {
    tcp::acceptor nobody(context, {asio::ip::address_v4::loopback(), 0});
    port = nobody.local_endpoint().port();
  }
  bool answered = false;
  std::optional<ReadinessProbe> probe;
  probe.emplace(context, port, [&] { answered = true; });
  context.run_for(std::chrono::milliseconds(1));
  probe.reset();
  context.run_for(kPatience);
  EXPECT_TRUE(context.stopped()) << "nothing is left to wait for";
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace shoal::controller
