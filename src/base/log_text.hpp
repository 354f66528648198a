#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "shoal/options.hpp"

namespace shoal::base {

/// `key=value` behind a log phrase. Text is quoted and escaped when it needs to be, so that a
/// hostile client id cannot forge a line.
struct Field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double> value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, double v) : key(k), value(v) {}
  template <class T>
  requires std::is_integral_v<T> Field(std::string_view k, T v) : key(k) {
    if constexpr (std::is_signed_v<T>) value = static_cast<std::int64_t>(v);
    else value = static_cast<std::uint64_t>(v);
  }
};

using Fields = std::initializer_list<Field>;

/// Appends `text` to `out`: as it is when it is plain, else in double quotes with \\ \" \n \xNN. The result is UTF-8
/// whatever the text is, and has nothing that terminals and readers of lines might take for more than a character.
void append_quoted(std::string& out, std::string_view text);

/// Appends `text` as a JSON string in quotes. The result is UTF-8 whatever the text is: bytes that are not become
/// U+FFFD. Escaped is the same as in text.
void append_json(std::string& out, std::string_view text);

/// Appends `PHRASE key=value …`. Every text is cut at 512 bytes, and at less where the whole would get longer than
/// 3.9 KB.
void append_text_line(std::string& out, std::string_view phrase, Fields fields);

/// Appends `"message":PHRASE` and, when there are any, `,"fields":{…}`, cut in the same way.
void append_json_members(std::string& out, std::string_view phrase, Fields fields);

/// As in the configuration: `debug`, `info`, `warn`, `error`, `off`.
std::string_view to_string(LogLevel level);
/// The level of that name.
std::optional<LogLevel> log_level_from(std::string_view name);

}  // namespace shoal::base
