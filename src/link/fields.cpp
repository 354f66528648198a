#include "link/fields.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>
#include <type_traits>

#include "base/log_text.hpp"
#include "link/worker_page.hpp"

namespace shoal::link {
namespace {

// The names of enum values on the wire, in the order of the enum.
constexpr std::string_view kQueueFullNames[] = {"drop_new", "drop_old", "disconnect"};
constexpr std::string_view kPersistenceNames[] = {"none", "crash_safe", "power_safe"};
constexpr std::string_view kLogLevelNames[] = {"debug", "info", "warn", "error", "off"};
constexpr std::string_view kLogFormatNames[] = {"text", "json"};
constexpr std::string_view kLogToStdout = "log.stdout";
const std::string kUse = "use.";
const std::string kPeak = "peak.";

std::span<const std::string_view> names_of(QueueFull) { return kQueueFullNames; }
std::span<const std::string_view> names_of(Persistence) { return kPersistenceNames; }
std::span<const std::string_view> names_of(LogLevel) { return kLogLevelNames; }
std::span<const std::string_view> names_of(LogFormat) { return kLogFormatNames; }

/// All there is to an option: its name on the wire and its place.
template <class Options, class Visit>
void for_each_option(Options& o, Visit&& visit) {
  visit("name", o.name);
  visit("auth.anonymous", o.auth.anonymous);
  visit("auth.users_file", o.auth.users_file);
  visit("threads", o.threads);
  visit("queue_full", o.queue_full);
  visit("persistence", o.persistence);
  visit("store_dir", o.store_dir);
  visit("sys_interval_s", o.sys_interval_s);
  visit("response_information", o.response_information);
  visit("log.level", o.log.level);
  visit("log.format", o.log.format);
  visit("log.file", o.log.file);
  visit("log.file_bytes_max", o.log.file_bytes_max);
  visit("log.old_files_max", o.log.old_files_max);
  auto& l = o.limits;
  visit("limits.connections", l.connections);
  visit("limits.connects_per_second", l.connects_per_second);
  visit("limits.half_open", l.half_open);
  visit("limits.connect_timeout_s", l.connect_timeout_s);
  visit("limits.packet_size_bytes", l.packet_size_bytes);
  visit("limits.receive_maximum", l.receive_maximum);
  visit("limits.inflight", l.inflight);
  visit("limits.queued_messages", l.queued_messages);
  visit("limits.queued_bytes", l.queued_bytes);
  visit("limits.queued_bytes_total", l.queued_bytes_total);
  visit("limits.sessions", l.sessions);
  visit("limits.session_expiry_s", l.session_expiry_s);
  visit("limits.subscriptions", l.subscriptions);
  visit("limits.retained_messages", l.retained_messages);
  visit("limits.retained_bytes", l.retained_bytes);
  visit("limits.topic_levels", l.topic_levels);
  visit("limits.topic_bytes", l.topic_bytes);
  visit("limits.topic_aliases", l.topic_aliases);
  visit("limits.keep_alive_max_s", l.keep_alive_max_s);
  visit("limits.queued_bytes_connected", l.queued_bytes_connected);
  visit("limits.output_bytes", l.output_bytes);
  visit("limits.output_bytes_total", l.output_bytes_total);
  visit("limits.input_bytes_total", l.input_bytes_total);
  visit("limits.store_queue_bytes", l.store_queue_bytes);
  visit("limits.subscription_bytes", l.subscription_bytes);
  visit("limits.client_id_bytes", l.client_id_bytes);
  visit("limits.messages_in_per_second", l.messages_in_per_second);
  visit("limits.bytes_in_per_second", l.bytes_in_per_second);
  visit("limits.messages_out_per_second", l.messages_out_per_second);
  visit("limits.bytes_out_per_second", l.bytes_out_per_second);
  visit("limits.client_messages_per_second", l.client_messages_per_second);
  visit("limits.client_bytes_per_second", l.client_bytes_per_second);
}

/// The same for a counter; a histogram is one field, too.
template <class S, class Visit>
void for_each_counter(S& s, Visit&& visit) {
  visit("connections_now", s.connections_now);
  visit("connections_accepted", s.connections_accepted);
  visit("connections_refused", s.connections_refused);
  visit("connections_dropped", s.connections_dropped);
  visit("sessions_now", s.sessions_now);
  visit("subscriptions_now", s.subscriptions_now);
  visit("retained_now", s.retained_now);
  visit("retained_bytes_now", s.retained_bytes_now);
  visit("queued_messages_now", s.queued_messages_now);
  visit("queued_bytes_now", s.queued_bytes_now);
  visit("messages_received", s.messages_received);
  visit("messages_delivered", s.messages_delivered);
  visit("messages_dropped_slow", s.messages_dropped_slow);
  visit("messages_dropped_queue", s.messages_dropped_queue);
  visit("messages_dropped_size", s.messages_dropped_size);
  visit("messages_expired", s.messages_expired);
  visit("publishes_refused", s.publishes_refused);
  visit("bytes_received", s.bytes_received);
  visit("bytes_sent", s.bytes_sent);
  visit("auth_failures", s.auth_failures);
  visit("store_bytes_now", s.store_bytes_now);
  visit("store_live_now", s.store_live_now);
  visit("store_waiting_now", s.store_waiting_now);
  visit("store_batches", s.store_batches);
  visit("store_cleared", s.store_cleared);
  visit("store_absent_messages_now", s.store_absent_messages_now);
  visit("store_absent_bytes_now", s.store_absent_bytes_now);
  visit("store_read_back", s.store_read_back);
  visit("store_lost", s.store_lost);
  visit("store_errors", s.store_errors);
  visit("log_lines_lost", s.log_lines_lost);
  visit("cpu_us", s.cpu_us);
  for (std::size_t bound = 0; bound < kBounds; ++bound) {
    visit("limit_hits." + std::string(to_string(static_cast<Bound>(bound))), s.limit_hits[bound]);
  }
  visit("delivery_latency", s.delivery_latency);
  visit("ack_latency", s.ack_latency);
}

// Its sum, then its buckets, with blanks between.
std::string text_of(const Histogram& histogram) {
  std::string text = std::to_string(histogram.sum_ns);
  for (const std::uint64_t count : histogram.counts) (text += ' ') += std::to_string(count);
  return text;
}

// Empty when it has other buckets: a worker of another version.
Histogram histogram_from(std::string_view text) {
  std::array<std::uint64_t, 1 + Histogram::kBuckets> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && (at == end || *at++ != ' ')) return {};
    const auto [stop, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc()) return {};
    at = stop;
  }
  if (at != end) return {};
  Histogram histogram;
  histogram.sum_ns = numbers[0];
  std::copy(numbers.begin() + 1, numbers.end(), histogram.counts.begin());
  return histogram;
}

