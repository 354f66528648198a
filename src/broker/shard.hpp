#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/keyed_hash.hpp"
#include "auth/verdict.hpp"
#include "base/intrusive_list.hpp"
#include "base/log.hpp"
#include "broker/client.hpp"
#include "broker/memory_release.hpp"
#include "broker/peers.hpp"
#include "broker/rate_limit.hpp"
#include "broker/restore.hpp"
#include "broker/router.hpp"
#include "broker/session_table.hpp"
#include "broker/store_clearing.hpp"
#include "broker/store_eviction.hpp"
#include "broker/store_journal.hpp"
#include "broker/store_read_back.hpp"
#include "broker/sys_topics.hpp"
#include "broker/turns.hpp"
#include "io/call_timer.hpp"
#include "store/image.hpp"

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

/// What the edge counts; see shoal::Stats.
struct EdgeCounters {
  std::uint64_t accepted = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
};

/// What a shard needs from the thread it lives on.
struct ShardContext {
  const base::Time& now;
  io::TimerQueue& timers;
  base::ChunkPool& chunks;
  base::Log& log;
  const EdgeCounters& edge;
  Authority& authority;
  /// Asks for `Shard::turn_end` at the end of this turn.
  std::function<void()> want_turn_end;
  /// What the shard does not need any more is freed: whatever else was there for that may go, too.
  std::function<void()> memory_freed = [] {};
  /// For tables whose keys clients choose; random in a program that strangers reach.
  base::TextHash hash = base::TextHash();
  /// What it shares with the instance's other shards, among which it is the n-th; null: there are none.
  ShardSet* set = nullptr;
  unsigned number = 0;
};

/// Totals of connections; see shoal::Stats.
struct ShardCounters {
  std::uint64_t connections_now = 0;  ///< after CONNACK
  std::uint64_t connections_max = 0;  ///< most at a time
  std::uint64_t connected = 0;        ///< ever
  std::uint64_t refused = 0;
  std::uint64_t dropped = 0;
  std::uint64_t auth_failures = 0;
  std::uint64_t half_open_now = 0;      ///< before CONNECT
  std::uint64_t packets_received = 0;   ///< of any type
  std::uint64_t packets_sent = 0;       ///< without PUBLISH and acknowledgements
  std::uint64_t input_bytes_now = 0;    ///< incomplete packets, waiting CONNECTs, topic aliases
  std::uint64_t lasting_input_now = 0;  ///< of these waiting CONNECTs and topic aliases
  std::uint64_t output_bytes_now = 0;   ///< memory of what was not sent at once
  std::array<std::uint64_t, kBounds> limit_hits{};
};

