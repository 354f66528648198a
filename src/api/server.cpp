#include "api/server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>

namespace shoal::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Local = asio::local::stream_protocol;
using Stream = beast::basic_stream<Local>;
using boost::system::error_code;

constexpr std::size_t kSocketPathMax = 107;  // sun_path without its end

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& c, ServerOptions o, Service& s)
      : context(c), options(std::move(o)), service(&s), acceptor(c) {}

  void accept();
  void connection_closed();

  asio::io_context& context;
  ServerOptions options;
  Service* service;  // null: closed
  Local::acceptor acceptor;
  std::size_t connections = 0;
  bool accepting = false;
};

namespace {

/// One client: a request, its answer, the next. Holds itself by the handlers in flight.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Local::socket socket, std::shared_ptr<Server::Impl> server)
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
          *server_->service, [self = shared_from_this()](Response response) { self->send(std::move(response)); });
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
    response_.set(http::field::content_type, "application/json");
    response_.keep_alive(keep_alive_);
    response_.body() = std::move(response.body) + "\n";
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
  acceptor.async_accept([self = shared_from_this()](error_code error, Local::socket socket) {
    self->accepting = false;
    if (error == asio::error::operation_aborted) return;
    if (!error) std::make_shared<Connection>(std::move(socket), self)->read();
    self->accept();
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
  error_code error;
  impl_->acceptor.open(Local(), error);
  if (!error) {
    const mode_t before = ::umask(0177);
    impl_->acceptor.bind(Local::endpoint(path), error);
    ::umask(before);
  }
  if (!error) impl_->acceptor.listen(static_cast<int>(impl_->options.connections_max), error);
  if (error) {
    impl_->acceptor.close();
    return Error{ErrorCode::io, "the control socket " + path + " cannot be opened: " + error.message()};
  }
  impl_->accept();
  return {};
}

void Server::close() {
  if (!impl_->acceptor.is_open()) return;
  error_code ignored;
  impl_->acceptor.close(ignored);
  ::unlink(impl_->options.path.c_str());
}

}  // namespace shoal::api
