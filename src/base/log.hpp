#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "shoal/options.hpp"
#include "shoal/result.hpp"

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

/// Appends `text` to `out`: as it is when it is plain, else in double quotes with \\ \" \n \xNN.
void append_quoted(std::string& out, std::string_view text);

/// The log of one instance or of the controller: one line per event, a constant phrase and fields.
/// UTC times. Text is cut at 512 bytes. Used by one thread at a time. Lines reach the file with `flush()`, which the
/// owner calls once per turn, or at once when they are errors.
class Log {
 public:
  /// Silent.
  Log();
  ~Log();
  Log(Log&&) noexcept;
  Log& operator=(Log&&) noexcept;

  /// Opens the file (append; made when missing). Error: the file cannot be written.
  static Result<Log> open(const LogOptions& options, std::string_view instance);
  /// A log to standard error for programs that run in the foreground.
  static Log to_stderr(LogLevel level);

  bool enabled(LogLevel level) const { return level >= level_ && level != LogLevel::off; }
  void set_level(LogLevel level) { level_ = level; }

  void write(LogLevel level, std::string_view phrase, Fields fields);
  void debug(std::string_view phrase, Fields fields = {}) { log(LogLevel::debug, phrase, fields); }
  void info(std::string_view phrase, Fields fields = {}) { log(LogLevel::info, phrase, fields); }
  void warn(std::string_view phrase, Fields fields = {}) { log(LogLevel::warn, phrase, fields); }
  void error(std::string_view phrase, Fields fields = {}) { log(LogLevel::error, phrase, fields); }

  /// Hands buffered lines to the system. Cheap when there are none.
  void flush();
  /// Closes the file and opens it again by name.
  Result<void> reopen();

 private:
  void log(LogLevel level, std::string_view phrase, Fields fields) {
    if (enabled(level)) write(level, phrase, fields);
  }

  struct Impl;
  std::unique_ptr<Impl> impl_;
  LogLevel level_ = LogLevel::off;
};

}  // namespace shoal::base
