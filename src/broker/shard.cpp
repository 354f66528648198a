#include "broker/shard.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "mqtt/topic_name.hpp"
#include "mqtt/utf8.hpp"

namespace shoal::broker {

using mqtt::ReasonCode;

namespace {

// `shards`: the instance has, each with its part of what is not told between them.
void set_bounds(session::QueueBudget& budget, const BrokerOptions& options, unsigned shards) {
  budget.inflight_max = options.limits.inflight;
  budget.messages_max = options.limits.queued_messages;
  budget.bytes_max = options.limits.queued_bytes;
  budget.connected_bytes_max = options.limits.queued_bytes_connected / shards;
  budget.when_full = options.queue_full;
}

bool any_rate(const Limits& l) {
  return (l.messages_in_per_second | l.bytes_in_per_second | l.messages_out_per_second | l.bytes_out_per_second |
          l.client_messages_per_second | l.client_bytes_per_second) != 0;
}

}  // namespace

Shard::Shard(const BrokerOptions& options, ShardContext context)
    : options_(options),
      context_(std::move(context)),
      peers_(context_.set ? std::make_unique<Peers>(*context_.set, context_.number, context_.want_turn_end) : nullptr),
      backlogs_(context_.set ? context_.set->count() : 0),
      router_(options.limits, budget_, *this, context_.hash, peers_.get()),
      sessions_(budget_, router_, context_.timers, context_.now, context_.hash, context_.want_turn_end),
      sys_(*this) {
  router_.messages().set_storable(false);
  options_changed();
}

void Shard::options_changed() {
  const Limits& l = limits();
  set_bounds(budget_, options_, shards());
  has_rates_ = any_rate(l);
  messages_in_ = RateLimit(l.messages_in_per_second);
  bytes_in_ = RateLimit(l.bytes_in_per_second);
  messages_out_ = RateLimit(l.messages_out_per_second);
  bytes_out_ = RateLimit(l.bytes_out_per_second);
  for (auto* list : {&half_open_, &clients_}) list->each([](Client& client) { client.limits_changed(); });
  sys_.interval_changed();
}

Shard::~Shard() { leave_store(); }

void Shard::enter(Client& client) {
  half_open_.push_back(client);
  ++counters_.half_open_now;
}

void Shard::entered(Client& client) {
  clients_.push_back(client);
  --counters_.half_open_now;
}

std::uint64_t Shard::verify_later(Client& client) {
  const std::uint64_t number = next_number_++;
  verifying_.emplace(number, &client);
  return number;
}

void Shard::end_oldest_half_open() {
  if (half_open_.empty()) return;
  Client& client = half_open_.front();
  hit(Bound::half_open, client.transport().peer());
  client.lost("too many connections without a CONNECT");
}

void Shard::leave(Client& client) {
  std::erase(overflowed_, &client);
  if (client.holding) std::erase(holding_, &client);
  if (client.throttled) {
    std::erase_if(paused_, [&](const Paused& paused) { return paused.client == &client; });
    turns_.forget(client);
  }
  if (!client.dirty) return;
  for (auto* list : {&dirty_, &flushing_})
    std::replace(list->begin(), list->end(), &client, static_cast<Client*>(nullptr));
}

void Shard::flush_later(Client& client) {
  if (client.dirty) return;
  client.dirty = true;
  if (dirty_.empty()) context_.want_turn_end();
  dirty_.push_back(&client);
}

// Events and the line have each what a turn allows, and so has the search for retained messages while flushing.
// What flushing sends is bounded by what connections may have unsent.
bool Shard::turn_end() {
  if (router_.run_host()) context_.want_turn_end();
  run_line();
  end_overflowed();
  turns_.begin();
  if (turns_.goes_on(now())) return false;
  if (journal_) {
    keep_store();
    commit_if_due();
  }
  if (peers_) {
    if (const base::Time again = router_.shared().tell_room(now()); again != base::kNever)
      context_.timers.arm(group_delay_, again);
    tell_backlogs();
    tell_figures();
  }
  flush_dirty();
  // What was sent by that, and who waits for it, comes in the next turn.
  if (journal_ && ((journal_->awaited() && !journal_->empty()) || eviction_->due())) context_.want_turn_end();
  if (journal_ && !journal_->empty()) commit_later();
  peaks_ = use();
  memory_release_.note(needed_bytes(), now());
  turns_.begin();
  return true;
}

// By what was counted for `peaks_`; pools are for those who are there.
std::uint64_t Shard::needed_bytes() const {
  constexpr std::uint64_t kConnection = 512;
  constexpr std::uint64_t kSession = 256;
  const LimitUse& use = peaks_;
  std::uint64_t bytes = (use.connections.now + use.half_open.now) * kConnection + use.sessions.now * kSession +
                        use.queued_bytes_total.now + use.subscription_bytes.now + use.retained_bytes.now +
                        use.output_bytes_total.now + use.input_bytes_total.now + use.store_queue_bytes.now;
  if (use.connections.now != 0) bytes += router_.spare_bytes() + context_.chunks.kept_bytes();
  return bytes;
}

void Shard::release_memory() {
  router_.shrink();
  if (peers_) peers_->shrink();
  sessions_.shrink();
  verifying_.rehash(0);
  if (journal_) journal_->shrink();
  for (auto* list : {&overflowed_, &holding_, &dirty_, &flushing_}) list->shrink_to_fit();
  paused_.shrink_to_fit();
  turns_.shrink();
  packet_scratch_ = std::vector<std::uint8_t>();
  property_scratch_ = {};
  context_.memory_freed();
}

// One look at the clock for all of a turn: what a message costs by itself is far below what can be told.
void Shard::time_deliveries(base::Time at) {
  const std::uint64_t delivered = budget_.delivered - std::exchange(timed_delivered_, budget_.delivered);
  const std::uint64_t late = budget_.delivered_late - std::exchange(timed_late_, budget_.delivered_late);
  if (delivered > late) at_once_.observe(at - turns_.since(), delivered - late);
}

void Shard::wait_in_line(Client& client) {
  if (turns_.waiting() == 0) context_.want_turn_end();
  turns_.wait(client);
}

// Who waits again meanwhile has the next turn: it may be for something that only the end of this one brings.
void Shard::run_line() {
  turns_.begin();
  for (std::size_t left = turns_.waiting(); left > 0 && !turns_.over(); --left) {
    Client* const client = turns_.next();
    if (!client) continue;
    client->throttled = false;
    if (!client->ended()) client->transport().resume();
  }
  if (turns_.waiting() != 0) context_.want_turn_end();
}

// Nobody sees anything of what the other shards are not told.
void Shard::flush_dirty() {
  if (peers_) peers_->send();
  flushed_bytes_ = budget_.delivered_bytes;
  flushing_.swap(dirty_);
  for (std::size_t i = 0; i < flushing_.size(); ++i) {
    Client* const client = std::exchange(flushing_[i], nullptr);
    if (!client) continue;
    client->dirty = false;
    client->transport().flush();
  }
  flushing_.clear();
}

void Shard::throttle(Client& client, unsigned backlog_percent) {
  constexpr unsigned kFrom = 50;
  if (backlog_percent < kFrom) return;
  // Several at a time, when all clients together fill no more than half of the room by that: to stop and to go on costs
  // as much as many messages.
  constexpr std::uint64_t kBurstMax = 16;
  const std::uint64_t room = std::uint64_t{limits().queued_messages} * (100 - std::min(backlog_percent, 100u)) / 100;
  if (++client.burst < std::min(kBurstMax, room / (2 * (counters_.connections_now + 1)))) return;
  client.burst = 0;
  const base::Duration length = std::chrono::microseconds(1000 + (backlog_percent - kFrom) * 400);
  // To the whole millisecond, so that publishers go on together: one turn instead of one for each.
  pause(client, std::chrono::ceil<base::milliseconds>(now() + length) - now());
}

void Shard::pause(Client& client, base::Duration length) {
  if (client.throttled) return;
  client.throttled = true;
  if (length == base::Duration{}) return wait_in_line(client);
  const base::Time until = now() + length;
  paused_.push_back({&client, until});
  if (!armed() || until < deadline()) context_.timers.arm(*this, until);
}

void Shard::on_deadline(base::Time now) {
  std::erase_if(paused_, [&](const Paused& paused) {
    if (paused.until > now) return false;
    wait_in_line(*paused.client);
    return true;
  });
  for (const Paused& paused : paused_) {
    if (!armed() || paused.until < deadline()) context_.timers.arm(*this, paused.until);
  }
}

void Shard::spend_now(Client& client, std::size_t bytes) {
  ++spent_messages_in_;
  spent_bytes_in_ += bytes;
  // What the instance's other shards spend is of the same rates.
  const auto spend = [&](RateLimit& rate, Figure of, std::uint64_t& seen) {
    tell(of);
    const std::uint64_t all = total(of);
    return rate.spend(static_cast<double>(all - std::exchange(seen, all)), now());
  };
  const base::Duration wait =
      std::max({spend(messages_in_, Figure::rate_messages_in, seen_messages_in_),
                spend(bytes_in_, Figure::rate_bytes_in, seen_bytes_in_),
                spend(messages_out_, Figure::rate_messages_out, seen_messages_out_),
                spend(bytes_out_, Figure::rate_bytes_out, seen_bytes_out_), client.spend(bytes)});
  if (wait == base::Duration{}) return;
  hit(Bound::rate, client.client_id());
  pause(client, wait);
}

std::uint32_t Shard::output_bytes_max() const {
  // Never so little that nothing goes on.
  constexpr std::uint64_t kLeast = 4096;
  const std::uint64_t total = limits().output_bytes_total / shards();
  const std::uint64_t free = total - std::min(total, counters_.output_bytes_now);
  const std::uint32_t most = limits().output_bytes;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(free / 4, std::min<std::uint64_t>(kLeast, most), most));
}

