#pragma once

#include <cstdint>
#include <string>

#include "bench/stage.hpp"

namespace shoal::bench {

struct PublishOptions {
  std::uint32_t clients = 1;  ///< for each broker
  std::string topic{};        ///< `%i`: the client's number, from 0
  unsigned qos = 0;
  bool retain = false;
  std::size_t payload_bytes = 64;  ///< at least Stamp::kBytes
  double rate = 1;                 ///< messages a second, of all clients and brokers together; above 0
  std::uint64_t count = 0;         ///< ends after so many of all together; 0: no such end
  base::Duration length{};         ///< ends after so long; 0: no such end
};

/// Clients that publish at a steady rate. Blocks until the count, the time or an interrupt ends it.
Report run_publish(Stage& stage, const PublishOptions& options);

}  // namespace shoal::bench
