#include "config/schema.hpp"

#include <cassert>
#include <limits>
#include <type_traits>

#include "config/external.hpp"
#include "config/quantity.hpp"

namespace shoal::config {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;
constexpr std::uint64_t kRateMax = 1'000 * kMillion;
constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kTiB = 1ull << 40;
constexpr std::uint64_t kMax16 = std::numeric_limits<std::uint16_t>::max();
constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

/// A key of `limits`, whose default is that of the public API.
constexpr std::uint64_t kThreadsMax = 32;

template <auto Member>
Key limit(std::string_view path, Type type, std::uint64_t min, std::uint64_t max, std::string_view doc) {
  using Field = std::remove_cvref_t<decltype(Limits{}.*Member)>;
  assert(max <= std::numeric_limits<Field>::max());
  return {.scope = Scope::instance,
          .path = path,
          .type = type,
          .fallback = format_number(type, Limits{}.*Member),
          .doc = doc,
          .min = min,
          .max = max,
          .set_instance = [](InstanceConfig& instance, const Value& value) {
            instance.options.limits.*Member = static_cast<Field>(value.number);
          }};
}

Key folder(std::string_view path, std::string fallback, std::string_view doc, void (*set)(FleetConfig&, const Value&)) {
  return {.scope = Scope::fleet,
          .path = path,
          .type = Type::path,
          .fallback = std::move(fallback),
          .doc = doc,
          .set_fleet = set};
}

/// A key of a log: of an instance's, or the controller's.
template <auto Set>
Key log_key(Scope scope, Key key) {
  key.scope = scope;
  if (scope == Scope::fleet) key.set_fleet = [](FleetConfig& f, const Value& v) { Set(f.log, v); };
  else key.set_instance = [](InstanceConfig& i, const Value& v) { Set(i.options.log, v); };
  key.needs_restart = key.path != "log.level";
  return key;
}

/// A limit of a worker: of a shared one, or of an instance's own.
template <auto Member>
Key worker_limit(Scope scope, std::string_view path, Key key) {
  key.scope = scope;
  key.path = path;
  (scope == Scope::worker ? key.set_worker : key.set_instance) = [](InstanceConfig& i, const Value& v) {
    i.worker_limits.*Member = v.number;
  };
  return key;
}

std::vector<Key> worker_limits(Scope scope) {
  const bool shared = scope == Scope::worker;
  using W = WorkerLimits;
  return {
      worker_limit<&W::memory_bytes>(
          scope, shared ? "memory" : "worker_limits.memory",
          {.scope = scope,
           .path = "",
           .type = Type::size,
           .fallback = "",
           .doc =
               "Memory of the process: by a cgroup, else `RLIMIT_DATA` (what it has allocated). Then it ends, and is "
               "started again. Not written: no limit.",
           .min = 16 * kMiB,
           .max = kTiB}),
      worker_limit<&W::cpu_percent>(scope, shared ? "cpu_percent" : "worker_limits.cpu_percent",
                                    {.scope = scope,
                                     .path = "",
                                     .type = Type::integer,
                                     .fallback = "",
                                     .doc = "Its share of processor time, 100 for one core. Then it waits. By a cgroup "
                                            "only. Not written: no limit.",
                                     .min = 1,
                                     .max = 100'000}),
      worker_limit<&W::descriptors>(
          scope, shared ? "descriptors" : "worker_limits.descriptors",
          {.scope = scope,
           .path = "",
           .type = Type::integer,
           .fallback = "",
           .doc = "Open files and connections (`RLIMIT_NOFILE`). Then connects wait. Not written: what the controller "
                  "may have.",
           .min = 64,
           .max = kMillion})};
}

std::vector<Key> log_keys(Scope scope) {
  constexpr auto level = [](LogOptions& log, const Value& v) { log.level = static_cast<LogLevel>(v.number); };
  constexpr auto format = [](LogOptions& log, const Value& v) { log.format = static_cast<LogFormat>(v.number); };
  constexpr auto size = [](LogOptions& log, const Value& v) { log.file_bytes_max = v.number; };
  constexpr auto keep = [](LogOptions& log, const Value& v) {
    log.old_files_max = static_cast<std::uint32_t>(v.number);
  };
  return {
      log_key<level>(scope, {.scope = scope,
                             .path = "log.level",
                             .type = Type::choice,
                             .fallback = "info",
                             .doc = "The least important line that is written.",
                             .choices = {"debug", "info", "warn", "error", "off"}}),
      log_key<format>(scope, {.scope = scope,
                              .path = "log.format",
                              .type = Type::choice,
                              .fallback = "text",
                              .doc = "`text`: time, level, a phrase, `key=value`. `json`: an object per line.",
                              .choices = {"text", "json"}}),
      log_key<size>(scope, {.scope = scope,
                            .path = "log.max_size",
                            .type = Type::size,
                            .fallback = format_number(Type::size, LogOptions{}.file_bytes_max),
                            .doc = "Before the file gets larger it becomes `NAME.log.1`, that one `NAME.log.2`, and "
                                   "so on. 0: never; somebody else rotates.",
                            .min = 0,
                            .max = kTiB}),
      log_key<keep>(scope, {.scope = scope,
                            .path = "log.keep",
                            .type = Type::integer,
                            .fallback = std::to_string(LogOptions{}.old_files_max),
                            .doc = "How many old files stay; then the oldest goes.",
                            .min = 0,
                            .max = 999})};
}

std::vector<Key> make_schema() {
  const auto instance = Scope::instance;
  std::vector<Key> keys;

  keys.push_back(folder("state_dir", "/var/lib/shoal", "State of every instance, in a folder with its name.",
                        [](FleetConfig& f, const Value& v) { f.state_dir = v.text; }));
  keys.push_back(folder("log_dir", "/var/log/shoal", "`NAME.log` of every instance, and `controller.log`.",
                        [](FleetConfig& f, const Value& v) { f.log_dir = v.text; }));
  keys.push_back(folder("run_dir", "/run/shoal", "The control socket and the controller's lock.",
                        [](FleetConfig& f, const Value& v) { f.run_dir = v.text; }));
  keys.push_back({.scope = Scope::fleet,
                  .path = "port_range",
                  .type = Type::ports,
                  .fallback = "18000-18999",
                  .doc = "Where a port for `auto` is looked for, both ends included.",
                  .set_fleet = [](FleetConfig& f, const Value& v) { f.port_range = v.ports; }});
  keys.push_back({.scope = Scope::fleet,
                  .path = "metrics",
                  .type = Type::address,
                  .fallback = "",
                  .doc =
                      "Where `/metrics`, `/healthz` and `/readyz` are served over HTTP, such as `127.0.0.1:9464`, for "
                      "Prometheus and health checks. HOST as in `listeners`. Nothing else is served there, and "
                      "nobody is asked who he is. Not written: nowhere but on the control socket.",
                  .set_fleet = [](FleetConfig& f, const Value& v) { f.metrics = v.listeners.front(); },
                  .needs_restart = true});
  keys.push_back(
      {.scope = Scope::fleet,
       .path = "user",
       .type = Type::text,
       .fallback = "",
       .doc = "`NAME` or `NAME:GROUP`: who the controller and its workers are when root starts it. It keeps the "
              "right to bind ports below 1024, and nothing else. Not written: they stay root.",
       .max = 64,
       .set_fleet = [](FleetConfig& f, const Value& v) { f.user = v.text; },
       .needs_restart = true});
  for (Key& key : log_keys(Scope::fleet)) keys.push_back(std::move(key));
  for (Key& key : worker_limits(Scope::worker)) keys.push_back(std::move(key));
  keys.push_back({.scope = Scope::worker,
                  .path = "threads",
                  .type = Type::integer,
                  .fallback = "1",
                  .doc = "Threads among which its instances are spread, each on one, or on as many as its own "
                         "`threads`. More are there for instances that start from then on; fewer when the worker has "
                         "ended.",
                  .min = 1,
                  .max = kThreadsMax,
                  .set_worker = [](InstanceConfig& i, const Value& v) {
                    i.worker_threads = static_cast<unsigned>(v.number);
                  }});

  keys.push_back({.scope = instance,
                  .path = "template",
                  .type = Type::name,
                  .fallback = "",
                  .doc = "The `[templates.NAME]` this instance starts from. Not in templates and defaults."});
  keys.push_back({.scope = instance,
                  .path = "engine",
                  .type = Type::choice,
                  .fallback = "shoal",
                  .doc = "`shoal`: the broker of Shoal. `external`: another program, which Shoal starts and watches.",
                  .choices = {"shoal", "external"},
                  .set_instance = [](InstanceConfig& i, const Value& v) { i.engine = static_cast<Engine>(v.number); },
                  .needs_restart = true});
  keys.push_back({.scope = instance,
                  .path = "worker",
                  .type = Type::name,
                  .fallback = "own",
                  .doc = "`own`: a process of its own. Any other name: one process for all instances with that name; "
                         "they share its fate (a crash, its memory).",
                  .set_instance = [](InstanceConfig& i, const Value& v) { i.worker = v.text; },
                  .needs_restart = true});
  keys.push_back({.scope = instance,
                  .path = "enabled",
                  .type = Type::boolean,
                  .fallback = "true",
                  .doc = "Started with the fleet. `shoal enable` and `shoal disable` write it; an instance that is not "
                         "can be started by hand.",
                  .set_instance = [](InstanceConfig& i, const Value& v) { i.enabled = v.number != 0; }});
  keys.push_back(
      {.scope = instance,
       .path = "listeners",
       .type = Type::listeners,
       .fallback = "",
       .doc = "Required, 1 to 250. Where it accepts connections: `mqtt://HOST:PORT`. HOST is a numeric IPv4 address, "
              "an IPv6 address in brackets (IPv6 only, also `[::]`), or `localhost` (127.0.0.1). PORT `auto` "
              "takes a free one from `fleet.port_range` and keeps it for the life of the instance.",
       .set_instance = [](InstanceConfig& i, const Value& v) { i.listeners = v.listeners; }});
  keys.push_back({.scope = instance,
                  .path = "threads",
                  .type = Type::integer,
                  .fallback = "1",
                  .doc = "Threads that share its clients. More than one only with `persistence = \"none\"`; in a "
                         "shared worker no more than `threads` in `[workers.NAME]`.",
                  .min = 1,
                  .max = kThreadsMax,
                  .set_instance = [](InstanceConfig& i,
                                     const Value& v) { i.options.threads = static_cast<unsigned>(v.number); },
                  .needs_restart = true});
  keys.push_back({.scope = instance,
                  .path = "auth.anonymous",
                  .type = Type::boolean,
                  .fallback = "false",
                  .doc = "Accept clients that present no user name. This or `users_file` must be written.",
                  .set_instance = [](InstanceConfig& i, const Value& v) { i.options.auth.anonymous = v.number != 0; }});
  keys.push_back({.scope = instance,
                  .path = "auth.users_file",
                  .type = Type::path,
                  .fallback = "",
                  .doc = "Names and password hashes, made by `shoal users add INSTANCE USER`.",
                  .set_instance = [](InstanceConfig& i, const Value& v) { i.options.auth.users_file = v.text; }});
  keys.push_back({.scope = instance,
                  .path = "persistence",
                  .type = Type::choice,
                  .fallback = "crash_safe",
                  .doc = "What of sessions, queues and retained messages survives. `none`: nothing, all is in memory. "
                         "`crash_safe`: what was acknowledged survives the end of the process, however sudden. "
                         "`power_safe`: and of the machine; acknowledgements wait for the disk.",
                  .choices = {"none", "crash_safe", "power_safe"},
                  .set_instance = [](InstanceConfig& i,
                                     const Value& v) { i.options.persistence = static_cast<Persistence>(v.number); },
                  .needs_restart = true});
  keys.push_back({.scope = instance,
                  .path = "queue_full",
                  .type = Type::choice,
                  .fallback = "drop_new",
                  .doc = "What happens to a QoS 1 or 2 message for a session whose queue is full: it is dropped, the "
                         "oldest one makes room, or the client is disconnected (0x97).",
                  .choices = {"drop_new", "drop_old", "disconnect"},
                  .set_instance = [](InstanceConfig& i, const Value& v) {
                    i.options.queue_full = static_cast<QueueFull>(v.number);
                  }});
  keys.push_back({.scope = instance,
                  .path = "sys_interval",
                  .type = Type::duration,
                  .fallback = "10s",
                  .doc = "How often `$SYS` is refreshed while somebody subscribes to it. 0: there is no `$SYS`.",
                  .min = 0,
                  .max = 86'400,
                  .set_instance = [](InstanceConfig& i, const Value& v) {
                    i.options.sys_interval_s = static_cast<std::uint32_t>(v.number);
                  }});
  keys.push_back({.scope = instance,
                  .path = "response_information",
                  .type = Type::text,
                  .fallback = "",
                  .doc = "What MQTT 5.0 clients that ask for response information are told, usually the start of the "
                         "topics they may use for responses.",
                  .max = 1'024,
                  .set_instance = [](InstanceConfig& i, const Value& v) { i.options.response_information = v.text; }});
  for (Key& key : log_keys(instance)) keys.push_back(std::move(key));
  for (Key& key : worker_limits(instance)) keys.push_back(std::move(key));

  using L = Limits;
  const Type integer = Type::integer, size = Type::size, duration = Type::duration;
  keys.insert(
      keys.end(),
      {limit<&L::connections>("limits.connections", integer, 1, kMillion, "Then CONNACK 0x97; MQTT 3.1.1: 3."),
       limit<&L::connects_per_second>("limits.connects_per_second", integer, 1, kMillion, "Then accept later."),
       limit<&L::half_open>("limits.half_open", integer, 1, kMillion, "Connections without a CONNECT yet; then close."),
       limit<&L::connect_timeout_s>("limits.connect_timeout", duration, 1, 3'600,
                                    "From accept to a complete CONNECT; then close."),
       limit<&L::packet_size_bytes>("limits.packet_size", size, 128, 255 * kMiB, "A whole packet; then 0x95."),
       limit<&L::receive_maximum>("limits.receive_maximum", integer, 1, kMax16,
                                  "QoS 1 and 2 messages in flight from a client; then 0x93, MQTT 3.1.1: close."),
       limit<&L::inflight>("limits.inflight", integer, 1, kMax16,
                           "QoS 1 and 2 messages in flight to a session (or the client's receive maximum, when "
                           "smaller); then queue."),
       limit<&L::queued_messages>("limits.queued_messages", integer, 1, 100 * kMillion,
                                  "Per session; then `queue_full`."),
       limit<&L::queued_bytes>("limits.queued_bytes", size, 1'024, kTiB, "Per session; then `queue_full`."),
       limit<&L::queued_bytes_total>("limits.queued_bytes_total", size, 1'024, kTiB,
                                     "Per instance: everything kept for sessions (queued, in flight, wills), counted "
                                     "once; then 0x97 to QoS 1 and 2 publishers."),
       limit<&L::queued_bytes_connected>(
           "limits.queued_bytes_connected", size, 64 * 1'024, kTiB,
           "Of that, for clients that are connected and do not keep up. Then the queue of one of them is full with 100 "
           "messages or 64 KiB, and with half as much again with less."),
       limit<&L::sessions>("limits.sessions", integer, 1, 100 * kMillion, "Then CONNACK 0x97."),
       limit<&L::session_expiry_s>("limits.session_expiry", duration, 0, kMax32,
                                   "The longest a session is kept after its connection; a lowered value is told to the "
                                   "client."),
       limit<&L::subscriptions>("limits.subscriptions", integer, 1, kMillion, "Per session; then 0x97 for the filter."),
       limit<&L::subscription_bytes>("limits.subscription_bytes", size, 1'024, kTiB,
                                     "Memory of all subscriptions of the instance; then 0x97 for the filter."),
       limit<&L::retained_messages>("limits.retained_messages", integer, 0, 100 * kMillion, "Then 0x97."),
       limit<&L::retained_bytes>("limits.retained_bytes", size, 0, kTiB,
                                 "Topics, payloads and properties of retained messages, and their index; then 0x97."),
       limit<&L::topic_levels>("limits.topic_levels", integer, 1, kMax16, "Then 0x90."),
       limit<&L::topic_bytes>("limits.topic_bytes", size, 1, kMax16, "Length of a topic; then 0x90."),
       limit<&L::client_id_bytes>("limits.client_id_bytes", size, 23, kMax16,
                                  "Length of a client id; then CONNACK 0x85, MQTT 3.1.1: 2."),
       limit<&L::topic_aliases>("limits.topic_aliases", integer, 0, kMax16,
                                "Aliases per connection and direction, for v5 clients; 0: none."),
       limit<&L::keep_alive_max_s>("limits.keep_alive_max", duration, 0, kMax16,
                                   "0: off. Else clients that ask for more, or for 0, get this."),
       limit<&L::output_bytes>("limits.output_bytes", size, 4'096, 1'024 * kMiB,
                               "Unsent bytes of a connection; then QoS 0 is dropped, QoS 1 and 2 are queued."),
       limit<&L::output_bytes_total>("limits.output_bytes_total", size, 64 * 1'024, kTiB,
                                     "Memory of what no connection has read yet: the less of it is free, the less of "
                                     "`output_bytes` a connection that does not read may use."),
       limit<&L::input_bytes_total>(
           "limits.input_bytes_total", size, 64 * 1'024, kTiB,
           "Memory of incomplete packets, waiting CONNECTs and topic aliases, the last two in no more than three "
           "quarters of it; then the connections that keep a packet incomplete for longest are closed (0x97). "
           "Never less than two of `packet_size`."),
       limit<&L::store_queue_bytes>("limits.store_queue_bytes", size, 64 * 1'024, kTiB,
                                    "What the store was told and has not written yet; then publishers are not read "
                                    "for a while."),
       limit<&L::messages_in_per_second>("limits.messages_in_per_second", integer, 0, kRateMax,
                                         "Of all publishers; then they are not read for a while. 0: unlimited."),
       limit<&L::bytes_in_per_second>("limits.bytes_in_per_second", size, 0, kTiB,
                                      "The same for the bytes of PUBLISH packets. 0: unlimited."),
       limit<&L::messages_out_per_second>("limits.messages_out_per_second", integer, 0, kRateMax,
                                          "Delivered to subscribers; then publishers are not read for a while. 0: "
                                          "unlimited."),
       limit<&L::bytes_out_per_second>("limits.bytes_out_per_second", size, 0, kTiB,
                                       "The same for the bytes of PUBLISH packets. 0: unlimited."),
       limit<&L::client_messages_per_second>("limits.client_messages_per_second", integer, 0, kRateMax,
                                             "Of one client; then it is not read for a while. 0: unlimited."),
       limit<&L::client_bytes_per_second>("limits.client_bytes_per_second", size, 0, kTiB,
                                          "The same for the bytes of its PUBLISH packets. 0: unlimited.")});
  for (Key& key : keys) {
    const bool of_both = key.path == "template" || key.path == "engine" || key.path == "enabled";
    if (key.scope == instance && !of_both) key.engine = Engine::shoal;
  }
  for (Key& key : external_keys()) keys.push_back(std::move(key));
  return keys;
}

}  // namespace

std::span<const Key> schema() {
  static const std::vector<Key> keys = make_schema();
  return keys;
}

std::string format_number(Type type, std::uint64_t number) {
  if (type == Type::size) return format_size(number);
  if (type == Type::duration) return format_duration(number);
  return std::to_string(number);
}

}  // namespace shoal::config
