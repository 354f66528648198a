#pragma once

#include <cstdint>

namespace shoal::bench {

/// A number that looks like chance, always the same for `value`. Pure.
inline std::uint64_t scatter(std::uint64_t value) {
  // SplitMix64's constants (public domain): every bit of the input reaches every bit of the output.
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

}  // namespace shoal::bench
