#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "config/schema.hpp"

namespace shoal::config {

/// A key of `limits` or `worker_limits`, and what it is for an instance.
struct LimitValue {
  const Key* key;
  std::optional<std::uint64_t> number;  ///< none: there is no limit
};

/// All of them, in the order of the reference page.
std::vector<LimitValue> limit_values(const InstanceConfig& instance);

}  // namespace shoal::config
