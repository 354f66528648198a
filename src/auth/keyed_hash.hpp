#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace shoal::auth {

/// HMAC-SHA256 (RFC 2104, FIPS 198-1) with one key. Holds no heap memory; wiped when it goes. Any
/// thread.
class KeyedHash {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  explicit KeyedHash(std::span<const std::uint8_t> key);
  /// With a key of random bytes. Waits for the system's entropy, at boot only.
  static KeyedHash with_random_key();
  ~KeyedHash();

  /// The hash of the parts one behind the other; the caller keeps their borders apart.
  Digest operator()(std::initializer_list<std::string_view> parts) const;

 private:
  static constexpr std::size_t kBlockBytes = 64;
  std::array<std::uint8_t, kBlockBytes> inner_pad_{};
  std::array<std::uint8_t, kBlockBytes> outer_pad_{};
};

}  // namespace shoal::auth
