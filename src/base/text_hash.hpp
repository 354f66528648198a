#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace shoal::base {

/// Hash of text that strangers choose (client ids, topic levels): with a random seed they cannot aim
/// at one bucket. Fast, not cryptographic. A value; transparent, for std containers.
class TextHash {
 public:
  using is_transparent = void;

  explicit TextHash(std::uint64_t seed = 0) : seed_(seed) {}

  std::size_t operator()(std::string_view text) const {
    const char* at = text.data();
    std::size_t left = text.size();
    std::uint64_t state = fold(seed_ ^ kFirst, left ^ kSecond);
    for (; left > 16; left -= 16, at += 16) state = fold(word(at) ^ state, word(at + 8) ^ kFirst ^ seed_);
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    if (left >= 8) {
      low = word(at);
      high = word(at + left - 8);
    } else if (left > 0) {
      std::memcpy(&low, at, left);
    }
    const std::uint64_t all = fold(low ^ state, high ^ kThird ^ seed_);
    return static_cast<std::size_t>(fold(all ^ kFirst, kSecond));
  }

 private:
  // Odd constants without structure (fractions of square roots of primes).
  static constexpr std::uint64_t kFirst = 0x6a09e667f3bcc909u;
  static constexpr std::uint64_t kSecond = 0xbb67ae8584caa73bu;
  static constexpr std::uint64_t kThird = 0x3c6ef372fe94f82bu;

  static std::uint64_t word(const char* at) {
    std::uint64_t value;
    std::memcpy(&value, at, 8);
    return value;
  }
  // Both halves of the 128-bit product. Once, it leaves texts that differ in two places alike in single bits: that they
  // differ in the one changes such a bit whatever the other is.
  static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }

  std::uint64_t seed_;
};

}  // namespace shoal::base
