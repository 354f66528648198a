#include "link/message.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace shoal::link {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else out += c;
  }
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    if (text[i] == '\\') out += '\\';
    else if (text[i] == 'n') out += '\n';
    else return std::nullopt;
  }
  return out;
}

Error malformed(const char* what) { return {ErrorCode::invalid_argument, std::string("not a message: ") + what}; }

}  // namespace

Message& Message::add(std::string_view key, std::string_view value) {
  assert(is_word(key));
  fields_.emplace_back(key, value);
  return *this;
}

std::string_view Message::text(std::string_view key) const {
  for (const auto& [name, value] : fields_)
    if (name == key) return value;
  return {};
}

std::optional<std::uint64_t> Message::number(std::string_view key, std::uint64_t max) const {
  const std::string_view digits = text(key);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || value > max) {
    return std::nullopt;
  }
  return value;
}

Message Message::as(std::string_view type) const {
  Message other(type);
  other.fields_ = fields_;
  return other;
}

bool Message::has(std::string_view key) const {
  return std::any_of(fields_.begin(), fields_.end(), [&](const auto& field) { return field.first == key; });
}

std::string Message::encode() const {
  std::string out = type_ + '\n';
  for (const auto& [key, value] : fields_) {
    (out += key) += '=';
    append_escaped(out, value);
    out += '\n';
  }
  return out;
}

Result<Message> Message::decode(std::string_view bytes) {
  if (bytes.size() > kMessageBytesMax) return malformed("too long");
  if (bytes.empty() || bytes.back() != '\n') return malformed("no end");
  const auto next_line = [&bytes] {
    const std::size_t end = bytes.find('\n');
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    return line;
  };
  const std::string_view type = next_line();
  if (!is_word(type)) return malformed("no type");
  Message message(type);
  while (!bytes.empty()) {
    const std::string_view line = next_line();
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || !is_word(line.substr(0, equals))) return malformed("no key");
    auto value = unescape(line.substr(equals + 1));
    if (!value) return malformed("bad escape");
    if (message.fields_.size() == kFieldsMax) return malformed("too many fields");
    message.fields_.emplace_back(line.substr(0, equals), std::move(*value));
  }
  return message;
}

}  // namespace shoal::link
