#include "base/log.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <utility>

namespace shoal::base {
namespace {

constexpr auto kPattern = "%Y-%m-%dT%H:%M:%S.%eZ %v";

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::off: break;
  }
  return spdlog::level::off;
}

bool plain(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= 0x20 || u == 0x7f || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
}

// A client id may have 64 KiB, and a client may connect a thousand times a second.
void append_text(std::string& line, std::string_view text) {
  constexpr std::size_t kTextBytesMax = 512;
  std::size_t size = std::min(text.size(), kTextBytesMax);
  while (size < text.size() && size > 0 && (text[size] & 0xc0) == 0x80) --size;  // not within a character
  append_quoted(line, text.substr(0, size));
  if (size < text.size()) fmt::format_to(std::back_inserter(line), "(+{} bytes)", text.size() - size);
}

// The level as the configuration names it, so wide that phrases start in one column.
std::string_view label(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug ";
    case LogLevel::info: return "info  ";
    case LogLevel::warn: return "warn  ";
    case LogLevel::error: return "error ";
    case LogLevel::off: break;
  }
  return "      ";
}

std::unique_ptr<spdlog::formatter> formatter() {
  return std::make_unique<spdlog::pattern_formatter>(kPattern, spdlog::pattern_time_type::utc);
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  if (plain(text)) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') (out += '\\') += c;
    else if (c == '\n') out += "\\n";
    else if (u < 0x20 || u == 0x7f) fmt::format_to(std::back_inserter(out), "\\x{:02x}", u);
    else out += c;
  }
  out += '"';
}

struct Log::Impl {
  std::string instance;
  std::string file;
  std::function<void(const LogRecord&)> sink;
  spdlog::sink_ptr output;
  std::string line;  // reused, so that a line costs no allocation once it has grown
  bool unflushed = false;
};

Log::Log() = default;
Log::~Log() { flush(); }
Log::Log(Log&&) noexcept = default;
Log& Log::operator=(Log&&) noexcept = default;

Result<Log> Log::open(const LogOptions& options, std::string_view instance) {
  Log log;
  log.impl_ = std::make_unique<Impl>();
  log.impl_->instance = instance;
  log.impl_->file = options.file;
  log.impl_->sink = options.sink;
  log.level_ = options.file.empty() && !options.sink ? LogLevel::off : options.level;
  if (auto opened = log.reopen(); !opened) return std::move(opened).error();
  return log;
}

Log Log::to_stderr(LogLevel level) {
  Log log;
  log.impl_ = std::make_unique<Impl>();
  log.impl_->output = std::make_shared<spdlog::sinks::stderr_sink_st>();
  log.impl_->output->set_formatter(formatter());
  log.level_ = level;
  return log;
}

Result<void> Log::reopen() {
  if (!impl_ || impl_->file.empty()) return {};
  try {
    auto output = std::make_shared<spdlog::sinks::basic_file_sink_st>(impl_->file);
    output->set_formatter(formatter());
    flush();
    impl_->output = std::move(output);
  } catch (const spdlog::spdlog_ex& e) {
    return Error{ErrorCode::io, fmt::format("log file: {}", e.what())};
  }
  return {};
}

void Log::write(LogLevel level, std::string_view phrase, Fields fields) {
  if (!impl_) return;
  std::string& line = impl_->line;
  line.assign(label(level)).append(phrase);
  for (const Field& field : fields) {
    ((line += ' ') += field.key) += '=';
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>) append_text(line, value);
          else fmt::format_to(std::back_inserter(line), "{}", value);
        },
        field.value);
  }
  if (impl_->sink) impl_->sink({level, impl_->instance, std::string_view(line).substr(label(level).size())});
  if (!impl_->output) return;
  try {
    impl_->output->log({{}, impl_->instance, to_spdlog(level), line});
    impl_->unflushed = true;
    if (level >= LogLevel::error) flush();
  } catch (const spdlog::spdlog_ex&) {
    // A full disk must not stop the instance; the line is lost, the sink was told.
  }
}

void Log::flush() {
  if (!impl_ || !impl_->unflushed || !impl_->output) return;
  impl_->unflushed = false;
  try {
    impl_->output->flush();
  } catch (const spdlog::spdlog_ex&) {
  }
}

}  // namespace shoal::base
