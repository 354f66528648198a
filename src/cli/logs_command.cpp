#include <fnmatch.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <deque>
#include <ostream>
#include <thread>

#include "base/log_text.hpp"
#include "cli/commands.hpp"
#include "cli/log_merge.hpp"
#include "config/schema.hpp"

namespace shoal::cli {
namespace {

// Also how long a line may wait for earlier ones of other logs.
constexpr std::chrono::milliseconds kPoll{100};

struct Log {
  std::string name;
  std::string path;
  bool named = true;  // not found by a pattern
};

std::string stamp_of(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc)};
}

bool is_pattern(const std::string& name) { return name.find_first_of("*?[") != std::string::npos; }

/// The logs that were asked for, each once; or nothing after saying what is wrong.
std::optional<std::vector<Log>> find_logs(Context& context, const LogsOptions& options) {
  const auto config = context.load_config(config::UsersFiles::may_be_missing);
  if (!config) return std::nullopt;
  std::vector<Log> logs;
  const auto add = [&](const std::string& name, const std::string& path, bool named) {
    const auto same = [&](const Log& log) { return log.name == name; };
    if (std::none_of(logs.begin(), logs.end(), same)) logs.push_back({name, path, named});
  };
  const auto matching = [&](const char* pattern) {
    bool any = false;
    for (const auto& instance : config->instances) {
      if (::fnmatch(pattern, instance.name.c_str(), 0) != 0) continue;
      add(instance.name, instance.options.log.file, false);
      any = true;
    }
    return any;
  };
  for (const std::string& name : options.names) {
    if (name == "controller") {
      add(name, config->controller_log(), true);
    } else if (is_pattern(name)) {
      if (!matching(name.c_str())) {
        context.fail(kNoSuchInstance, "no instance in " + config->file + " matches " + config::in_quotes(name));
        return std::nullopt;
      }
    } else if (const auto* instance = context.find_instance(*config, name)) {
      add(name, instance->options.log.file, true);
    } else {
      return std::nullopt;
    }
  }
  if (options.all) {
    matching("*");
    add("controller", config->controller_log(), false);
  }
  return logs;
}

/// Prints lines that are wanted, with the log's name in front when there are several.
class Printer {
 public:
  Printer(Context& context, const std::vector<Log>& logs, std::optional<std::string> since, const LogsOptions& options)
      : context_(context), since_(std::move(since)), level_(base::log_level_from(options.level)) {
    std::size_t width = 0;
    for (const Log& log : logs) width = std::max(width, log.name.size());
    for (const Log& log : logs)
      prefixes_.push_back(logs.size() == 1 ? "" : log.name + std::string(width - log.name.size(), ' ') + " | ");
  }

  bool wanted(const LogLine& line) const {
    return (!since_ || line.stamp >= *since_) && (!level_ || line.level >= *level_);
  }
  void print(const MergedLine& line) const {
    // An object says itself whose it is.
    context_.out << (line.line.json ? "" : prefixes_[line.log]) << line.line.text << '\n';
  }

 private:
  Context& context_;
  std::optional<std::string> since_;
  std::optional<LogLevel> level_;
  std::vector<std::string> prefixes_;
};

void show_past(std::vector<LogReader>& readers, const Printer& printer, std::optional<std::size_t> most) {
  LogMerge merge(readers);
  std::deque<MergedLine> last;
  while (auto line = merge.next()) {
    if (!printer.wanted(line->line)) continue;
    if (!most) {
      printer.print(*line);
      continue;
    }
    last.push_back(std::move(*line));
    if (last.size() > *most) last.pop_front();
  }
  for (const MergedLine& line : last) printer.print(line);
}

void follow(Context& context, std::vector<LogReader>& readers, const Printer& printer) {
  LogWindow window;
  while (context.exit_code == kDone && context.out) {
    std::this_thread::sleep_for(kPoll);
    for (std::size_t i = 0; i < readers.size(); ++i) {
      while (auto line = readers[i].next()) {
        if (!printer.wanted(*line)) continue;
        if (readers.size() == 1) printer.print({i, std::move(*line)});
        else window.add({i, std::move(*line)});
      }
    }
    for (const MergedLine& line : window.end_round()) printer.print(line);
    context.out << std::flush;
  }
}

/// Every log is some files.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

std::optional<std::string> since_text(const std::string& since, std::chrono::system_clock::time_point now) {
  if (since.size() >= 4 && since.size() <= kStampSize &&
      since.find_first_not_of("0123456789-T:.Z") == std::string::npos) {
    return since;
  }
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(since.data(), since.data() + since.size(), count);
  if (error != std::errc() || end + 1 != since.data() + since.size()) return std::nullopt;
  switch (*end) {
    case 's': return stamp_of(now - std::chrono::seconds(count));
    case 'm': return stamp_of(now - std::chrono::minutes(count));
    case 'h': return stamp_of(now - std::chrono::hours(count));
    case 'd': return stamp_of(now - std::chrono::hours(24) * count);
    default: return std::nullopt;
  }
}

void show_logs(Context& context, const LogsOptions& options) {
  std::optional<std::string> since;
  if (!options.since.empty()) {
    since = since_text(options.since, std::chrono::system_clock::now());
    if (!since) {
      return context.fail(
          kUsage, "--since takes 90s, 10m, 2h, 3d or a UTC time such as 2025-01-31T10:30, not " + options.since);
    }
  }
  const auto logs = find_logs(context, options);
  if (!logs) return;
  raise_descriptor_limit();
  std::vector<LogReader> readers;
  for (const Log& log : *logs) {
    const int error = readers.emplace_back(log.path).open(since);
    if (error == 0 || (error == ENOENT && (options.follow || !log.named))) continue;  // it may come
    context.fail(kFailed, "the log " + log.path + " cannot be read: " + std::strerror(error));
  }
  const Printer printer(context, *logs, since, options);
  show_past(readers, printer, options.lines);
  context.out << std::flush;
  if (options.follow) follow(context, readers, printer);
}

void set_log_level(Context& context, const std::string& name, const std::string& level) {
  const auto path = context.instance_path(name);
  if (!path) return;
  const std::string body = R"({"level":")" + level + "\"}";
  if (!context.call("PUT", *path + "/log-level", std::chrono::seconds(10), body)) return;
  context.out << name << " logs " << (level == "off" ? "nothing" : "from " + level + " on") << '\n';
}

}  // namespace shoal::cli
