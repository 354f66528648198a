#include "broker/listener.hpp"

#include <fcntl.h>
#include <sys/epoll.h>

#include "broker/instance.hpp"

namespace shoal::broker {
namespace {

// Connections taken in one turn, so that those who are connected get their turn too.
constexpr int kAcceptsPerTurn = 64;
constexpr int kAcceptsPerSharedTurn = 4;
// When descriptors ran out: until somebody may have closed one.
constexpr base::Duration kExhaustedPause = base::milliseconds(100);

}  // namespace

Listener::Listener(Instance& instance, base::UniqueFd fd, std::string url)
    : instance_(instance), fd_(std::move(fd)), url_(std::move(url)), port_(io::Endpoint::local(fd_.get()).port()) {}

Result<void> Listener::open() {
  // A socket that was given may block: `accept_one` is asked until there is none.
  ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
  return instance_.reactor().add(fd_.get(), EPOLLIN, *this);
}

void Listener::close() {
  if (!fd_) return;
  instance_.reactor().timers().cancel(*this);
  instance_.reactor().remove(fd_.get());
  fd_.reset();
}

void Listener::on_events(std::uint32_t) {
  if (!fd_) return;
  const int most = instance_.shares_thread() ? kAcceptsPerSharedTurn : kAcceptsPerTurn;
  for (int i = 0; i < most; ++i) {
    if (!instance_.may_accept()) return pause(instance_.accept_wait());
    io::Endpoint peer;
    auto accepted = io::accept_one(fd_.get(), peer);
    if (!accepted) {
      instance_.accept_failed(accepted.error());
      return pause(kExhaustedPause);
    }
    if (!*accepted) return;
    instance_.accept(std::move(*accepted), peer);
  }
}

void Listener::pause(base::Duration length) {
  instance_.reactor().modify(fd_.get(), 0, *this);
  instance_.reactor().timers().arm(*this, instance_.reactor().now() + length);
}

void Listener::on_deadline(base::Time) { instance_.reactor().modify(fd_.get(), EPOLLIN, *this); }

}  // namespace shoal::broker