struct Writer {
  Message& message;

  void operator()(std::string_view key, const std::string& value) { message.add(key, std::string_view(value)); }
  void operator()(std::string_view key, bool value) { message.add(key, std::string_view(value ? "true" : "false")); }
  void operator()(std::string_view key, const Histogram& value) { message.add(key, std::string_view(text_of(value))); }
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) void operator()(std::string_view key, T value) { message.add(key, value); }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(std::string_view key, T value) { message.add(key, names_of(value)[static_cast<std::size_t>(value)]); }
};

struct Reader {
  const Message& message;
  std::string bad_key{};

  void operator()(std::string_view key, std::string& value) {
    if (message.has(key)) value = message.text(key);
  }
  void operator()(std::string_view key, bool& value) {
    if (!message.has(key)) return;
    const auto text = message.text(key);
    if (text != "true" && text != "false") bad_key = key;
    value = text == "true";
  }
  void operator()(std::string_view key, Histogram& value) { value = histogram_from(message.text(key)); }
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) void operator()(std::string_view key, T& value) {
    if (!message.has(key)) return;
    if (const auto number = message.number(key, std::numeric_limits<T>::max())) value = static_cast<T>(*number);
    else bad_key = key;
  }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(std::string_view key, T& value) {
    if (!message.has(key)) return;
    const auto names = names_of(value);
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] != message.text(key)) continue;
      value = static_cast<T>(i);
      return;
    }
    bad_key = key;
  }
};

}  // namespace