/// One instance's protocol core, or a part of it with some of its sessions: sessions, routing and clients, without
/// sockets, threads or clocks. All of it on one thread.
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
  /// Host callbacks; those in line whose turn it is are read; every client that has something to say is flushed. False
  /// where only a part of the turn ends and the next one is wanted at once: nothing is flushed or reported yet.
  bool turn_end();
  /// True when something was delivered since the last `time_deliveries`.
  bool has_deliveries() const { return budget_.delivered != timed_delivered_; }
  /// The turn is over now, all is flushed: what was delivered in it took until `at`.
  void time_deliveries(base::Time at);
  /// No callback of the host is called from here on.
  void stop_host() { router_.stop_host(); }
  /// As `Broker::disconnect`.
  bool disconnect(std::string_view client_id);
  /// Ends all clients (5.0: 0x8b) and refuses new ones.
  void shut_down();
  /// The options have changed, limits and `queue_full` included.
  void options_changed();
  /// Connections and routing; what the edge counts (bytes, accepts) is left to it.
  Stats stats() const;
  /// What is used of the limits now; the peaks are those of the turns before, or now.
  LimitUse use() const;

  // With the instance's other shards: shard_peers.cpp.
  /// Others have told something.
  bool has_mail() const { return peers_ && peers_->has_mail(); }
  /// Does what they told. To be called before anything of a client is handled that was received after the last call.
  void hear();
  /// Where the session of a client is, or will be; this shard's own number when there are no others.
  unsigned shard_of(std::string_view client_id) const { return peers_ ? peers_->owner(client_id) : 0; }
  unsigned number() const { return context_.number; }
  unsigned shards() const { return context_.set ? context_.set->count() : 1; }
  /// What a figure of the whole instance is: what is here now, and what the others said last.
  std::uint64_t total(Figure figure) const;
  /// The others know at once.
  void tell(Figure figure) {
    if (peers_) context_.set->set(number(), figure, this->figure(figure));
  }

  // For clients.
  const BrokerOptions& options() const { return options_; }
  const Limits& limits() const { return options_.limits; }
  /// Begins to go on with what survived, before anybody connects; `restore_some` does it. `alive_until`: when the
  /// instance was last there. `image` stays as long. Without this call nothing survives.
  void use_store(std::unique_ptr<store::Store> store, const store::Image& image, store::WallMs alive_until,
                 std::function<store::WallMs()> wall);
  /// About so many things more are there again. False when all are: the store is told from now on.
  bool restore_some(std::size_t things);
  /// The store has committed more, or takes things again: what waits for that goes on.
  void store_changed();
  /// Tells the store nothing more; what it has not committed is its own affair.
  void leave_store();
  StoreJournal* journal() { return journal_.get(); }
  bool store_full() const { return journal_ && journal_->store().full(); }
  /// For packets that tell of what the store has to have: what was told since `journal_position` was that, or 0.
  std::uint64_t journal_position() const { return journal_ ? journal_->position() : 0; }
  std::uint64_t told_since(std::uint64_t position) const {
    return journal_ && journal_->position() != position ? journal_->pending(journal_->under_way()) : 0;
  }
  /// The session has a connection, or another expiry or will.
  void store_session(ClientSession& session);

  base::Time now() const { return context_.now; }
  ShardContext& context() { return context_; }
  Router& router() { return router_; }
  SessionTable& sessions() { return sessions_; }
  SysTopics& sys() { return sys_; }
  session::QueueBudget& budget() { return budget_; }
  const Turns& turns() const { return turns_; }
  /// The thread has other instances: turns are shorter.
  void share_turns(bool shared) { turns_.share(shared); }
  ShardCounters& counters() { return counters_; }
  /// Logs what hostile peers can cause: a bounded number of lines per second, the rest is counted.
  void log_limited(LogLevel level, std::string_view phrase, base::Fields fields);
  bool shutting_down() const { return shutting_down_; }
  /// A bound was reached: counted, and logged at a bounded rate.
  void hit(Bound bound, std::string_view who) override;
  void flush_later(Client& client);
  /// Flushes before the turn's end when very much was written, so that a turn's output is bounded.
  void flush_if_much() {
    constexpr std::uint64_t kUnflushedMax = 4 << 20;
    constexpr std::size_t kBatchMax = 1 << 20;
    if (journal_ && journal_->store().batch().size() >= kBatchMax) commit();
    if (budget_.delivered_bytes - flushed_bytes_ >= kUnflushedMax && flushing_.empty()) flush_dirty();
  }
  /// A PUBLISH of that size was taken: the publisher is not read for a while when a rate is exceeded.
  void spend(Client& client, std::size_t bytes) {
    if (has_rates_) spend_now(client, bytes);
  }
  /// Back-pressure of a disk that is too slow: the client is not read for a moment.
  void wait_for_store(Client& client) {
    if (journal_ && journal_->store().waiting_bytes() > limits().store_queue_bytes) wait_for_store_now(client);
  }
  /// Unsent bytes that a connection may have now: the less memory is free, the less.
  std::uint32_t output_bytes_max() const;
  /// What incomplete packets, waiting CONNECTs and aliases may take: room for two of the largest packets in
  /// any case.
  std::uint64_t input_bytes_max() const {
    return std::max<std::uint64_t>(limits().input_bytes_total / shards(), 2ull * limits().packet_size_bytes);
  }
  /// What only goes with its client leaves a quarter for packets that are on their way.
  std::uint64_t lasting_input_max() const { return input_bytes_max() / 4 * 3; }
  /// Closes the connection that has been without a CONNECT for longest.
  void end_oldest_half_open();
  /// Back-pressure: a publisher whose message went into the queue of a connected subscriber that is
  /// filling up is not read for a moment, so that the subscriber can catch up instead of losing
  /// messages. Up to about 20 ms at a time, growing with the backlog; a subscriber whose queue is full
  /// slows nobody any more.
  void throttle(Client& client, unsigned backlog_percent);
  /// The client is not read for that long; then, and at once with 0, it waits in line for its turn.
  void pause(Client& client, base::Duration length);
  void enter(Client& client);
  /// It is not half-open any more.
  void entered(Client& client);
  /// A number by which `authenticated` finds it again.
  std::uint64_t verify_later(Client& client);
  /// It does not wait any more.
  void verified(std::uint64_t number) { verifying_.erase(number); }
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

  std::uint64_t figure(Figure figure) const;
  void tell_figures();
  void hear(unsigned from, Note note, NoteReader& reader);
  void hear_message(unsigned from, Note note, NoteReader& reader);
  void tell_backlogs();
  void go_on(ClientSession& session);
  std::uint64_t needed_bytes() const;
  void release_memory();
  void wait_in_line(Client& client);
  void run_line();
  void flush_dirty();
  void commit();
  void commit_later();
  void want_turn_end() { context_.want_turn_end(); }
  void commit_if_due();
  void release_dirty();
  void keep_store();
  void note_lost();
  void release(Client& client);
  void spend_now(Client& client, std::size_t bytes);
  void wait_for_store_now(Client& client);
  void wrote(Client& client) override { flush_later(client); }
  void overflowed(Client& client) override;
  void end_overflowed();
  void host_pending() override { context_.want_turn_end(); }
  void on_deadline(base::Time now) override;

  const BrokerOptions& options_;
  ShardContext context_;
  session::QueueBudget budget_;
  Turns turns_{budget_.work};
  ShardCounters counters_;
  LimitUse peaks_;                      // as of the last turn's end
  std::unique_ptr<Peers> peers_;        // null: no other shards
  std::vector<std::uint8_t> backlogs_;  // by shard: how full the queues are that its messages came to
  MemoryRelease memory_release_{context_.timers, [this] { release_memory(); }};
  Router router_;
  SessionTable sessions_;
  std::unique_ptr<StoreJournal> journal_;                    // null: nothing survives
  io::CallTimer<&Shard::commit> commit_delay_{*this};        // of what nobody waits for
  io::CallTimer<&Shard::want_turn_end> group_delay_{*this};  // what groups' members elsewhere could have goes there
  std::unique_ptr<StoreReadBack> read_back_;                 // these with it
  std::unique_ptr<StoreEviction> eviction_;
  std::unique_ptr<StoreClearing> clearing_;
  // What survived while it is not all there yet, with the journal of then.
  struct Restoring {
    std::unique_ptr<StoreJournal> journal;
    const store::Image& image;
    Restoration restoration;
  };
  std::unique_ptr<Restoring> restoring_;
  SysTopics sys_;
  base::IntrusiveList<Client> half_open_;  // without a CONNECT, by age
  base::IntrusiveList<Client> clients_;    // the others
  std::unordered_map<std::uint64_t, Client*> verifying_;
  std::uint64_t flushed_bytes_ = 0;  // of `QueueBudget::delivered_bytes`, when last flushed
  bool has_rates_ = false;
  RateLimit messages_in_;
  RateLimit bytes_in_;
  RateLimit messages_out_;
  RateLimit bytes_out_;
  std::uint64_t spent_messages_in_ = 0;
  std::uint64_t spent_bytes_in_ = 0;
  std::uint64_t seen_messages_in_ = 0;  // of all shards' totals
  std::uint64_t seen_bytes_in_ = 0;
  std::uint64_t seen_messages_out_ = 0;
  std::uint64_t seen_bytes_out_ = 0;
  std::uint64_t noted_lost_ = 0;  // messages
  std::uint64_t next_number_ = 1;
  std::uint64_t next_client_id_ = 1;
  const auth::KeyedHash id_hash_ = auth::KeyedHash::with_random_key();
  std::vector<Client*> overflowed_;  // to be disconnected
  std::vector<Client*> holding_;     // have something that waits for the store
  std::vector<Client*> dirty_;
  std::vector<Client*> flushing_;
  std::vector<Paused> paused_;
  std::vector<std::uint8_t> packet_scratch_;
  mqtt::PropertyWriter property_scratch_;
  bool shutting_down_ = false;
  struct LogRate {
    base::Time since{};
    unsigned lines = 0;  // in the second from then on
  };
  std::array<LogRate, 2> log_rates_;   // of what clients do, and of what they do wrong
  Histogram at_once_;                  // deliveries in the turn of their PUBLISH
  std::uint64_t timed_delivered_ = 0;  // of the budget's totals
  std::uint64_t timed_late_ = 0;
};

}  // namespace shoal::broker
