#include "controller/readiness_probe.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <string_view>
#include <utility>

namespace shoal::controller {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

// Protocol MQTT, level 4, clean session, keep alive 10 s, client id `shoal-readiness`.
constexpr std::string_view kConnect("\x10\x1b\x00\x04MQTT\x04\x02\x00\x0a\x00\x0fshoal-readiness", 29);
constexpr std::string_view kDisconnect("\xe0\x00", 2);
constexpr unsigned char kConnack = 0x20;

constexpr milliseconds kPatience{2'000};  // for one answer
constexpr milliseconds kPauseFirst{10};   // most start quickly
constexpr milliseconds kPauseMax{100};

}  // namespace

struct ReadinessProbe::Asking : std::enable_shared_from_this<Asking> {
  Asking(asio::io_context& context, std::uint16_t port_of_it, std::function<void()> when_answered)
      : socket(context), timer(context), port(port_of_it), on_answer(std::move(when_answered)) {}

  using Step = void (Asking::*)();

  /// Goes on with `step` after an operation that went well, else with a pause.
  auto then(Step step) {
    return [self = shared_from_this(), step](error_code error, auto...) {
      if (self->over) return;
      if (error) self->pause();
      else ((*self).*step)();
    };
  }

  void wait(milliseconds time, Step step) {
    timer.expires_after(time);
    timer.async_wait([self = shared_from_this(), step](error_code error) {
      if (!error && !self->over) ((*self).*step)();
    });
  }

  void ask() {
    error_code ignored;
    close();
    socket.open(tcp::v4(), ignored);  // without one, connecting fails and is tried again
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    wait(kPatience, &Asking::close);
    socket.async_connect({asio::ip::address_v4::loopback(), port}, then(&Asking::speak));
  }

  void speak() { asio::async_write(socket, asio::buffer(kConnect), then(&Asking::hear)); }

  void hear() { asio::async_read(socket, asio::buffer(answer), then(&Asking::look)); }

  void look() {
    if (answer[0] != kConnack) return pause();
    // One that was let in says good bye; it need not arrive.
    error_code ignored;
    socket.non_blocking(true, ignored);
    if (answer[3] == 0) socket.write_some(asio::buffer(kDisconnect), ignored);
    end();
    std::exchange(on_answer, {})();
  }

  void pause() {
    close();
    wait(pause_length, &Asking::ask);
    pause_length = std::min(2 * pause_length, kPauseMax);
  }

  /// What is under way fails.
  void close() {
    error_code ignored;
    socket.close(ignored);
  }

  void end() {
    over = true;
    timer.cancel();
    close();
  }

  tcp::socket socket;
  asio::steady_timer timer;
  std::uint16_t port;
  std::function<void()> on_answer;
  std::array<unsigned char, 4> answer{};  // a CONNACK of 3.1.1
  milliseconds pause_length = kPauseFirst;
  bool over = false;
};

ReadinessProbe::ReadinessProbe(asio::io_context& context, std::uint16_t port, std::function<void()> on_answer)
    : asking_(std::make_shared<Asking>(context, port, std::move(on_answer))) {
  asking_->ask();
}

ReadinessProbe::~ReadinessProbe() { asking_->end(); }

}  // namespace shoal::controller
