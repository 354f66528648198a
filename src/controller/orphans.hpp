#pragma once

#include <chrono>
#include <string>

#include "link/channel.hpp"
#include "shoal/result.hpp"

namespace shoal::controller {

/// What a worker says when a controller comes.
struct Greeting {
  link::Message hello{link::type::kHello};
  std::vector<base::UniqueFd> page;   ///< its `link::WorkerPage`, or none
  std::vector<link::Received> hosts;  ///< one for each instance it has
};

/// Waits for it. Errors: closed, unavailable (not within `limit`, or it makes no sense).
Result<Greeting> hear_greeting(link::Channel& channel, std::chrono::milliseconds limit);

/// What became of workers and foreign brokers without a controller that were told to end.
struct Ended {
  std::size_t workers = 0;
  std::size_t left = 0;  ///< not ended within the limit
};

/// Ends the workers and foreign brokers of a fleet whose controller is gone: clients are told, stores are written.
/// Blocks for at most `limit`.
Ended end_orphans(const std::string& run_dir, std::chrono::milliseconds drain, std::chrono::milliseconds limit);

/// Workers and foreign brokers of that fleet that live. They do not notice.
std::size_t count_orphans(const std::string& run_dir);

}  // namespace shoal::controller
