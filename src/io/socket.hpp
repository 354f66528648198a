#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/byte_queue.hpp"
#include "base/unique_fd.hpp"
#include "shoal/result.hpp"

namespace shoal::io {

/// A numeric address and port. A value.
class Endpoint {
 public:
  /// `mqtt://HOST:PORT`: HOST numeric, IPv6 in brackets, or `localhost` (127.0.0.1); PORT 0 to 65535.
  /// Error: invalid_argument, saying what to write.
  static Result<Endpoint> parse(std::string_view url);
  /// Local or remote side of a socket.
  static Endpoint local(int fd);
  static Endpoint peer(int fd);

  std::uint16_t port() const;
  /// `HOST:PORT`, IPv6 in brackets; empty when unknown.
  std::string text() const;
  bool ipv6() const { return address_.any.sa_family == AF_INET6; }

  const sockaddr* data() const { return &address_.any; }
  sockaddr* data() { return &address_.any; }
  /// 0: unknown.
  socklen_t size() const {
    const sa_family_t family = address_.any.sa_family;
    return family == AF_INET6 ? sizeof address_.v6 : family == AF_INET ? sizeof address_.v4 : 0;
  }

 private:
  friend Result<base::UniqueFd> accept_one(int, Endpoint&);

  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } address_{};  // the family says which; AF_UNSPEC: none
};

/// Binds and listens, non-blocking; IPv6 sockets do not take IPv4. Errors: address_in_use,
/// permission_denied, io.
Result<base::UniqueFd> listen_on(const Endpoint& endpoint);

/// Accepts one connection, non-blocking and without Nagle's delay. Empty when there is none.
/// Errors: resource_exhausted when descriptors ran out; io when `listener` does not listen.
Result<base::UniqueFd> accept_one(int listener, Endpoint& peer);

/// Starts to connect, non-blocking; writable tells when it is decided.
Result<base::UniqueFd> connect_to(const Endpoint& endpoint);

/// What a flush came to.
enum class Flushed {
  all,
  some,    ///< the socket is full; wait until it is writable
  broken,  ///< the peer is gone
};

/// Sends what is in `out`, as much as the socket takes, in as few calls as there are.
Flushed flush(int fd, base::ByteQueue& out, std::uint64_t& bytes_sent);

}  // namespace shoal::io
