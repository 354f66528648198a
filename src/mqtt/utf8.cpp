#include "mqtt/utf8.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace shoal::mqtt {
namespace {

// Length of the ASCII prefix without NUL, eight bytes at a time.
std::size_t plain_prefix(const char* text, std::size_t size) {
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text + i, 8);
    constexpr std::uint64_t kHigh = 0x8080808080808080u;
    if ((word & kHigh) != 0 || ((word - 0x0101010101010101u) & ~word & kHigh) != 0) break;
  }
  while (i < size && text[i] != 0 && (text[i] & 0x80) == 0) ++i;
  return i;
}

bool continuation(unsigned char byte) { return (byte & 0xc0) == 0x80; }

bool well_formed(std::string_view text, bool allow_nul) {
  std::size_t i = plain_prefix(text.data(), text.size());
  while (i < text.size()) {
    const auto at = [&](std::size_t n) { return static_cast<unsigned char>(text[i + n]); };
    const std::size_t left = text.size() - i;
    const unsigned char lead = at(0);
    if (lead == 0) {
      if (!allow_nul) return false;
      ++i;
    } else if (lead < 0x80) {
      ++i;
    } else if (lead >= 0xc2 && lead <= 0xdf) {
      if (left < 2 || !continuation(at(1))) return false;
      i += 2;
    } else if ((lead & 0xf0) == 0xe0) {
      if (left < 3 || !continuation(at(1)) || !continuation(at(2))) return false;
      if (lead == 0xe0 && at(1) < 0xa0) return false;   // overlong
      if (lead == 0xed && at(1) >= 0xa0) return false;  // surrogates
      i += 3;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      if (left < 4 || !continuation(at(1)) || !continuation(at(2)) || !continuation(at(3))) return false;
      if (lead == 0xf0 && at(1) < 0x90) return false;   // overlong
      if (lead == 0xf4 && at(1) >= 0x90) return false;  // above U+10FFFF
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

bool is_utf8_string(std::string_view text) { return well_formed(text, false); }

bool is_utf8_payload(std::string_view text) { return well_formed(text, true); }

}  // namespace shoal::mqtt