void Shard::hit(Bound bound, std::string_view who) {
  ++counters_.limit_hits[static_cast<std::size_t>(bound)];
  log_limited(LogLevel::warn, "limit reached", {{"limit", to_string(bound)}, {"who", who}});
}

void Shard::overflowed(Client& client) {
  if (std::find(overflowed_.begin(), overflowed_.end(), &client) != overflowed_.end()) return;
  if (overflowed_.empty()) context_.want_turn_end();
  overflowed_.push_back(&client);
}

// The will of one may overflow the queue of the next.
void Shard::end_overflowed() {
  while (!overflowed_.empty()) {
    Client& client = *overflowed_.back();
    overflowed_.pop_back();
    if (client.ended()) continue;
    ++counters_.dropped;
    client.end(ReasonCode::quota_exceeded, "queue full");
  }
}

void Shard::authenticated(std::uint64_t number, const auth::Verdict& verdict) {
  const auto waiting = verifying_.extract(number);
  if (!waiting.empty()) waiting.mapped()->authenticated(verdict.decision == auth::Decision::accepted, verdict.reason);
}

bool Shard::disconnect(std::string_view client_id) {
  const ClientSession* const session = sessions_.find(client_id);
  if (!session || !session->client) return false;
  session->client->end(ReasonCode::administrative_action, "disconnected by an operator");
  return true;
}

