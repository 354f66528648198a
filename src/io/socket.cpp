#include "io/socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace shoal::io {
namespace {

constexpr int kBacklog = 4096;

Error bad_url(std::string_view url) {
  return {ErrorCode::invalid_argument,
          "listener '" + std::string(url) + "' is not of the form mqtt://ADDRESS:PORT with a numeric address"};
}

Error socket_error(int error, const std::string& what) {
  ErrorCode code = ErrorCode::io;
  switch (error) {
    case EADDRINUSE: code = ErrorCode::address_in_use; break;
    case EACCES:
    case EPERM: code = ErrorCode::permission_denied; break;
    case EADDRNOTAVAIL: code = ErrorCode::not_found; break;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: code = ErrorCode::resource_exhausted; break;
    default: break;
  }
  return {code, what + ": " + std::strerror(error)};
}

void no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view url) {
  constexpr std::string_view kScheme = "mqtt://";
  if (!url.starts_with(kScheme)) return bad_url(url);
  const std::string_view rest = url.substr(kScheme.size());
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return bad_url(url);
  std::string host(rest.substr(0, colon));
  const std::string_view digits = rest.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return bad_url(url);
  if (host.find('\0') != std::string::npos) return bad_url(url);  // inet_pton would stop there
  if (host == "localhost") host = "127.0.0.1";

  Endpoint endpoint;
  sockaddr_in* const v4 = &endpoint.address_.v4;
  sockaddr_in6* const v6 = &endpoint.address_.v6;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6->sin6_addr) != 1) return bad_url(url);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
  } else {
    if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) return bad_url(url);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
  }
  return endpoint;
}

Endpoint Endpoint::local(int fd) {
  Endpoint endpoint;
  socklen_t size = sizeof endpoint.address_;
  return ::getsockname(fd, endpoint.data(), &size) == 0 ? endpoint : Endpoint();
}

Endpoint Endpoint::peer(int fd) {
  Endpoint endpoint;
  socklen_t size = sizeof endpoint.address_;
  return ::getpeername(fd, endpoint.data(), &size) == 0 ? endpoint : Endpoint();
}

std::uint16_t Endpoint::port() const {
  if (address_.any.sa_family == AF_INET) return ntohs(address_.v4.sin_port);
  if (address_.any.sa_family == AF_INET6) return ntohs(address_.v6.sin6_port);
  return 0;
}

std::string Endpoint::text() const {
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (address_.any.sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &address_.v4.sin_addr, host.data(), host.size());
    return std::string(host.data()) + ":" + std::to_string(port());
  }
  if (address_.any.sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &address_.v6.sin6_addr, host.data(), host.size());
    return "[" + std::string(host.data()) + "]:" + std::to_string(port());
  }
  return {};
}

Result<base::UniqueFd> listen_on(const Endpoint& endpoint) {
  const std::string where = endpoint.text();
  base::UniqueFd fd(::socket(endpoint.data()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return socket_error(errno, "cannot make a socket for " + where);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.ipv6()) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), endpoint.data(), endpoint.size()) != 0) return socket_error(errno, "cannot bind " + where);
  if (::listen(fd.get(), kBacklog) != 0) return socket_error(errno, "cannot listen on " + where);
  return fd;
}

Result<base::UniqueFd> accept_one(int listener, Endpoint& peer) {
  socklen_t size = sizeof peer.address_;
  base::UniqueFd fd(::accept4(listener, peer.data(), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd) {
    no_delay(fd.get());
    return fd;
  }
  switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP: return socket_error(errno, "cannot accept a connection");
    default: return base::UniqueFd();  // none waiting, or it went away meanwhile
  }
}

Result<base::UniqueFd> connect_to(const Endpoint& endpoint) {
  const std::string where = endpoint.text();
  base::UniqueFd fd(::socket(endpoint.data()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return socket_error(errno, "cannot make a socket for " + where);
  no_delay(fd.get());
  if (::connect(fd.get(), endpoint.data(), endpoint.size()) != 0 && errno != EINPROGRESS) {
    return socket_error(errno, "cannot connect to " + where);
  }
  return fd;
}

Flushed flush(int fd, base::ByteQueue& out, std::uint64_t& bytes_sent) {
  constexpr std::size_t kPieces = 64;
  while (!out.empty()) {
    std::array<base::Bytes, kPieces> pieces;
    std::array<iovec, kPieces> vector;
    const std::size_t count = out.peek(pieces.data(), pieces.size());
    std::size_t offered = 0;
    for (std::size_t i = 0; i < count; ++i) {
      vector[i] = {const_cast<std::uint8_t*>(pieces[i].data()), pieces[i].size()};
      offered += pieces[i].size();
    }
    msghdr message{};
    message.msg_iov = vector.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Flushed::some : Flushed::broken;
    }
    bytes_sent += static_cast<std::uint64_t>(sent);
    out.consume(static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < offered) return Flushed::some;
  }
  return Flushed::all;
}

}  // namespace shoal::io
