#include "conversation/bed.hpp"

#include <algorithm>

#include "mqtt/decode.hpp"
#include "packet_cases/render.hpp"
#include "store/describe.hpp"
#include "target.hpp"

namespace shoal::fuzz {
namespace {

// What the last message's topic and $SYS add to the index of retained messages.
constexpr std::uint64_t kRetainedIndexMax = 30'000;
// So small that segments are cleared all the time.
constexpr std::uint64_t kSegmentBytes = 2'000;
constexpr store::WallMs kWall = 1'700'000'000'000;

}  // namespace

Bed::Bed(BrokerOptions options, bool stored) : options_(std::move(options)), stored_(stored) { start(); }

void Bed::start() {
  shard_ =
      std::make_unique<broker::Shard>(options_, broker::ShardContext{.now = now_,
                                                                     .timers = timers_,
                                                                     .chunks = chunks_,
                                                                     .log = log_,
                                                                     .edge = edge_,
                                                                     .authority = authority_,
                                                                     .want_turn_end = [this] { turn_wanted_ = true; }});
  empty_bytes_ = shard_->router().subscription_bytes();
  if (!stored_) return;
  auto store = std::make_unique<store::MemoryStore>(disk_, kSegmentBytes);
  store_ = store.get();
  const auto wall = [this] { return kWall + base::duration_cast<base::milliseconds>(now_.time_since_epoch()).count(); };
  const store::Image image = disk_.image();
  shard_->use_store(std::move(store), image, disk_.alive_until(), wall);
  while (shard_->restore_some(5)) shard_->turn_end();
}

void Bed::trace(const Peer* peer, const char* direction, const mqtt::Frame& frame, mqtt::Version version) const {
  if (!traced_) return;
  std::size_t place = 0;
  while (place < kPeers && peers_[place].get() != peer) ++place;
  const auto packet = mqtt::decode(frame, version);
  const std::string text = packet ? packet_cases::render(*packet) : packet.error().what;
  const auto time_ms = std::chrono::duration_cast<base::milliseconds>(now_.time_since_epoch()).count() % 1'000'000;
  std::fprintf(stderr, "%6lld ms  %zu %s %.200s\n", static_cast<long long>(time_ms), place, direction, text.c_str());
}

Peer& Bed::open(std::size_t place) {
  if (peers_[place]) peers_[place]->drop();
  if (peers_[place] || stored_) turn();  // one CONNACK may wait for the store, and a later one need not
  peers_[place] = std::make_unique<Peer>(*this);
  return *peers_[place];
}

void Bed::look() {
  for (const auto& peer : peers_) {
    if (peer) peer->look();
  }
}

SessionModel& Bed::take_over(const std::string& client_id, bool clean, bool& present) {
  const auto found = sessions_.find(client_id);
  if (found != sessions_.end() && found->second.peer) found->second.peer->look();  // may end it
  if (clean) sessions_.erase(client_id);
  const auto kept = sessions_.find(client_id);
  present = kept != sessions_.end();
  if (present) check(kept->second.peer == nullptr, "one connection per client id");
  return sessions_[client_id];
}

void Bed::turn() {
  int turns = 0;
  do {
    turn_wanted_ = false;
    shard_->turn_end();
    check(++turns < 1000, "turns come to an end");
  } while (turn_wanted_);
  look();
  for (const auto& peer : peers_) {
    if (peer) peer->settle();
  }
  check_all();
}

void Bed::advance(base::Duration time) {
  if (stored_) turn();  // what is said takes until then, but no time
  const base::Time target = now_ + time;
  int spins = 0;
  for (base::Time next = std::min(timers_.next(), due()); next <= target; next = std::min(timers_.next(), due())) {
    spins = next <= now_ ? spins + 1 : 0;
    check(spins < 100, "time goes on");
    now_ = std::max(now_, next);
    std::erase_if(sessions_, [&](const auto& session) { return session.second.ends <= now_; });
    timers_.run(now_);
    look();
    turn();
    for (const auto& peer : peers_) check(!peer || peer->due() > now_, "keep alive, and CONNECT in time");
  }
  now_ = target;
  turn();
}

// When something has to have happened, whether the broker has a timer for it or not.
base::Time Bed::due() const {
  base::Time due = base::kNever;
  for (const auto& [id, session] : sessions_) due = std::min(due, session.ends);
  for (const auto& peer : peers_) {
    if (peer) due = std::min(due, peer->due());
  }
  return due;
}

void Bed::verified(bool accepted) {
  if (authority_.verifying.empty()) return;
  if (stored_) turn();
  if (authority_.verifying.empty()) return;
  const std::uint64_t client = authority_.verifying.front();
  authority_.verifying.erase(authority_.verifying.begin());
  shard_->authenticated(client, {accepted ? auth::Decision::accepted : auth::Decision::refused, "told so"});
  look();
}

void Bed::publish(const Message& message) {
  published_.add(message.topic, base::as_bytes(message.payload), {}, static_cast<std::uint8_t>(message.qos),
                 message.retain, base::kNever);
  (void)shard_->publish(message);
  look();
}

void Bed::subscribe(std::string_view filter, Qos qos, bool answers) {
  const auto on_message = [this, answers](const Message& message) {
    check(!message.topic.starts_with("answer/"), "the host gets what it asked for");
    if (answers)
      publish({.topic = "answer/" + std::string(message.topic),
               .payload = message.payload,
               .qos = message.qos,
               .retain = message.retain});
  };
  if (shard_->subscribe(filter, qos, on_message)) ++host_filters_;
}

void Bed::check_all() {
  std::size_t connected = 0;
  std::size_t half_open = 0;
  for (const auto& peer : peers_) {
    if (!peer) continue;
    if (peer->connected()) ++connected;
    if (peer->half_open()) ++half_open;
    check(!peer->connected() || (peer->session() && peer->session()->peer == peer.get()),
          "the connected have sessions");
  }
  const Stats stats = shard_->stats();
  const Limits& limits = options_.limits;
  check(stats.connections_now == connected && connected <= limits.connections, "connections are counted");
  check(shard_->counters().half_open_now == half_open, "half-open connections are counted");
  check(stats.sessions_now == sessions_.size() && stats.sessions_now <= limits.sessions, "sessions are counted");
  std::size_t filters = host_filters_;
  bool known = true;
  for (const auto& [id, session] : sessions_) {
    check(session.ends > now_, "a session ends in time");
    filters += session.filters().size();
    known &= session.filters_known();
    check(!session.filters_known() || session.filters().size() <= limits.subscriptions, "subscriptions are bounded");
  }
  check(!known || stats.subscriptions_now == filters, "subscriptions are counted");
  check(stats.retained_now <= limits.retained_messages &&
            stats.retained_bytes_now <= limits.retained_bytes + kRetainedIndexMax,
        "retained messages are bounded");
  // What members of a shared subscription did not acknowledge goes back to their group, whatever waits there.
  broker::Router& router = shard_->router();
  check(router.shared().groups() != 0 || (stats.queued_messages_now <= stats.sessions_now * limits.queued_messages &&
                                          stats.queued_bytes_now <= stats.sessions_now * limits.queued_bytes),
        "queues are bounded");
  const session::MessagePool& messages = router.messages();
  // A message and four wills, which are not refused, may come when there is next to no room.
  check(messages.bytes_now() + messages.absent_bytes_now() - router.retained().message_bytes() +
                shard_->budget().entry_bytes_now <=
            limits.queued_bytes_total + (1 + kPeers) * kMessageSizeMax,
        "what is kept is bounded");
}

void Bed::drop_all() {
  for (const auto& peer : peers_) {
    if (peer) peer->drop();
  }
  turn();
}

void Bed::restart() {
  if (traced_) std::fprintf(stderr, stored_ ? "killed\n" : "all connections break\n");
  drop_all();
  if (!stored_) return;
  for (auto& peer : peers_) peer.reset();
  shard_->leave_store();
  shard_.reset();
  check(!timer_armed(), "no timer is left");
  authority_.verifying.clear();
  host_filters_ = 0;
  start();
  turn();
}

// All of it is told again, which must not change what it comes to.
void Bed::check_store() {
  if (!stored_) return;
  advance(base::milliseconds(10));  // what nobody waits for is committed, too
  store::Image::Missing missing;
  const std::string before = store::describe(disk_.image(&missing));
  check(missing == store::Image::Missing(), "nothing is missing in the store");
  store_->begin_segment();
  const store::Place first = store_->place();
  store_->set_damaged(true);
  shard_->store_changed();
  const auto older = [&] { return static_cast<std::int16_t>(store_->oldest() - first) < 0; };
  for (int turns = 0; older(); ++turns) {
    check(turns < 10'000, "a store is cleared");
    shard_->turn_end();
  }
  store_->set_damaged(false);
  turn();
  check(store::describe(disk_.image(&missing)) == before && missing == store::Image::Missing(),
        "what is told again is the same");
}

void Bed::finish(bool politely) {
  turn();
  if (politely) {
    shard_->shut_down();
    look();
  }
  drop_all();
  check_store();
  advance(base::seconds(options_.limits.session_expiry_s));
  const Stats stats = shard_->stats();
  check(stats.connections_now == 0 && stats.sessions_now == 0, "nobody is left");
  check(stats.subscriptions_now == host_filters_, "no subscription is left");
  check(stats.queued_messages_now == 0 && stats.queued_bytes_now == 0, "no queue is left");
  check(!timer_armed(), "no timer is left");
  broker::Router& router = shard_->router();
  check(router.messages().bytes_now() == router.retained().message_bytes() && router.messages().absent_bytes_now() == 0,
        "no message is left");
  check(shard_->budget().entry_bytes_now == 0, "no entry of a queue is left");
  check(shard_->counters().output_bytes_now == 0 && shard_->counters().input_bytes_now == 0, "no bytes are left");
  check(host_filters_ != 0 || router.subscription_bytes() == empty_bytes_, "no memory of subscriptions is left");
}

}  // namespace shoal::fuzz
