#pragma once

#include <cstdint>

#include "bench/stage.hpp"

namespace shoal::bench {

struct ConnectOptions {
  std::uint64_t count = 1000;       ///< connections, for each broker
  bool hold = false;                ///< keep them, then close all; else each is closed when it stands
  std::uint32_t subscriptions = 0;  ///< of each connection, with `hold`
  base::Duration held{};            ///< how long all of them are kept
};

/// TCP connect, CONNECT, CONNACK, DISCONNECT, `Settings::concurrency` at a time, each waiting for the broker to close;
/// or all of them kept. Blocks; an interrupt ends it early.
Report run_connects(Stage& stage, const ConnectOptions& options);

}  // namespace shoal::bench
