#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"

namespace shoal::mqtt {

/// Largest value of a variable byte integer (1.5.5).
inline constexpr std::uint32_t kVarintMax = 268'435'455;

enum class VarintStatus {
  ok,
  overlong,  ///< more bytes than the value needs: malformed (MQTT-1.5.5-1)
  incomplete,
  malformed,  ///< more than four bytes
};

/// Reads a variable byte integer at the start of `bytes`: with `ok` and `overlong` its value and how
/// many bytes it took.
inline VarintStatus read_varint(base::Bytes bytes, std::uint32_t& value, std::size_t& size) {
  value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i >= bytes.size()) return VarintStatus::incomplete;
    const std::uint8_t byte = bytes[i];
    value |= static_cast<std::uint32_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      size = i + 1;
      return i > 0 && byte == 0 ? VarintStatus::overlong : VarintStatus::ok;
    }
  }
  return VarintStatus::malformed;
}

constexpr std::size_t varint_size(std::uint32_t value) {
  return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

/// Writes `value` (at most `kVarintMax`) and returns the position behind it.
inline std::uint8_t* write_varint(std::uint8_t* out, std::uint32_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<std::uint8_t>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<std::uint8_t>(value);
  return out;
}

}  // namespace shoal::mqtt