void Shard::shut_down() {
  shutting_down_ = true;
  if (journal_) commit();
  std::vector<Client*> all;
  for (auto* list : {&half_open_, &clients_}) list->each([&](Client& client) { all.push_back(&client); });
  for (Client* client : all) client->end(ReasonCode::server_shutting_down, "shutting down");
}

void Shard::log_limited(LogLevel level, std::string_view phrase, base::Fields fields) {
  // Many clients that come and go are an ordinary day; complaints in such numbers are an attack.
  const unsigned most = level == LogLevel::info ? 500 : 50;
  if (!context_.log.enabled(level)) return;
  LogRate& rate = log_rates_[level == LogLevel::info ? 0 : 1];
  if (now() - rate.since >= base::seconds(1)) {
    if (rate.lines > most) context_.log.write(level, "lines left out", {{"count", rate.lines - most}});
    rate = {.since = now()};
  }
  if (++rate.lines <= most) context_.log.write(level, phrase, fields);
}

std::string Shard::assign_client_id() {
  std::string id;
  do {
    constexpr char kDigits[] = "0123456789abcdef";
    const auth::KeyedHash::Digest digest = id_hash_({std::to_string(next_client_id_++)});
    id = "shoal-";
    for (const std::uint8_t byte : std::span(digest).first(8)) (id += kDigits[byte >> 4]) += kDigits[byte & 15];
  } while (sessions_.find(id) || shard_of(id) != number());
  return id;
}

