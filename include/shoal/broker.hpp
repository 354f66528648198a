#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shoal/client_info.hpp"
#include "shoal/histogram.hpp"
#include "shoal/limit_use.hpp"
#include "shoal/options.hpp"
#include "shoal/result.hpp"
#include "shoal/runtime.hpp"

namespace shoal {

enum class Qos : std::uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };

/// A message as a subscriber sees it, or as the host gives it. The views belong to the caller of
/// the function that receives the Message and are valid during that call only.
struct Message {
  std::string_view topic{};
  std::string_view payload{};
  Qos qos = Qos::at_most_once;
  bool retain = false;
};

/// The bounds of an instance that somebody can run into, by what they are called in `Limits`.
enum class Bound : std::uint8_t {
  connections,
  connects_per_second,
  half_open,
  connect_timeout,
  packet_size,
  receive_maximum,
  queue,  ///< of a session or a shared subscription
  queued_bytes_total,
  sessions,
  subscriptions,
  subscription_bytes,
  retained,  ///< messages or bytes
  topic,     ///< levels or length
  client_id_bytes,
  rate,
  input_bytes_total,
  passwords,      ///< too many wait for being verified
  descriptors,    ///< the process has no more
  disk,           ///< full, or cannot be written
  store_queue,    ///< it is written too slowly
  filter_shapes,  ///< filters with `+` in too many different places: each search would look at all of them
};
inline constexpr std::string_view kBoundNames[] = {
    "connections", "connects_per_second", "half_open",    "connect_timeout",   "packet_size",        "receive_maximum",
    "queue",       "queued_bytes_total",  "sessions",     "subscriptions",     "subscription_bytes", "retained",
    "topic",       "client_id_bytes",     "rate",         "input_bytes_total", "passwords",          "descriptors",
    "disk",        "store_queue",         "filter_shapes"};
inline constexpr std::size_t kBounds = std::size(kBoundNames);
static_assert(static_cast<std::size_t>(Bound::filter_shapes) + 1 == kBounds);
/// As in the enumeration.
constexpr std::string_view to_string(Bound bound) { return kBoundNames[static_cast<std::size_t>(bound)]; }

/// Totals since start, and gauges where the comment says "now".
struct Stats {
  std::uint64_t connections_now = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;  ///< CONNECT answered with an error, or closed before it
  std::uint64_t connections_dropped = 0;  ///< ended for a protocol error, a timeout or a limit
  std::uint64_t sessions_now = 0;
  std::uint64_t subscriptions_now = 0;
  std::uint64_t retained_now = 0;
  std::uint64_t retained_bytes_now = 0;  ///< with their index
  std::uint64_t queued_messages_now = 0;
  std::uint64_t queued_bytes_now = 0;
  std::uint64_t messages_received = 0;       ///< PUBLISH packets accepted from clients and the host
  std::uint64_t messages_delivered = 0;      ///< PUBLISH packets handed to connections and host subscribers
  std::uint64_t messages_dropped_slow = 0;   ///< QoS 0, reader too slow
  std::uint64_t messages_dropped_queue = 0;  ///< QoS 1 and 2, session queue full
  std::uint64_t messages_dropped_size = 0;   ///< larger than the client's maximum packet size
  std::uint64_t messages_expired = 0;        ///< message expiry passed before delivery
  std::uint64_t publishes_refused = 0;       ///< answered with an error (quota, topic, retained limit)
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t auth_failures = 0;
  std::uint64_t store_bytes_now = 0;            ///< on disk, dead records included; 0 without a store
  std::uint64_t store_live_now = 0;             ///< of that, about what is needed
  std::uint64_t store_waiting_now = 0;          ///< bytes that are to be written, and what they tell of waits for it
  std::uint64_t store_batches = 0;              ///< written
  std::uint64_t store_cleared = 0;              ///< segments of the log that went because most of it was dead
  std::uint64_t store_absent_messages_now = 0;  ///< queued messages whose payloads are on disk only
  std::uint64_t store_absent_bytes_now = 0;     ///< memory that they do not take
  std::uint64_t store_read_back = 0;            ///< messages that were brought back from there
  std::uint64_t store_lost = 0;                 ///< messages that could not be
  std::uint64_t store_errors = 0;               ///< attempts to write or read that failed
  std::uint64_t log_lines_lost = 0;             ///< not written: the disk is full, or nobody reads
  /// Microseconds its reactor worked for it, with what of that time the machine gave to others, and CPU time for its
  /// clients' passwords. Without writing its store and log in the background.
  std::uint64_t cpu_us = 0;
  /// What is wrong with the instance's store or log, a line for a person; empty: nothing.
  std::string alarm{};
  /// Times a bound was reached, by `Bound`.
  std::array<std::uint64_t, kBounds> limit_hits{};
  /// From the turn of the instance's thread in which a PUBLISH was taken to its copy being written to a connected
  /// subscriber: what was sent at once, every copy, by the time of its turn's end; what waited in a session's queue, by
  /// a sample. Without retained messages for new subscriptions, what waited for shared ones, and what is sent again.
  Histogram delivery_latency{};
  /// From a QoS 1 or 2 PUBLISH being written to a subscriber to the end of its flow (PUBACK, PUBCOMP), by the times of
  /// turns. A sample: of each session one message at a time.
  Histogram ack_latency{};
  /// What is used of the instance's limits, and was at most.
  LimitUse use{};

