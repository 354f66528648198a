#pragma once

#include <functional>

#include <signal.h>

#include "base/unique_fd.hpp"
#include "io/reactor.hpp"

namespace shoal::cli {

/// SIGINT and SIGTERM as events of a reactor, as long as it lives. One per process, made by the only
/// thread.
class StopSignals final : private io::EventHandler {
 public:
  StopSignals(io::Reactor& reactor, std::function<void()> stop);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  void on_events(std::uint32_t events) override;

  io::Reactor& reactor_;
  std::function<void()> stop_;
  sigset_t before_;
  base::UniqueFd fd_;
};

}  // namespace shoal::cli
