#include "packet_cases/packet_case.hpp"

#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "mqtt/varint.hpp"

namespace shoal::packet_cases {
namespace {

[[noreturn]] void broken(std::string_view notation) {
  std::fprintf(stderr, "broken notation: %.*s\n", static_cast<int>(notation.size()), notation.data());
  std::abort();
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Reads up to the end or the closing parenthesis of its level.
class Parser {
 public:
  explicit Parser(std::string_view notation) : notation_(notation) {}

  std::vector<std::uint8_t> run(bool nested) {
    std::vector<std::uint8_t> bytes;
    while (at_ < notation_.size()) {
      const char c = notation_[at_++];
      if (c == ' ' || c == '|') continue;
      if (c == ')' && nested) return bytes;
      if (c == '(') {
        const auto inside = run(true);
        std::uint8_t length[4];
        bytes.insert(bytes.end(), length, mqtt::write_varint(length, static_cast<std::uint32_t>(inside.size())));
        bytes.insert(bytes.end(), inside.begin(), inside.end());
      } else if (c == '\'') {
        const std::string_view text = quoted();
        bytes.insert(bytes.end(), text.begin(), text.end());
      } else if (c == 's' && at_ < notation_.size() && notation_[at_] == '\'') {
        ++at_;
        const std::string_view text = quoted();
        bytes.push_back(static_cast<std::uint8_t>(text.size() >> 8));
        bytes.push_back(static_cast<std::uint8_t>(text.size()));
        bytes.insert(bytes.end(), text.begin(), text.end());
      } else if (digit(c) >= 0 && at_ < notation_.size() && digit(notation_[at_]) >= 0) {
        bytes.push_back(static_cast<std::uint8_t>(digit(c) << 4 | digit(notation_[at_++])));
      } else {
        broken(notation_);
      }
    }
    if (nested) broken(notation_);
    return bytes;
  }

 private:
  std::string_view quoted() {
    const std::size_t end = notation_.find('\'', at_);
    if (end == std::string_view::npos) broken(notation_);
    const std::string_view text = notation_.substr(at_, end - at_);
    at_ = end + 1;
    return text;
  }

  std::string_view notation_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::uint8_t> to_bytes(std::string_view notation) { return Parser(notation).run(false); }

std::vector<mqtt::Version> versions_of(const PacketCase& packet) {
  std::vector<mqtt::Version> versions;
  if ((packet.versions & k31) != 0) versions.push_back(mqtt::Version::v3_1);
  if ((packet.versions & k311) != 0) versions.push_back(mqtt::Version::v3_1_1);
  if ((packet.versions & k5) != 0) versions.push_back(mqtt::Version::v5);
  return versions;
}

std::vector<PacketCase> all() {
  std::vector<PacketCase> table;
  for (const auto& part : {connect_cases(), publish_cases(), subscribe_cases(), property_cases(), header_cases()}) {
    table.insert(table.end(), part.begin(), part.end());
  }
  return table;
}

}  // namespace shoal::packet_cases
