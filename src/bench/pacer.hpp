#pragma once

#include <functional>

#include "base/unique_fd.hpp"
#include "bench/pace.hpp"
#include "io/reactor.hpp"

namespace shoal::bench {

/// Calls somebody when each message of a schedule is due, to some microseconds. A resource of the reactor's thread.
class Pacer final : private io::EventHandler {
 public:
  using Due = std::function<void(std::uint64_t n, base::Time due, base::Time now)>;

  /// Those that are due before `end`, from the next turn on.
  Pacer(io::Reactor& reactor, Pace pace, base::Time end, Due due);
  ~Pacer();
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  /// Error: why it does not work here.
  const Result<void>& works() const { return works_; }
  /// All were called.
  bool ended() const { return pace_.due(next_) >= end_; }

 private:
  void on_events(std::uint32_t events) override;
  void arm(base::Time at);

  io::Reactor& reactor_;
  const Pace pace_;
  const base::Time end_;
  const Due due_;
  std::uint64_t next_ = 0;
  base::UniqueFd timer_;
  Result<void> works_{};
};

}  // namespace shoal::bench
