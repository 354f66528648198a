#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/keyed_hash.hpp"
#include "auth/verdict.hpp"
#include "base/log.hpp"
#include "broker/client.hpp"
#include "broker/router.hpp"
#include "broker/session_table.hpp"

namespace shoal::broker {

/// Who decides about credentials.
class Authority {
 public:
  virtual auth::Verdict check(std::optional<std::string_view> user, std::optional<std::string_view> password) = 0;
  /// After `needs_hash`: starts to verify; the answer goes to `Shard::authenticated(client, …)`. False
  /// when too many wait already.
  virtual bool verify(std::uint64_t client, std::string_view user, std::string_view password) = 0;

 protected:
  ~Authority() = default;
};

/// What a shard needs from the thread it lives on.
struct ShardContext {
  const base::Time& now;
  io::TimerQueue& timers;
  base::ChunkPool& chunks;
  base::Log& log;
  Authority& authority;
  /// Asks for `Shard::turn_end` at the end of this turn.
  std::function<void()> want_turn_end;
  /// For tables whose keys clients choose; random in a program that strangers reach.
  base::TextHash hash = base::TextHash();
};

/// Totals of connections; see shoal::Stats.
struct ShardCounters {
  std::uint64_t connections_now = 0;  ///< after CONNACK
  std::uint64_t refused = 0;
  std::uint64_t dropped = 0;
  std::uint64_t auth_failures = 0;
  std::uint64_t limit_hits = 0;
  std::uint64_t half_open_now = 0;  ///< before CONNECT
};

/// One instance's protocol core: sessions, routing and clients, without sockets, threads or clocks.
/// All of it on one thread.
class Shard final : private Deliveries, private io::Timer {
 public:
  /// `options` and what `context` refers to outlive the shard; its clients go before it.
  Shard(const BrokerOptions& options, ShardContext context);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  /// Publishes for the host. Errors as `Broker::publish`.
  Result<void> publish(const Message& message);
  Result<void> subscribe(std::string_view filter, Qos qos, Broker::OnMessage on_message);
  /// The answer to `Authority::verify`. A client that went away meanwhile is ignored.
  void authenticated(std::uint64_t client, const auth::Verdict& verdict);
  /// Host callbacks, then every client that has something to say is flushed.
  void turn_end();
  /// No callback of the host is called from here on.
  void stop_host() { router_.stop_host(); }
  /// Ends all clients (5.0: 0x8b) and refuses new ones.
  void shut_down();
  /// Connections and routing; what the edge counts (bytes, accepts) is left to it.
  Stats stats() const;

  // For clients.
  const BrokerOptions& options() const { return options_; }
  const Limits& limits() const { return options_.limits; }
  base::Time now() const { return context_.now; }
  ShardContext& context() { return context_; }
  Router& router() { return router_; }
  SessionTable& sessions() { return sessions_; }
  session::QueueBudget& budget() { return budget_; }
  ShardCounters& counters() { return counters_; }
  /// Logs what hostile peers can cause: a bounded number of lines per second, the rest is counted.
  void log_limited(LogLevel level, std::string_view phrase, base::Fields fields);
  bool shutting_down() const { return shutting_down_; }
  void flush_later(Client& client);
  /// Back-pressure: a publisher whose message went into the queue of a connected subscriber that is
  /// filling up is not read for a moment, so that the subscriber can catch up instead of losing
  /// messages. Up to about 20 ms at a time, growing with the backlog; a subscriber whose queue is full
  /// slows nobody any more.
  void throttle(Client& client, unsigned backlog_percent);
  /// The client is not read for that long; 0: it goes on when the others had their turn.
  void pause(Client& client, base::Duration length);
  std::uint64_t enter(Client& client);
  void leave(Client& client);
  /// A name for a client that brought none: nobody can guess it, and none comes again after a restart.
  std::string assign_client_id();
  /// Scratch for packets that are encoded as a whole, and for properties; emptied by whoever uses it.
  std::vector<std::uint8_t>& packet_scratch() { return packet_scratch_; }
  mqtt::PropertyWriter& property_scratch() { return property_scratch_; }

 private:
  struct Paused {
    Client* client;
    base::Time until;
  };

  void wrote(Client& client) override { flush_later(client); }
  void overflowed(Client& client) override;
  void host_pending() override { context_.want_turn_end(); }
  void on_deadline(base::Time now) override;

  const BrokerOptions& options_;
  ShardContext context_;
  session::QueueBudget budget_;
  ShardCounters counters_;
  Router router_;
  SessionTable sessions_;
  std::unordered_map<std::uint64_t, Client*> clients_;
  std::uint64_t next_number_ = 1;
  std::uint64_t next_client_id_ = 1;
  const auth::KeyedHash id_hash_ = auth::KeyedHash::with_random_key();
  std::vector<Client*> dirty_;
  std::vector<Client*> flushing_;
  std::vector<Paused> paused_;
  std::vector<Client*> resuming_;
  std::vector<std::uint8_t> packet_scratch_;
  mqtt::PropertyWriter property_scratch_;
  bool shutting_down_ = false;
  base::Time log_second_{};
  unsigned log_lines_ = 0;  // in the second from log_second_ on
};

}  // namespace shoal::broker
