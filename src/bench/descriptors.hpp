#pragma once

#include <cstdint>

#include "shoal/result.hpp"

namespace shoal::bench {

/// Makes sure that this process may have so many connections, raising its own limit where it may. Error:
/// resource_exhausted, with the limit's name.
Result<void> allow_connections(std::uint64_t count);

}  // namespace shoal::bench
