#include "base/log.hpp"

#include <fmt/format.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/pattern_formatter.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#include "base/log_file.hpp"

namespace shoal::base {
namespace {

constexpr auto kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %v";
constexpr auto kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v})";

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

// What sd-daemon(3) calls them.
std::string_view priority(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "<7>";
    case LogLevel::info: return "<6>";
    case LogLevel::warn: return "<4>";
    case LogLevel::error:
    case LogLevel::off: break;
  }
  return "<3>";
}

// systemd.exec(5), $JOURNAL_STREAM
bool is_journal(int fd) {
  const char* const journal = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  return journal != nullptr && ::fstat(fd, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == journal;
}

}  // namespace

struct Log::Impl {
  struct Output {
    LogFile file;
    bool shared = false;   // with others: lines say whose they are
    bool journal = false;  // which takes the level from the line's beginning
  };

  explicit Impl(const LogOptions& options, std::string_view name)
      : instance(name),
        format(options.format),
        sink(options.sink),
        on_trouble(options.on_trouble),
        formatter(format == LogFormat::json ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc) {}

  ~Impl() {
    on_trouble = {};
    flush();
  }

  void write(Output& output, LogLevel level, std::string_view phrase, Fields fields);
  void report_lost(Output& output);
  void watch();
  void flush();

  std::mutex mutex;  // of everything below, but for `unflushed`
  std::atomic<bool> unflushed = false;
  std::string instance;
  LogFormat format;
  std::function<void(const LogRecord&)> sink;
  std::function<void(std::string_view)> on_trouble;
  spdlog::pattern_formatter formatter;
  std::vector<Output> outputs;
  // Reused, so that a line costs no allocation once they have grown.
  std::string line;
  spdlog::memory_buf_t formatted;
  std::uint64_t reported_lost = 0;
  bool troubled = false;
};

Log::Log() = default;
Log::~Log() = default;
Log::Log(Log&&) noexcept = default;
Log& Log::operator=(Log&&) noexcept = default;

Result<Log> Log::open(const LogOptions& options, std::string_view instance) {
  Log log;
  log.impl_ = std::make_shared<Impl>(options, instance);
  if (!options.file.empty()) {
    auto file =
        LogFile::open({.path = options.file, .bytes_max = options.file_bytes_max, .keep = options.old_files_max});
    if (!file) return std::move(file).error();
    log.impl_->outputs.push_back({std::move(*file)});
  }
  if (options.fd >= 0) {
    auto file = LogFile::on(options.fd);
    if (!file) return std::move(file).error();
    log.impl_->outputs.push_back({std::move(*file), true, is_journal(options.fd)});
  }
  log.level_ = log.impl_->outputs.empty() && !options.sink ? LogLevel::off : options.level;
  log.impl_->watch();
  return log;
}

Log Log::share() const {
  Log log;
  log.impl_ = impl_;
  log.level_ = level_;
  return log;
}

void Log::write(LogLevel level, std::string_view phrase, Fields fields) {
  if (!impl_) return;
  const std::lock_guard lock(impl_->mutex);
  if (impl_->sink) {
    impl_->line.clear();
    append_text_line(impl_->line, phrase, fields);
    impl_->sink({level, impl_->instance, impl_->line});
  }
  for (Impl::Output& output : impl_->outputs) {
    if (output.file.lost() > 0) {
      output.file.retry();
      impl_->report_lost(output);
    }
    impl_->write(output, level, phrase, fields);
  }
  impl_->unflushed.store(true, std::memory_order_relaxed);
  if (level >= LogLevel::error) impl_->flush();
}

void Log::Impl::write(Output& output, LogLevel level, std::string_view phrase, Fields fields) {
  line.clear();
  if (format == LogFormat::json) {
    ((line += "\"level\":\"") += to_string(level)) += "\",\"instance\":";
    append_json(line, instance);
    line += ',';
    append_json_members(line, phrase, fields);
  } else {
    line += label(level);
    if (output.shared) (line += instance) += ": ";
    append_text_line(line, phrase, fields);
  }
  formatted.clear();
  if (output.journal) formatted.append(priority(level));
  formatter.format({{}, instance, spdlog::level::info, line}, formatted);
  output.file.append({formatted.data(), formatted.size()});
}

void Log::Impl::report_lost(Output& output) {
  const std::uint64_t lost = output.file.take_lost();
  if (lost == 0) return;
  reported_lost += lost;
  write(output, LogLevel::error, "log lines lost", {{"count", lost}});
  output.file.flush();
}

/// Tells when it has begun or ended that lines cannot be written.
void Log::Impl::watch() {
  std::string trouble;
  for (const Output& output : outputs)
    if (trouble.empty()) trouble = output.file.trouble();
  if (troubled == !trouble.empty()) return;
  troubled = !troubled;
  if (on_trouble) on_trouble(trouble);
}

void Log::flush() {
  if (!impl_ || !impl_->unflushed.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(impl_->mutex);
  impl_->flush();
}

void Log::Impl::flush() {
  unflushed.store(false, std::memory_order_relaxed);
  bool waited = false;
  for (Output& output : outputs) {
    if (!output.file.waiting()) continue;
    waited = true;
    output.file.flush();
    report_lost(output);
  }
  if (waited) watch();
}

void Log::retry() {
  if (!impl_) return;
  const std::lock_guard lock(impl_->mutex);
  for (Impl::Output& output : impl_->outputs) {
    output.file.retry();
    impl_->report_lost(output);
  }
  impl_->watch();
}

Result<void> Log::reopen() {
  Result<void> reopened;
  if (!impl_) return reopened;
  const std::lock_guard lock(impl_->mutex);
  for (Impl::Output& output : impl_->outputs) {
    if (auto result = output.file.reopen(); !result) reopened = std::move(result);
    impl_->report_lost(output);
  }
  impl_->watch();
  return reopened;
}

std::string Log::trouble() const {
  std::string all;
  if (!impl_) return all;
  const std::lock_guard lock(impl_->mutex);
  for (const Impl::Output& output : impl_->outputs) {
    const std::string trouble = output.file.trouble();
    if (!trouble.empty()) (all += all.empty() ? "" : "; ") += trouble;
  }
  return all;
}

std::uint64_t Log::lost() const {
  if (!impl_) return 0;
  const std::lock_guard lock(impl_->mutex);
  std::uint64_t lost = impl_->reported_lost;
  for (const Impl::Output& output : impl_->outputs) lost += output.file.lost();
  return lost;
}

}  // namespace shoal::base
