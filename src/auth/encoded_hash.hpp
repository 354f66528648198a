#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/password_hash.hpp"

namespace shoal::auth {

/// The parts of `$argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH`, the form that the argon2 tool and
/// libraries write. A value.
struct EncodedHash {
  HashCost cost{};
  std::vector<std::uint8_t> salt{};  ///< 8 to 64 bytes
  std::vector<std::uint8_t> hash{};  ///< 16 to 64 bytes

  /// Takes the parts from `encoded`, or says what is wrong with it (the parts are then unspecified).
  /// Costs over kHashCostMax are wrong.
  std::optional<HashProblem> parse(std::string_view encoded);
  std::string text() const;
};

}  // namespace shoal::auth
