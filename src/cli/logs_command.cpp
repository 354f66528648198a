#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <functional>
#include <ostream>
#include <thread>

#include "base/unique_fd.hpp"
#include "cli/commands.hpp"

namespace shoal::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{200};
constexpr std::size_t kStampSize = std::string_view("2025-01-31T10:30:00.000Z").size();

struct Line {
  std::string stamp;  // of this line, or of the last one that had one
  std::string text;
};

bool has_stamp(std::string_view line) {
  return line.size() > kStampSize && line[4] == '-' && line[10] == 'T' && line[kStampSize - 1] == 'Z';
}

using Take = std::function<void(Line)>;

/// A log file that is read to its end again and again, also when it was rotated away or cut.
class Follower {
 public:
  Follower(std::string prefix, std::string path) : prefix_(std::move(prefix)), path_(std::move(path)) {}

  const std::string& path() const { return path_; }

  /// Hands out the whole lines that are new. 0, or why they cannot be read (errno).
  int read_new(const Take& take) {
    if (!fd_) open();
    if (!fd_) return errno;
    if (!read_rest(take)) return errno;
    struct stat named {
    }, held{};
    if (::stat(path_.c_str(), &named) != 0 || ::fstat(fd_.get(), &held) != 0) return 0;
    if (named.st_ino == held.st_ino && named.st_dev == held.st_dev) {
      if (held.st_size < offset_) offset_ = 0, partial_.clear();  // cut to reuse it
      return 0;
    }
    read_rest(take);  // what came between reading and looking
    open();
    if (fd_) read_rest(take);
    return 0;
  }

 private:
  void open() {
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    offset_ = 0;
    partial_.clear();
  }

  bool read_rest(const Take& take) {
    for (char chunk[65536];;) {
      const ssize_t got = ::pread(fd_.get(), chunk, sizeof chunk, offset_);
      if (got <= 0) return got == 0;
      offset_ += got;
      std::string_view rest(chunk, static_cast<std::size_t>(got));
      for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
        partial_ += rest.substr(0, end);
        if (has_stamp(partial_)) stamp_ = partial_.substr(0, kStampSize);
        take({stamp_, prefix_ + partial_});
        partial_.clear();
      }
      partial_ += rest;
    }
  }

  std::string prefix_;
  std::string path_;
  base::UniqueFd fd_;
  off_t offset_ = 0;
  std::string partial_;
  std::string stamp_;
};

std::string stamp_of(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc)};
}

/// The files of these names; `controller` is one too.
std::optional<std::vector<Follower>> followers(Context& context, const std::vector<std::string>& names) {
  const auto config = context.load_config(config::UsersFiles::may_be_missing);
  if (!config) return std::nullopt;
  std::size_t width = 0;
  for (const std::string& name : names) width = std::max(width, name.size());
  std::vector<Follower> files;
  for (const std::string& name : names) {
    const std::string prefix = names.size() == 1 ? "" : name + std::string(width - name.size(), ' ') + " | ";
    if (name == "controller" && config->find(name) == nullptr) {
      files.emplace_back(prefix, config->controller_log());
      continue;
    }
    const auto* instance = context.find_instance(*config, name);
    if (instance == nullptr) return std::nullopt;
    files.emplace_back(prefix, instance->options.log.file);
  }
  return files;
}

/// What the files hold already, by time.
void show_past(Context& context, std::vector<Follower>& files, const std::optional<std::string>& since,
               const LogsOptions& options) {
  const auto print = [&context](const Line& line) { context.out << line.text << '\n'; };
  const bool in_order = files.size() == 1 && !options.lines;
  std::vector<Line> lines;
  for (Follower& file : files) {
    const std::size_t first = lines.size();
    const int error = file.read_new([&](Line line) {
      if (since && line.stamp < *since) return;
      if (in_order) return print(line);
      lines.push_back(std::move(line));
      // Of each file the last lines are enough: a log may be larger than the memory.
      if (options.lines && lines.size() - first >= 2 * *options.lines + 1000) {
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(first),
                    lines.end() - static_cast<std::ptrdiff_t>(*options.lines));
      }
    });
    if (error == ENOENT && options.follow) continue;  // it may come
    if (error != 0) context.fail(kFailed, "the log " + file.path() + " cannot be read: " + std::strerror(error));
  }
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.stamp < b.stamp; });
  const std::size_t hidden = lines.size() - std::min(lines.size(), options.lines.value_or(lines.size()));
  std::for_each(lines.begin() + static_cast<std::ptrdiff_t>(hidden), lines.end(), print);
  context.out << std::flush;
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
  auto files = followers(context, options.names);
  if (!files) return;
  show_past(context, *files, since, options);
  while (options.follow && context.exit_code == kDone && context.out) {
    std::this_thread::sleep_for(kPoll);
    for (Follower& file : *files) file.read_new([&context](const Line& line) { context.out << line.text << '\n'; });
    context.out << std::flush;
  }
}

}  // namespace shoal::cli