  std::uint64_t hits(Bound bound) const { return limit_hits[static_cast<std::size_t>(bound)]; }
  std::uint64_t all_hits() const {
    std::uint64_t all = 0;
    for (const std::uint64_t hits : limit_hits) all += hits;
    return all;
  }
};

/// One MQTT broker: its own listeners, client ids, topics, sessions, users, limits and log. Any
/// number of them live in one Runtime. A resource held by unique_ptr. Its functions may be called
/// from any thread except where a comment says otherwise; calls from a subscriber's callback that
/// would have to wait for the instance's own thread run in place. With several reactors two callbacks that
/// call each other's broker may wait for each other: pass such messages on from a thread of your own.
class Broker {
 public:
  using OnMessage = std::function<void(const Message&)>;

  /// Checks the options, binds the listeners (or takes their descriptors), loads the users and
  /// serves: when it returns, connects succeed. Nothing is left behind on failure.
  static Result<std::unique_ptr<Broker>> start(Runtime& runtime, BrokerOptions options);

  /// Same as `stop()` without a drain.
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  const std::string& name() const;
  /// Port of the n-th listener; 0 when there is no such listener.
  std::uint16_t port(std::size_t listener = 0) const;

  /// Publishes to this instance's subscribers as if a client had. Returns once the instance has
  /// taken the message; the strings are copied.
  /// Errors: invalid_argument (topic), resource_exhausted (retained or queue limit), closed.
  Result<void> publish(const Message& message);

  /// Calls `on_message` on the instance's thread for every message that matches `filter`, retained
  /// ones first. Ends with the broker. It must not block or throw. Errors: invalid_argument (filter), closed.
  Result<void> subscribe(std::string_view filter, Qos qos, OnMessage on_message);

  Stats stats() const;

  /// Goes over to other options without ending anything that need not end: users, `limits`, `queue_full`,
  /// `sys_interval_s`, `response_information`, `log.level` and the listeners (all else of `log` stays as it is). A
  /// listener whose url is there already stays (give it no `fd`), others are opened, those that are not named any more
  /// are closed; their connections stay. Connected clients keep what they were promised when they connected, and stay
  /// when there are more of them than allowed now. When it fails nothing has changed. Errors: those of `start`;
  /// invalid_argument also when another option is not the same as before.
  Result<void> change(BrokerOptions options);
  /// The options as they are now. Sockets: duplicates, which belong to the caller; -1 when there is no descriptor left.
  BrokerOptions options() const;
  /// Some of the connected clients: at most `most` (1 to 10,000; what is outside is made to fit), newest first, begun
  /// with `from` 0 and gone on with with the page's `next`. A client that stays connected meanwhile is in at least one
  /// of the pages; when others go it may be in two.
  ClientPage clients(std::uint64_t from = 0, std::size_t most = 1'000) const;
  /// Ends the connection of that client (5.0: DISCONNECT 0x98). Its will is sent, its session stays for as long as was
  /// agreed, and nothing keeps it from connecting again. False: no client of that id is connected.
  bool disconnect(std::string_view client_id);

  /// Reads the users file again; on error the users stay as they were. Connected clients stay.
  Result<void> reload_users();
  /// Closes and opens the log file again (for rotation by others).
  Result<void> reopen_log();
  /// From which level on lines are written, until the instance ends.
  void set_log_level(LogLevel level);

  /// Stops accepting, tells clients (v5: DISCONNECT 0x8B), lets what is on its way out leave, and
  /// returns when all connections are closed or `limit` has passed. On the instance's own thread it
  /// cannot wait and does nothing: use the other form there.
  void drain(std::chrono::milliseconds limit);
  /// The same without waiting: `done` is called once on the instance's thread. Not called when `stop`
  /// comes first.
  void drain(std::chrono::milliseconds limit, std::function<void()> done);
  /// Ends everything at once and frees it: connections, sessions, timers, descriptors; no callback runs
  /// afterwards. Also from a callback, whose own function stays until it has returned. Idempotent.
  void stop();

  struct Impl;  // internal

 private:
  explicit Broker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shoal
