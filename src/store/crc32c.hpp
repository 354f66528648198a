#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace shoal::store {

/// CRC-32C (Castagnoli) of `bytes`, on from `seed`: `crc32c(crc32c(s, a), b)` is that of `a` and `b` together. Uses
/// the processor's instruction where there is one. Any thread.
std::uint32_t crc32c(std::uint32_t seed, base::Bytes bytes);

/// The same without the processor's help, for tests to compare.
std::uint32_t crc32c_by_table(std::uint32_t seed, base::Bytes bytes);

}  // namespace shoal::store
