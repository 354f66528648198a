#include "base/log_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace shoal::base {
namespace {

constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error", "off"};

// A client id may have 64 KiB, and a client may connect a thousand times a second.
constexpr std::size_t kTextBytesMax = 512;
// A line up to 4,096 bytes goes through a pipe in one piece; keys, numbers and marks of what was cut need some.
constexpr std::size_t kLineBytesMax = 3'400;

/// Bytes of the character that `text` begins with; 0 when it does not begin with one. `code`: which one.
std::size_t character(std::string_view text, char32_t& code) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (size == 0 || size > text.size()) return 0;
  code = size == 1 ? first : first & (0x7f >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  const bool too_long = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  return too_long || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : size;
}

/// More than a character for some terminals, and the end of a line for some who read lines.
bool is_control(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

bool plain(std::string_view text) {
  if (text.empty()) return false;
  while (!text.empty()) {
    char32_t code = 0;
    const std::size_t size = character(text, code);
    if (size == 0 || is_control(code) || code == ' ' || code == '"' || code == '\\' || code == '=') return false;
    text.remove_prefix(size);
  }
  return true;
}

/// At most `size`, and not within a character.
std::size_t boundary(std::string_view text, std::size_t size) {
  if (size >= text.size()) return text.size();
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return size;
}

/// How much of `text` may be shown by `append` behind `line`.
template <class Append>
std::size_t shown(const std::string& line, std::string_view text, Append append) {
  std::size_t size = boundary(text, kTextBytesMax);
  std::string escaped;
  for (; size > 0; size = boundary(text, size / 2)) {
    if (line.size() + 6 * size <= kLineBytesMax) return size;  // however it is written
    escaped.clear();
    append(escaped, text.substr(0, size));
    if (line.size() + escaped.size() <= kLineBytesMax) return size;
  }
  return 0;
}

void append_cut_text(std::string& line, std::string_view text) {
  const std::size_t size = shown(line, text, append_quoted);
  append_quoted(line, text.substr(0, size));
  if (size < text.size()) fmt::format_to(std::back_inserter(line), "(+{} bytes)", text.size() - size);
}

void append_cut_json(std::string& line, std::string_view text) {
  const std::size_t size = shown(line, text, append_json);
  append_json(line, text.substr(0, size));
  if (size == text.size()) return;
  line.pop_back();
  fmt::format_to(std::back_inserter(line), "(+{} bytes)\"", text.size() - size);
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  if (plain(text)) {
    out += text;
    return;
  }
  out += '"';
  while (!text.empty()) {
    char32_t code = 0;
    const std::size_t size = character(text, code);
    const std::string_view bytes = text.substr(0, std::max<std::size_t>(size, 1));
    if (size > 0 && (code == '"' || code == '\\')) (out += '\\') += bytes;
    else if (size > 0 && code == '\n') out += "\\n";
    else if (size > 0 && !is_control(code)) out += bytes;
    else
      for (const char c : bytes) fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    text.remove_prefix(bytes.size());
  }
  out += '"';
}

void append_json(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    char32_t code = 0;
    const std::size_t size = character(text, code);
    if (size == 0) out += "\xef\xbf\xbd";
    else if (code == '"' || code == '\\') (out += '\\') += static_cast<char>(code);
    else if (code == '\n') out += "\\n";
    else if (is_control(code)) fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(code));
    else out += text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  out += '"';
}

void append_text_line(std::string& out, std::string_view phrase, Fields fields) {
  out += phrase;
  for (const Field& field : fields) {
    ((out += ' ') += field.key) += '=';
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>) append_cut_text(out, value);
          else fmt::format_to(std::back_inserter(out), "{}", value);
        },
        field.value);
  }
}

void append_json_members(std::string& out, std::string_view phrase, Fields fields) {
  out += "\"message\":";
  append_cut_json(out, phrase);
  if (fields.size() == 0) return;
  char before = '{';
  out += ",\"fields\":";
  for (const Field& field : fields) {
    out += std::exchange(before, ',');
    append_json(out, field.key);
    out += ':';
    std::visit(
        [&](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, std::string_view>) {
            append_cut_json(out, value);
          } else if constexpr (std::is_same_v<T, double>) {
            if (std::isfinite(value)) fmt::format_to(std::back_inserter(out), "{}", value);
            else out += "null";
          } else {
            fmt::format_to(std::back_inserter(out), "{}", value);
          }
        },
        field.value);
  }
  out += '}';
}

std::string_view to_string(LogLevel level) { return kLevels[static_cast<std::size_t>(level)]; }

std::optional<LogLevel> log_level_from(std::string_view name) {
  const auto found = std::find(std::begin(kLevels), std::end(kLevels), name);
  if (found == std::end(kLevels)) return std::nullopt;
  return static_cast<LogLevel>(found - std::begin(kLevels));
}

}  // namespace shoal::base