Message to_start(const BrokerOptions& options) {
  Message message(type::kStart);
  for_each_option(options, Writer{message});
  for (const ListenerOptions& listener : options.listeners) message.add("listener", std::string_view(listener.url));
  // Descriptors mean something within a process only; this one is the worker's own.
  if (options.log.fd == STDOUT_FILENO) message.add(kLogToStdout, std::string_view("true"));
  return message;
}

Message& add_worker_threads(Message& start, unsigned threads) { return start.add("worker_threads", threads); }

unsigned worker_threads(const Message& start) {
  unsigned threads = 1;
  const std::string_view text = start.text("worker_threads");
  std::from_chars(text.data(), text.data() + text.size(), threads);
  return std::clamp(threads, 1u, static_cast<unsigned>(WorkerPage::kReactorsMax));
}

Message to_change(const BrokerOptions& options, const std::vector<std::string>& kept) {
  Message message(type::kChange);
  for_each_option(options, Writer{message});
  for (const ListenerOptions& listener : options.listeners) {
    const bool stays = std::find(kept.begin(), kept.end(), listener.url) != kept.end();
    message.add(stays ? "kept-listener" : "listener", std::string_view(listener.url));
  }
  return message;
}

Result<BrokerOptions> options_from(const Message& start) {
  BrokerOptions options;
  Reader reader{start};
  for_each_option(options, reader);
  if (!reader.bad_key.empty()) {
    return Error{ErrorCode::invalid_argument, start.type() + " message: bad value of " + reader.bad_key};
  }
  for (const auto& [key, value] : start.fields())
    if (key == "listener" || key == "kept-listener") options.listeners.push_back({.url = value});
  if (start.text(kLogToStdout) == "true") options.log.fd = STDOUT_FILENO;
  return options;
}

Message to_set_log_level(std::string_view instance, LogLevel level) {
  return Message(type::kSet).add("name", instance).add("log.level", base::to_string(level));
}

std::optional<LogLevel> log_level_in(const Message& message) { return base::log_level_from(message.text("log.level")); }

Message to_message(const std::string& instance, const Stats& stats) {
  Message message(type::kStats);
  message.add("name", std::string_view(instance));
  if (!stats.alarm.empty()) message.add("alarm", std::string_view(stats.alarm));
  for_each_counter(stats, Writer{message});
  LimitUse::for_each(stats.use, [&](std::string_view limit, const Use& use) {
    message.add(kUse + std::string(limit), use.now).add(kPeak + std::string(limit), use.peak);
  });
  return message;
}

Stats stats_from(const Message& message) {
  Stats stats;
  stats.alarm = message.text("alarm");
  for_each_counter(stats, Reader{message});
  LimitUse::for_each(stats.use, [&](std::string_view limit, Use& use) {
    use.now = message.number(kUse + std::string(limit)).value_or(0);
    use.peak = message.number(kPeak + std::string(limit)).value_or(0);
  });
  return stats;
}

std::vector<std::pair<std::string, std::uint64_t>> named(const Stats& stats) {
  std::vector<std::pair<std::string, std::uint64_t>> all;
  for_each_counter(stats, [&]<class T>(std::string_view name, const T& value) {
    if constexpr (std::is_same_v<T, std::uint64_t>) all.emplace_back(name, value);
  });
  return all;
}

void add_totals(Stats& to, const Stats& more) {
  // The table visits the members of both in the same order.
  std::vector<std::uint64_t> numbers;
  std::vector<const Histogram*> histograms;
  for_each_counter(more, [&]<class T>(std::string_view, const T& value) {
    if constexpr (std::is_same_v<T, std::uint64_t>) numbers.push_back(value);
    else histograms.push_back(&value);
  });
  auto number = numbers.begin();
  auto histogram = histograms.begin();
  for_each_counter(to, [&]<class T>(std::string_view name, T& value) {
    if constexpr (std::is_same_v<T, Histogram>) {
      value.add(**histogram++);
    } else {
      if (!is_gauge(name)) value += *number;
      ++number;
    }
  });
}

}  // namespace shoal::link
