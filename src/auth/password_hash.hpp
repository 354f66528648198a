#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shoal/result.hpp"

namespace shoal::auth {

/// What one argon2id hash costs.
struct HashCost {
  std::uint32_t memory_kib;
  std::uint32_t passes;
  std::uint32_t lanes;
};

/// What a new hash costs; see README.md for how it was chosen.
inline constexpr HashCost kHashCost{.memory_kib = 5120, .passes = 2, .lanes = 1};
/// The most a hash in a users file may cost: one line must not stall a worker.
inline constexpr HashCost kHashCostMax{.memory_kib = 64 * 1024, .passes = 16, .lanes = 4};

/// `$argon2id$v=19$m=..,t=..,p=..$salt$hash` for a password, with a random salt.
/// Errors: resource_exhausted (memory), io (no randomness).
Result<std::string> hash_password(std::string_view password);

/// True when `password` is the one that `encoded` was made of. Takes milliseconds (and the hash's
/// memory); never call it on a reactor. Any thread.
bool verify_password(std::string_view encoded, std::string_view password);

/// What is wrong with an encoded hash, and where.
struct HashProblem {
  std::size_t offset;  ///< bytes into the text
  std::string message;
};

/// Nothing when `encoded` is an argon2id hash that `verify_password` can check within kHashCostMax.
std::optional<HashProblem> find_hash_problem(std::string_view encoded);

}  // namespace shoal::auth
