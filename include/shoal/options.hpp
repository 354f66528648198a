#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal {

/// Where an instance accepts connections.
struct ListenerOptions {
  /// `mqtt://HOST:PORT`. HOST is a numeric IPv4 address, a numeric IPv6 address in brackets, or
  /// `localhost` (127.0.0.1). PORT 0 lets the system choose; `Broker::port()` tells which.
  std::string url{};
  /// A socket that is already bound and listening, or -1 to bind `url` here. The broker owns it from
  /// `Broker::start` on, also when start fails.
  int fd = -1;
};

/// Who may connect. Without `anonymous` and without `users_file` nobody may.
struct AuthOptions {
  /// Accept clients that present no user name.
  bool anonymous = false;
  /// File of `name:argon2id-hash` lines (see docs/reference/users-file.md). Empty: no users.
  std::string users_file{};
};

/// What happens to a QoS 1 or 2 message for a session whose queue is full.
enum class QueueFull {
  drop_new,    ///< the arriving message is dropped for that session
  drop_old,    ///< the oldest queued message makes room
  disconnect,  ///< the slow client is disconnected (0x97); offline sessions drop the new message
};

/// What of sessions that outlive their connections, of retained messages and of what waits for shared subscriptions
/// survives; see docs/guide/persistence.md.
enum class Persistence {
  none,        ///< nothing: memory only
  crash_safe,  ///< what was acknowledged survives the end of the process, however sudden
  power_safe,  ///< and of the machine
};

/// Bounds of one instance. Every one has a counter in `Stats` and a reaction; 0 is not "unlimited"
/// unless the comment says so.
struct Limits {
  std::uint32_t connections = 10'000;             ///< then CONNACK 0x97, or 3 for MQTT 3.1.1
  std::uint32_t connects_per_second = 1'000;      ///< then accept later
  std::uint32_t half_open = 1'000;                ///< connections without a CONNECT yet; then close
  std::uint32_t connect_timeout_s = 10;           ///< seconds from accept to a complete CONNECT
  std::uint32_t packet_size_bytes = 1024 * 1024;  ///< whole packet, up to 255 MiB; then 0x95
  std::uint16_t receive_maximum = 100;            ///< inbound QoS 1 and 2 in flight, then 0x93
  std::uint16_t inflight = 100;                   ///< outbound QoS 1 and 2 in flight per session
  std::uint32_t queued_messages = 10'000;         ///< per session, then `queue_full`
  std::uint64_t queued_bytes = 16ull << 20;       ///< per session, then `queue_full`
  /// Per instance: what is queued, in flight or a will (a message for many sessions counts once), and the
  /// queues themselves; then 0x97 to QoS 1 and 2 publishers.
  std::uint64_t queued_bytes_total = 256ull << 20;
  /// Of that, for clients that are connected and do not keep up. Then a session of theirs is full with 100
  /// messages or 64 KiB, and with half as much again with less.
  std::uint64_t queued_bytes_connected = 24ull << 20;
  std::uint32_t sessions = 100'000;                ///< then CONNACK 0x97
  std::uint32_t session_expiry_s = 7 * 24 * 3600;  ///< the longest a session is kept; echoed when lowered
  std::uint32_t subscriptions = 1'000;             ///< per session, then 0x97 for the filter
  std::uint64_t subscription_bytes = 48ull << 20;  ///< all subscriptions' memory, then 0x97 for the filter
  std::uint32_t retained_messages = 100'000;       ///< then 0x97
  std::uint64_t retained_bytes = 256ull << 20;     ///< topic, payload, properties and their index; then 0x97
  std::uint32_t topic_levels = 128;                ///< then 0x90
  std::uint32_t topic_bytes = 4'096;               ///< then 0x90
  std::uint32_t client_id_bytes = 1'024;           ///< then CONNACK 0x85, or 2 for MQTT 3.1.1
  std::uint16_t topic_aliases = 16;                ///< per direction, for v5 clients; 0: none
  std::uint16_t keep_alive_max_s = 0;              ///< 0: off; else clients asking for more (or 0) get this
  std::uint32_t output_bytes = 1024 * 1024;        ///< unsent bytes per connection: QoS 0 dropped, 1 and 2 queued
  /// Memory of what all connections have not read yet: the less of it is free, the less of `output_bytes`
  /// a connection that does not read may use.
  std::uint64_t output_bytes_total = 16ull << 20;
  /// Memory of incomplete packets, of CONNECTs whose password is verified, and of topic aliases; then the
  /// connections that keep a packet incomplete for longest are closed (0x97). Never less than two packets of
  /// `packet_size_bytes`.
  std::uint64_t input_bytes_total = 16ull << 20;
  /// What was handed to the store and is not written yet; then publishers are not read for a while.
  std::uint64_t store_queue_bytes = 16ull << 20;
  // Rates: publishers are not read for a while. 0: unlimited.
  std::uint64_t messages_in_per_second = 0;
  std::uint64_t bytes_in_per_second = 0;  ///< whole PUBLISH packets
  std::uint64_t messages_out_per_second = 0;
  std::uint64_t bytes_out_per_second = 0;
  std::uint64_t client_messages_per_second = 0;  ///< of one client
  std::uint64_t client_bytes_per_second = 0;     ///< of one client, whole PUBLISH packets
};

