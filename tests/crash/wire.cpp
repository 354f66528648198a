#include "wire.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>

#include "mqtt/encode.hpp"

namespace shoal::crash {

void Wire::open(std::uint16_t port) {
  close();
  fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) {
    throw std::runtime_error("the listening socket does not take connections");
  }
}

void Wire::close() {
  fd_.reset();
  out_.clear();
  in_.clear();
  sent_ = 0;
}

short Wire::events() const { return static_cast<short>(flushed() ? POLLIN : POLLIN | POLLOUT); }

void Wire::mqtt_encode(const mqtt::Packet& packet, mqtt::Version version) { mqtt::encode(packet, version, out_); }

void Wire::flush() {
  while (fd_ && sent_ < out_.size()) {
    const ssize_t sent = ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (sent < 0) return;
    sent_ += static_cast<std::size_t>(sent);
  }
  out_.clear();
  sent_ = 0;
}

bool Wire::read(const std::function<void(const mqtt::Frame&)>& on_frame) {
  bool open = true;
  for (;;) {
    constexpr std::size_t kRoom = 256 * 1024;
    const std::size_t before = in_.size();
    in_.resize(before + kRoom);
    const ssize_t got = ::recv(fd_.get(), in_.data() + before, kRoom, 0);
    in_.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got > 0) continue;
    if (got < 0 && errno == EINTR) continue;
    open = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN);
    break;
  }
  std::size_t at = 0;
  mqtt::Frame frame;
  for (;;) {
    const auto status = mqtt::cut_frame(base::Bytes(in_).subspan(at), frame);
    if (status == mqtt::FrameStatus::malformed) throw std::runtime_error("the server sent what is no packet");
    if (status == mqtt::FrameStatus::incomplete) break;
    at += frame.size;
    on_frame(frame);
    if (!fd_) return true;  // closed by what it was told
  }
  in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
  return open;
}

}  // namespace shoal::crash
