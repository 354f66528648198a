#include "cli/printable.hpp"

#include <algorithm>
#include <cstdint>

namespace shoal::cli {
namespace {

constexpr char kDigits[] = "0123456789ABCDEF";

struct Character {
  std::uint32_t code = 0;
  std::size_t size = 0;  // 0: no UTF-8
};

// The one at the beginning; `text` is not empty.
Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (lead >= 0x80 && (lead < 0xc2 || lead > 0xf4)) return {};
  if (text.size() < size) return {};
  std::uint32_t code = size == 1 ? lead : lead & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kLeast[size] || surrogate || code > 0x10ffff ? Character{} : Character{code, size};
}

// Line and paragraph ends, marks and overrides of direction, characters without a width.
bool is_deceptive(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c ||
         (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_of(text);
    const std::string_view bytes = text.substr(0, std::max<std::size_t>(character.size, 1));
    text.remove_prefix(bytes.size());
    if (bytes == "\\") {
      out += "\\\\";
    } else if (character.size == 0 || character.code < 0x20 || character.code == 0x7f) {
      const auto byte = static_cast<unsigned char>(bytes[0]);
      ((out += "\\x") += kDigits[byte >> 4]) += kDigits[byte & 15];
    } else if (is_deceptive(character.code)) {
      std::string digits;
      for (std::uint32_t rest = character.code; rest != 0; rest >>= 4)
        digits.insert(digits.begin(), kDigits[rest & 15]);
      out += "\\u{" + digits + '}';
    } else {
      out += bytes;
    }
  }
  return out;
}

}  // namespace shoal::cli