enum class LogLevel { debug, info, warn, error, off };

/// One thing that happened. Valid during the call only.
struct LogRecord {
  LogLevel level;
  std::string_view instance;
  std::string_view text;  ///< constant phrase, then `key=value` fields
};

/// How a line of a log is written.
enum class LogFormat {
  text,  ///< `TIME LEVEL PHRASE key=value …`
  json,  ///< an object: `time`, `level`, `instance`, `message` and, when there are any, `fields`
};

/// Where an instance tells what happened. All of `file`, `fd` and `sink` may be used; by default it is silent.
///
/// Lines never keep an instance waiting. Those that cannot be written (a full disk, a pipe that nobody reads) wait in
/// 64 KiB of memory, further ones are lost; once it works again a line says how many.
struct LogOptions {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  /// Appended to; created with its last folder level when missing. Empty: no file.
  std::string file{};
  /// Before the file gets larger than this it becomes `file.1`, what was that `file.2`, and so on. While that is not
  /// possible it may become twice as large. 0: never.
  std::uint64_t file_bytes_max = 10ull << 20;
  /// How many old files stay beside it; 0: none.
  std::uint32_t old_files_max = 5;
  /// A descriptor for lines that also say which instance they are from, or -1. It stays the caller's, and is not
  /// needed after the start; when it is a file, everybody who has it appends from then on.
  int fd = -1;
  /// Called on the instance's thread; must not block and must not call the broker.
  std::function<void(const LogRecord&)> sink{};
  /// Called when lines cannot be written any more, with the reason, and with an empty text when they can again. As
  /// `sink`.
  std::function<void(std::string_view)> on_trouble{};
};

/// Everything one instance is made of. Every field has a default; `auth` must be set for anybody to
/// get in.
struct BrokerOptions {
  std::string name = "shoal";  ///< 1 to 64 of a-z A-Z 0-9 . _ - and not starting with . or -
  std::vector<ListenerOptions> listeners{};
  /// Reactors that share its clients, 1 to 64 and no more than the Runtime has. More than one only with
  /// Persistence::none.
  unsigned threads = 1;
  AuthOptions auth{};
  Limits limits{};
  QueueFull queue_full = QueueFull::drop_new;
  Persistence persistence = Persistence::none;
  /// The folder of the store, which no other instance has; made, with its last folder level, when missing. Needed
  /// unless `persistence` is none.
  std::string store_dir{};
  /// Seconds between two refreshes of `$SYS` while somebody subscribes to it; 0: there is no `$SYS`.
  std::uint32_t sys_interval_s = 10;
  /// What v5 clients that ask for response information are told (3.2.2.3.14), usually the start of the
  /// topics they may use for responses. Empty: nothing. At most 1,024 bytes of UTF-8.
  std::string response_information{};
  LogOptions log{};
};

}  // namespace shoal
