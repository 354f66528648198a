#pragma once

#include <cstdint>
#include <string>

#include "bench/stage.hpp"

namespace shoal::bench {

struct SubscribeOptions {
  std::uint32_t clients = 1;  ///< for each broker
  std::string filter{};       ///< `%i`: the client's number, from 0
  unsigned qos = 0;
  std::uint64_t count = 0;  ///< ends after so many messages of all together; 0: no such end
  base::Duration length{};  ///< ends after so long; 0: no such end
};

/// Clients that subscribe and count. Messages of a bench on this machine are checked, each publisher's from the first
/// one on that arrives, and tell how long they were on their way. Those of a shared subscription are not checked: the
/// others of the group, which may be another program's, have the rest. Blocks until count, time or an interrupt ends
/// it.
Report run_subscribe(Stage& stage, const SubscribeOptions& options);

}  // namespace shoal::bench
