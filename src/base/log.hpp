#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/log_text.hpp"
#include "shoal/options.hpp"
#include "shoal/result.hpp"

namespace shoal::base {

/// The log of one instance or of the controller: one line per event, a constant phrase and fields, at most 4,096 bytes.
/// UTC times. Used by one thread at a time; other threads have a `share`. Lines reach the file with `flush()`, which the owner calls once per turn,
/// or at once when they are errors. Never waits and never fails: see `LogOptions`.
class Log {
 public:
  /// Silent.
  Log();
  ~Log();
  Log(Log&&) noexcept;
  Log& operator=(Log&&) noexcept;

  /// Opens the file (append; made when missing). A full disk is `trouble`, and may pass. Error: the file or descriptor
  /// cannot be written for another reason.
  static Result<Log> open(const LogOptions& options, std::string_view instance);

  /// The same log for another thread, with a level of its own.
  Log share() const;

  LogLevel level() const { return level_; }
  bool enabled(LogLevel level) const { return level >= level_ && level != LogLevel::off; }
  void set_level(LogLevel level) { level_ = level; }

  void write(LogLevel level, std::string_view phrase, Fields fields);
  void debug(std::string_view phrase, Fields fields = {}) { log(LogLevel::debug, phrase, fields); }
  void info(std::string_view phrase, Fields fields = {}) { log(LogLevel::info, phrase, fields); }
  void warn(std::string_view phrase, Fields fields = {}) { log(LogLevel::warn, phrase, fields); }
  void error(std::string_view phrase, Fields fields = {}) { log(LogLevel::error, phrase, fields); }

  /// Hands buffered lines to the system. Cheap when there are none.
  void flush();
  /// Tries again what failed; for when somebody asks how things are.
  void retry();
  /// Closes the file and opens it again by name. Error: it cannot be opened; lines go on to the old one.
  Result<void> reopen();

  /// Why lines cannot be written, or the file not be rotated; empty when all is well.
  std::string trouble() const;
  /// Lines that were not written, ever.
  std::uint64_t lost() const;

 private:
  void log(LogLevel level, std::string_view phrase, Fields fields) {
    if (enabled(level)) write(level, phrase, fields);
  }

  struct Impl;
  std::shared_ptr<Impl> impl_;
  LogLevel level_ = LogLevel::off;
};

}  // namespace shoal::base
