#include "auth/encoded_hash.hpp"

#include <charconv>

namespace shoal::auth {
namespace {

constexpr std::size_t kEncodedBytesMax = 512;
constexpr std::string_view kPrefix = "$argon2id$v=19$";
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_base64(std::string& out, const std::vector<std::uint8_t>& bytes) {
  unsigned pool = 0;
  unsigned bits = 0;
  for (const std::uint8_t byte : bytes) {
    pool = pool << 8 | byte;
    for (bits += 8; bits >= 6; bits -= 6) out += kDigits[pool >> (bits - 6) & 63];
  }
  if (bits != 0) out += kDigits[pool << (6 - bits) & 63];
}

/// Reads an encoded hash from the left and remembers where it stopped.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  std::size_t offset() const { return offset_; }
  bool at_end() const { return offset_ == text_.size(); }

  bool take(std::string_view expected) {
    if (text_.substr(offset_, expected.size()) != expected) return false;
    offset_ += expected.size();
    return true;
  }

  /// Decimal without sign or leading zeros: one way to write one number.
  bool take_number(std::uint32_t& value) {
    const char* first = text_.data() + offset_;
    const char* last = text_.data() + text_.size();
    const auto [end, error] = std::from_chars(first, last, value);
    if (error != std::errc() || (*first == '0' && end - first > 1)) return false;
    offset_ += static_cast<std::size_t>(end - first);
    return true;
  }

  /// Base64 without padding that stands for `min` to `max` bytes.
  bool take_base64(std::vector<std::uint8_t>& bytes, std::size_t min, std::size_t max) {
    bytes.clear();
    unsigned pool = 0;
    unsigned bits = 0;
    std::size_t end = offset_;
    for (; end < text_.size(); ++end) {
      const std::size_t digit = kDigits.find(text_[end]);
      if (digit == std::string_view::npos) break;
      pool = (pool << 6 | static_cast<unsigned>(digit)) & 0xffff;
      if ((bits += 6) < 8) continue;
      bits -= 8;
      bytes.push_back(static_cast<std::uint8_t>(pool >> bits));
    }
    const bool whole = bits < 6 && (pool & ((1u << bits) - 1)) == 0;
    if (!whole || bytes.size() < min || bytes.size() > max) return false;
    offset_ = end;
    return true;
  }

 private:
  std::string_view text_;
  std::size_t offset_ = 0;
};

}  // namespace

std::optional<HashProblem> EncodedHash::parse(std::string_view encoded) {
  Cursor at(encoded);
  const auto problem = [&at](std::string message) { return HashProblem{at.offset(), std::move(message)}; };
  if (encoded.size() > kEncodedBytesMax) return problem("the hash is longer than 512 bytes");
  if (!at.take(kPrefix)) return problem("this is not an argon2id hash ($argon2id$v=19$m=...,t=...,p=...$salt$hash)");
  if (!at.take("m=") || !at.take_number(cost.memory_kib)) return problem("expected m=KIB, the hash's memory");
  if (cost.memory_kib > kHashCostMax.memory_kib) return problem("the hash asks for more than 65536 KiB of memory (m)");
  if (!at.take(",t=") || !at.take_number(cost.passes)) return problem("expected ,t=PASSES");
  if (cost.passes < 1 || cost.passes > kHashCostMax.passes) return problem("the hash's passes (t) must be 1 to 16");
  if (!at.take(",p=") || !at.take_number(cost.lanes)) return problem("expected ,p=LANES");
  if (cost.lanes < 1 || cost.lanes > kHashCostMax.lanes) return problem("the hash's lanes (p) must be 1 to 4");
  if (cost.memory_kib < 8 * cost.lanes)
    return problem("the hash's memory (m) must be at least 8 KiB for each lane (p)");
  if (!at.take("$") || !at.take_base64(salt, 8, 64)) {
    return problem("expected $SALT, 8 to 64 bytes in base64 without padding");
  }
  if (!at.take("$") || !at.take_base64(hash, 16, 64)) {
    return problem("expected $HASH, 16 to 64 bytes in base64 without padding");
  }
  if (!at.at_end()) return problem("unexpected text behind the hash");
  return {};
}

std::string EncodedHash::text() const {
  std::string out(kPrefix);
  out += "m=" + std::to_string(cost.memory_kib) + ",t=" + std::to_string(cost.passes) +
         ",p=" + std::to_string(cost.lanes) + '$';
  append_base64(out, salt);
  out += '$';
  append_base64(out, hash);
  return out;
}

}  // namespace shoal::auth
