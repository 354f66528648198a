#include "api/server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstring>
#include <optional>

namespace shoal::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
// One connection for all kinds of sockets.
using Protocol = asio::generic::stream_protocol;
using Stream = beast::basic_stream<Protocol>;
using boost::system::error_code;

constexpr std::size_t kSocketPathMax = 107;  // sun_path without its end

/// A listening socket at `path`, or none and errno.
base::UniqueFd listen_at(const std::string& path, std::size_t backlog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return {};
  const mode_t before = ::umask(0177);
  const bool bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::umask(before);
  if (!bound || ::listen(fd.get(), static_cast<int>(backlog)) != 0) return {};
  return fd;
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& c, ServerOptions o, Service& s)
      : context(c), options(std::move(o)), service(&s), acceptor(c), retry(c) {}

  void accept();
  void accept_without_descriptors();
  void connection_closed();

  asio::io_context& context;
  ServerOptions options;
  Service* service;  // null: closed
  asio::basic_socket_acceptor<Protocol> acceptor;
  asio::steady_timer retry;
  base::UniqueFd reserve;  // given up for a connection when there is no other descriptor, so that one can still ask
  std::size_t connections = 0;
  bool accepting = false;
};

namespace {

/// One client: a request, its answer, the next. Holds itself by the handlers in flight.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Protocol::socket socket, std::shared_ptr<Server::Impl> server)
      : stream_(std::move(socket)), server_(std::move(server)) {
    ++server_->connections;
  }
  ~Connection() { server_->connection_closed(); }

  void read() {
    parser_.emplace();
    parser_->body_limit(server_->options.body_bytes_max);
    parser_->header_limit(static_cast<std::uint32_t>(server_->options.header_bytes_max));
    stream_.expires_after(server_->options.idle_limit);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, std::size_t) { self->on_request(error); });
  }

 private:
  void on_request(error_code error) {
    if (error == http::error::body_limit) return refuse(413, "too_large", "the request's body is too large");
    if (error == http::error::header_limit) return refuse(431, "too_large", "the request's header is too large");
    if (error && error.category() == make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return refuse(400, "bad_request", "not an HTTP/1.1 request");
    }
    if (error || server_->service == nullptr) return;
    stream_.expires_never();
    auto request = parser_->release();
    keep_alive_ = request.keep_alive();
    // The answer may come when this connection's peer is long gone; sending then fails, which ends it.
    route({std::string(request.method_string()), std::string(request.target()), std::move(request.body())},
          server_->options.routes, *server_->service,
          [self = shared_from_this()](Response response) { self->send(std::move(response)); });
    if (server_->options.after_request) server_->options.after_request();
  }

  void refuse(int status, const char* code, const char* message) {
    keep_alive_ = false;
    send({status, std::string(R"({"error":{"code":")") + code + R"(","message":")" + message + R"("}})"});
  }

  void send(Response response) {
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(response.status));
    response_.set(http::field::content_type, {response.content_type.data(), response.content_type.size()});
    response_.keep_alive(keep_alive_);
    if (!response.body.ends_with('\n')) response.body += '\n';
    response_.body() = std::move(response.body);
    response_.prepare_payload();
    stream_.expires_after(server_->options.idle_limit);
    http::async_write(stream_, response_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!error && self->keep_alive_ && self->server_->service != nullptr) self->read();
    });
  }

  Stream stream_;
  std::shared_ptr<Server::Impl> server_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool keep_alive_ = false;
};

}  // namespace

void Server::Impl::accept() {
  if (accepting || !acceptor.is_open() || connections >= options.connections_max) return;
  accepting = true;
  if (!reserve) reserve.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  acceptor.async_accept([self = shared_from_this()](error_code error, Protocol::socket socket) {
    self->accepting = false;
    if (error == asio::error::operation_aborted) return;
    if (error) return self->accept_without_descriptors();
    std::make_shared<Connection>(std::move(socket), self)->read();
    self->accept();
  });
}

// The system says so also when nobody waits, and says it again at once: hence the pause.
void Server::Impl::accept_without_descriptors() {
  if (!acceptor.is_open()) return;
  if (reserve) {
    reserve.reset();
    base::UniqueFd fd(::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      int family = 0;
      socklen_t length = sizeof family;
      ::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &family, &length);
      error_code ignored;
      Protocol::socket socket(context);
      socket.assign(Protocol(family, 0), fd.release(), ignored);
      if (!ignored) std::make_shared<Connection>(std::move(socket), shared_from_this())->read();
    } else {
      reserve.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
  }
  accepting = true;
  retry.expires_after(std::chrono::milliseconds(100));
  retry.async_wait([self = shared_from_this()](error_code stopped) {
    self->accepting = false;
    if (!stopped) self->accept();
  });
}

void Server::Impl::connection_closed() {
  --connections;
  accept();
}

Server::Server(asio::io_context& context, ServerOptions options, Service& service)
    : impl_(std::make_shared<Impl>(context, std::move(options), service)) {}

Server::~Server() {
  close();
  impl_->service = nullptr;
}

Result<void> Server::open() {
  const std::string& path = impl_->options.path;
  if (path.size() > kSocketPathMax) {
    return Error{ErrorCode::invalid_argument, "the control socket's path " + path + " is longer than " +
                                                  std::to_string(kSocketPathMax) +
                                                  " bytes; choose a shorter SHOAL_HOME"};
  }
  ::unlink(path.c_str());
  base::UniqueFd fd = listen_at(path, impl_->options.connections_max);
  if (fd) return open_on(std::move(fd));
  return Error{ErrorCode::io, "the control socket " + path + " cannot be opened: " + std::strerror(errno)};
}

Result<void> Server::open_on(base::UniqueFd listening) {
  int family = 0;
  socklen_t length = sizeof family;
  ::getsockopt(listening.get(), SOL_SOCKET, SO_DOMAIN, &family, &length);
  error_code error;
  impl_->acceptor.assign(Protocol(family, 0), listening.get(), error);
  if (error) return Error{ErrorCode::io, "a socket cannot be served: " + error.message()};
  (void)listening.release();
  impl_->accept();
  return {};
}

void Server::close() {
  if (!impl_->acceptor.is_open()) return;
  error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->retry.cancel();
  if (!impl_->options.path.empty()) ::unlink(impl_->options.path.c_str());
}

}  // namespace shoal::api
