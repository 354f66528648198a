#include "cli/stop_signals.hpp"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

namespace shoal::cli {

StopSignals::StopSignals(io::Reactor& reactor, std::function<void()> stop) : reactor_(reactor), stop_(std::move(stop)) {
  sigset_t mine;
  ::sigemptyset(&mine);
  ::sigaddset(&mine, SIGINT);
  ::sigaddset(&mine, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &mine, &before_);
  fd_.reset(::signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK));
  // Without a descriptor the signals must end the process as usual.
  if (!fd_ || !reactor_.add(fd_.get(), EPOLLIN, *this)) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

StopSignals::~StopSignals() {
  if (fd_) reactor_.remove(fd_.get());
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void StopSignals::on_events(std::uint32_t) {
  signalfd_siginfo signal;
  while (::read(fd_.get(), &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal)) stop_();
}

}  // namespace shoal::cli