Result<void> Shard::publish(const Message& message) {
  if (message.topic.size() > 0xffff || !mqtt::is_topic_name(message.topic) || !mqtt::is_utf8_string(message.topic)) {
    return Error{ErrorCode::invalid_argument, "'" + std::string(message.topic) + "' is not a topic name"};
  }
  const ReasonCode code = router_.publish({.topic = message.topic,
                                           .payload = base::as_bytes(message.payload),
                                           .properties = {},
                                           .qos = static_cast<std::uint8_t>(message.qos),
                                           .retain = message.retain},
                                          nullptr, now());
  if (!is_error(code)) return {};
  return Error{code != ReasonCode::quota_exceeded ? ErrorCode::invalid_argument : ErrorCode::resource_exhausted,
               "message on '" + std::string(message.topic) + "' refused: " + std::string(to_string(code))};
}

Result<void> Shard::subscribe(std::string_view filter, Qos qos, Broker::OnMessage on_message) {
  if (filter.size() > 0xffff || !mqtt::is_topic_filter(filter) || !mqtt::is_utf8_string(filter) ||
      mqtt::is_shared(filter) || !router_.topic_within_limits(filter)) {
    return Error{ErrorCode::invalid_argument, "'" + std::string(filter) + "' is not a topic filter"};
  }
  router_.subscribe_host(filter, static_cast<std::uint8_t>(qos), std::move(on_message), now());
  return {};
}

Stats Shard::stats() const {
  const RouterCounters& routed = router_.counters();
  Stats stats;
  stats.connections_now = counters_.connections_now;
  stats.connections_refused = counters_.refused;
  stats.connections_dropped = counters_.dropped;
  stats.sessions_now = sessions_.size();
  stats.subscriptions_now = router_.subscriptions();
  stats.retained_now = router_.retained().size();
  stats.retained_bytes_now = stats.retained_now == 0 ? 0 : router_.retained().bytes();
  stats.queued_messages_now = budget_.messages_now;
  stats.queued_bytes_now = budget_.bytes_now;
  stats.messages_received = routed.received;
  stats.messages_delivered = budget_.delivered + routed.host_delivered;
  stats.messages_dropped_slow = budget_.dropped_slow;
  stats.messages_dropped_queue = budget_.dropped_full;
  stats.messages_dropped_size = budget_.dropped_size;
  stats.messages_expired = budget_.expired;
  stats.publishes_refused = routed.refused;
  stats.auth_failures = counters_.auth_failures;
  stats.limit_hits = counters_.limit_hits;
  stats.delivery_latency = at_once_;
  stats.delivery_latency.add(budget_.queued_latency);
  stats.ack_latency = budget_.ack_latency;
  if (journal_) {
    const store::Store& store = journal_->store();
    stats.store_bytes_now = store.bytes();
    stats.store_live_now = clearing_->live_bytes(router_);
    stats.store_waiting_now = store.waiting_bytes();
    stats.store_batches = store.committed();
    stats.store_cleared = clearing_->cleared();
    stats.store_absent_messages_now = router_.messages().absent_count_now();
    stats.store_absent_bytes_now = router_.messages().absent_bytes_now();
    stats.store_read_back = read_back_->count();
    stats.store_lost = read_back_->lost();
  }
  stats.use = use();
  return stats;
}

// Once in a turn, however many messages it has: additions and comparisons of what is counted anyway.
LimitUse Shard::use() const {
  LimitUse use = peaks_;
  const auto note = [](Use& of, std::uint64_t now) { of = {now, std::max(of.peak, now)}; };
  const RetainedStore& retained = router_.retained();
  note(use.connections, counters_.connections_now);
  use.connections.peak = std::max(use.connections.peak, counters_.connections_max);
  note(use.half_open, counters_.half_open_now);
  const std::uint64_t kept = router_.kept_bytes();
  note(use.queued_bytes_total, kept + budget_.entry_bytes_now);
  // As `QueueBudget::connected_percent` sees it.
  note(use.queued_bytes_connected, budget_.connected_entry_bytes_now + std::min(budget_.connected_bytes_now, kept));
  note(use.sessions, sessions_.size());
  note(use.subscription_bytes, router_.subscription_bytes());
  note(use.retained_messages, retained.size());
  note(use.retained_bytes, retained.size() == 0 ? 0 : retained.bytes());
  note(use.output_bytes_total, counters_.output_bytes_now);
  note(use.input_bytes_total, counters_.input_bytes_now);
  note(use.store_queue_bytes, journal_ ? journal_->store().waiting_bytes() : 0);
  return use;
}

}  // namespace shoal::broker
