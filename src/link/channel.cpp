#include "link/channel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace shoal::link {
namespace {

Error closed() { return {ErrorCode::closed, "the control channel's other end is gone"}; }

}  // namespace

Channel::Channel(base::UniqueFd socket) : socket_(std::move(socket)) {
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
}

Result<std::pair<base::UniqueFd, base::UniqueFd>> Channel::pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Error{ErrorCode::resource_exhausted, std::string("no control channel: ") + std::strerror(errno)};
  }
  return std::pair(base::UniqueFd(ends[0]), base::UniqueFd(ends[1]));
}

Channel::Sent Channel::try_send(const Outgoing& outgoing) {
  iovec data{const_cast<char*>(outgoing.bytes.data()), outgoing.bytes.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptorsMax)];
  if (!outgoing.fds.empty()) {
    const std::size_t bytes = sizeof(int) * outgoing.fds.size();
    std::memset(control, 0, CMSG_SPACE(bytes));
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(bytes);
    auto* place = CMSG_DATA(rights);
    for (const base::UniqueFd& fd : outgoing.fds) {
      const int number = fd.get();
      std::memcpy(place, &number, sizeof number);
      place += sizeof number;
    }
  }
  while (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno == EINTR) continue;
    // ETOOMANYREFS: too many descriptors on their way already; they arrive, then there is room.
    if (errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS) return Sent::later;
    return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? Sent::closed : Sent::failed;
  }
  return Sent::yes;
}

Result<void> Channel::send(const Message& message, std::vector<base::UniqueFd> fds) {
  Outgoing outgoing{message.encode(), std::move(fds)};
  if (outgoing.bytes.size() > kMessageBytesMax || message.fields().size() > kFieldsMax ||
      outgoing.fds.size() > kDescriptorsMax) {
    return Error{ErrorCode::resource_exhausted, "a " + message.type() + " message is too large for the worker"};
  }
  if (auto flushed = flush(); !flushed) return flushed;
  if (!waiting()) {
    switch (try_send(outgoing)) {
      case Sent::yes: return {};
      case Sent::closed: return closed();
      case Sent::failed:
        return Error{ErrorCode::io, "a " + message.type() + " message cannot be sent: " + std::strerror(errno)};
      case Sent::later: break;
    }
  }
  if (queue_.size() == kQueueMax) return Error{ErrorCode::resource_exhausted, "the worker does not read its messages"};
  queue_.push_back(std::move(outgoing));
  return {};
}

Result<void> Channel::flush() {
  while (!queue_.empty()) {
    const Sent sent = try_send(queue_.front());
    if (sent == Sent::later) break;
    if (sent == Sent::closed) return closed();
    queue_.pop_front();
  }
  return {};
}

bool Channel::hung_up() const {
  pollfd socket{.fd = socket_.get(), .events = 0, .revents = 0};
  return ::poll(&socket, 1, 0) == 1 && (socket.revents & POLLHUP) != 0;
}

Result<std::optional<Received>> Channel::receive() {
  for (;;) {
    // Asking for the length first keeps a worker from dirtying 64 KiB for messages of 600 bytes.
    const ssize_t length = ::recv(socket_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) return std::optional<Received>();
    if (length <= 0) return closed();
    std::string bytes(std::min(static_cast<std::size_t>(length), kMessageBytesMax), '\0');
    iovec data{bytes.data(), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptorsMax)];
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t count = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return closed();

    std::vector<base::UniqueFd> fds;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      for (std::size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
        fds.emplace_back(fd);
      }
    }
    if ((header.msg_flags & MSG_TRUNC) != 0) continue;
    auto message = Message::decode({bytes.data(), static_cast<std::size_t>(count)});
    if (message) return std::optional(Received{std::move(*message), std::move(fds)});
  }
}

}  // namespace shoal::link
