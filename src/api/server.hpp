#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "api/service.hpp"
#include "base/unique_fd.hpp"
#include "shoal/result.hpp"

namespace boost::asio {
class io_context;
}

namespace shoal::api {

/// Where a server listens, and its bounds.
struct ServerOptions {
  std::string path{};  ///< of a local socket; mode 0600
  Routes routes = Routes::all;
  std::size_t body_bytes_max = 1024 * 1024;  ///< then 413
  std::size_t header_bytes_max = 16 * 1024;  ///< then 431
  std::size_t connections_max = 64;          ///< the rest waits in the kernel's queue
  std::chrono::seconds idle_limit{30};       ///< a request, or an answer's way out, that takes longer is cut off
  std::function<void()> after_request = {};  ///< called after a request was given to the service
};

/// HTTP/1.1 on a local or TCP socket, in front of a Service. A resource; lives on the thread that runs
/// `context`, which outlives it and every reply that
/// the service still holds (a reply keeps its connection).
class Server {
 public:
  Server(boost::asio::io_context& context, ServerOptions options, Service& service);
  /// Closes the socket and removes its file.
  ~Server();

  /// Replaces a socket file that somebody left (the caller holds the lock). Error: path too long, or
  /// the folder does not allow it.
  Result<void> open();
  /// Instead of `open`: serves on this socket, which is bound and listens.
  Result<void> open_on(base::UniqueFd listening);
  /// Takes no new connections and removes the file; answers that are due are still sent.
  void close();

  struct Impl;  // internal

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace shoal::api
