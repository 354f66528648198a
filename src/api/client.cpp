#include "api/client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/unique_fd.hpp"

namespace shoal::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kAnswerBytesMax = 64u << 20;

Error io_error(std::string what) { return {ErrorCode::io, "the controller " + std::move(what)}; }

Error connect_error(const std::string& path) {
  switch (errno) {
    case ENOENT:
    case ECONNREFUSED:
    case ENOTDIR: return {ErrorCode::unavailable, "no fleet is running at " + path};
    case EACCES:
    case EPERM: return {ErrorCode::permission_denied, "no permission to use " + path + "; it belongs to another user"};
    default: return {ErrorCode::io, "no connection to " + path + ": " + std::strerror(errno)};
  }
}

/// The kernel waits for at most this long in each call; the loop looks at the whole.
bool set_limit(int fd, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now());
  if (left.count() <= 0) return false;
  const timeval limit{left.count() / 1'000'000, left.count() % 1'000'000};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return true;
}

Result<base::UniqueFd> connect(const std::string& path, Clock::time_point until) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{ErrorCode::invalid_argument,
                 "the control socket's path " + path + " is too long; choose a shorter SHOAL_HOME"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || !set_limit(fd.get(), until)) return connect_error(path);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return connect_error(path);
  return fd;
}

/// Status and body of a whole answer (the connection was closed after it).
std::optional<Response> parse(std::string_view answer) {
  Response response;
  const std::size_t end = answer.find("\r\n\r\n");
  if (end == std::string_view::npos || !answer.starts_with("HTTP/1.1 ") || answer.size() < 12) return std::nullopt;
  const auto [stop, error] = std::from_chars(answer.data() + 9, answer.data() + 12, response.status);
  if (error != std::errc() || stop != answer.data() + 12) return std::nullopt;
  std::string header(answer.substr(0, end));
  std::transform(header.begin(), header.end(), header.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string_view body = answer.substr(end + 4);
  constexpr std::string_view kLength = "\r\ncontent-length: ";
  if (const std::size_t at = header.find(kLength); at != std::string::npos) {
    std::size_t length = 0;
    std::from_chars(header.data() + at + kLength.size(), header.data() + header.size(), length);
    if (length != body.size()) return std::nullopt;
  }
  while (body.ends_with('\n')) body.remove_suffix(1);
  response.body = body;
  return response;
}

}  // namespace

Result<Response> call(const std::string& socket_path, const Request& request, std::chrono::milliseconds limit) {
  const auto until = Clock::now() + limit;
  auto connected = connect(socket_path, until);
  if (!connected) return std::move(connected).error();
  const int fd = connected->get();

  const std::string bytes = request.method + " " + request.target +
                            " HTTP/1.1\r\nHost: shoal\r\nConnection: close\r\nContent-Type: application/json\r\n"
                            "Content-Length: " +
                            std::to_string(request.body.size()) + "\r\n\r\n" + request.body;
  for (std::string_view rest = bytes; !rest.empty();) {
    if (!set_limit(fd, until)) return io_error("does not answer");
    const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return io_error(errno == EAGAIN ? "does not answer" : "closed the connection");
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }

  std::string answer;
  for (char chunk[16384];;) {
    if (!set_limit(fd, until)) return io_error("did not answer in time");
    const ssize_t got = ::recv(fd, chunk, sizeof chunk, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(errno == EAGAIN ? "did not answer in time" : "closed the connection");
    if (got == 0) break;
    answer.append(chunk, static_cast<std::size_t>(got));
    if (answer.size() > kAnswerBytesMax) return io_error("answered more than fits here");
  }
  auto response = parse(answer);
  if (!response) return io_error("ended before it answered");
  return std::move(*response);
}

}  // namespace shoal::api
