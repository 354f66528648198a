#include "client/client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace shoal::client {

Client::Client(io::Reactor& reactor, Options options, Events& events)
    : reactor_(reactor), options_(options), protocol_(std::move(options), reactor.chunks(), events) {}

Client::~Client() {
  close();
  reactor_.forget(*this);
}

Result<void> Client::connect(std::vector<io::Endpoint> endpoints) {
  if (auto checked = check(options_); !checked) return checked;
  if (endpoints.empty()) return Error{ErrorCode::invalid_argument, "there is no address to connect to"};
  endpoints_ = std::move(endpoints);
  // CONNECT is written now and sent when the connection stands: one limit is for both.
  protocol_.start(reactor_.now());
  // Not from here: whoever calls does not expect an event before this returns. And this may not be a turn yet.
  reactor_.timers().arm(*this, reactor_.now());
  return {};
}

Result<std::uint16_t> Client::publish(const Outgoing& message) {
  auto result = protocol_.publish(message, reactor_.now());
  settle();
  return result;
}

Result<std::uint16_t> Client::subscribe(std::span<const mqtt::FilterEntry> filters) {
  auto result = protocol_.subscribe(filters, reactor_.now());
  settle();
  return result;
}

Result<std::uint16_t> Client::unsubscribe(std::span<const mqtt::FilterEntry> filters) {
  auto result = protocol_.unsubscribe(filters, reactor_.now());
  settle();
  return result;
}

void Client::disconnect() {
  protocol_.disconnect(reactor_.now());
  settle();
}

void Client::acknowledge_now() {
  const int on = 1;
  if (fd_) ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void Client::settle() { reactor_.at_turn_end(*this); }

void Client::on_turn_end() {
  if (!fd_ && !protocol_.ended()) connect_next("");
  if (established_) flush();
  if (protocol_.ended()) return close();
  const base::Time deadline = protocol_.deadline();
  if (deadline == base::kNever) reactor_.timers().cancel(*this);
  else reactor_.timers().arm(*this, deadline);
}

void Client::on_deadline(base::Time now) {
  protocol_.on_time(now);
  settle();
}

void Client::connect_next(std::string last_error) {
  while (next_endpoint_ < endpoints_.size()) {
    auto fd = io::connect_to(endpoints_[next_endpoint_++]);
    if (!fd) {
      last_error = fd.error().message;
      continue;
    }
    fd_ = *std::move(fd);
    if (auto added = reactor_.add(fd_.get(), EPOLLOUT, *this); !added) {
      fd_.reset();
      return protocol_.lost(added.error().message);
    }
    return;
  }
  protocol_.lost(last_error);
}

void Client::on_events(std::uint32_t events) {
  if (!fd_) return;
  settle();
  if (!established_) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      reactor_.remove(fd_.get());
      fd_.reset();
      return connect_next("cannot connect to " + endpoints_[next_endpoint_ - 1].text() + ": " + std::strerror(error));
    }
    established_ = true;
    reactor_.modify(fd_.get(), EPOLLIN, *this);
    return;
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read();
}

void Client::read() {
  const std::span<std::uint8_t> scratch = reactor_.scratch();
  const ssize_t got = ::recv(fd_.get(), scratch.data(), scratch.size(), 0);
  // The turn's time can be long ago when many others have read before.
  if (got > 0) return protocol_.receive(scratch.first(static_cast<std::size_t>(got)), io::Reactor::read_clock());
  if (got == 0) return protocol_.lost("");
  if (errno != EAGAIN && errno != EINTR) protocol_.lost(std::string("the connection broke: ") + std::strerror(errno));
}

void Client::flush() {
  std::uint64_t sent = 0;
  const io::Flushed flushed = io::flush(fd_.get(), protocol_.out(), sent);
  if (flushed == io::Flushed::broken) {
    // The server's last words may still be there to read, and say more than the error.
    protocol_.out().clear();
    reactor_.modify(fd_.get(), EPOLLIN, *this);
    return;
  }
  const bool waits = flushed == io::Flushed::some;
  if (waits != std::exchange(waits_for_room_, waits)) {
    reactor_.modify(fd_.get(), waits ? EPOLLIN | EPOLLOUT : EPOLLIN, *this);
  }
  if (protocol_.closing() && flushed == io::Flushed::all && !std::exchange(shut_, true)) {
    // Closing at once would throw away what the server has not read yet when it has something to say.
    ::shutdown(fd_.get(), SHUT_WR);
  }
  protocol_.on_sent();
}

void Client::close() {
  reactor_.timers().cancel(*this);
  if (!fd_) return;
  reactor_.remove(fd_.get());
  fd_.reset();
  established_ = false;
}

}  // namespace shoal::client
