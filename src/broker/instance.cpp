#include "broker/instance.hpp"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "auth/users_file.hpp"

namespace shoal::broker {

base::TextHash random_hash() {
  std::uint64_t seed = 0;
  // Without entropy yet (very early boot) the address space's randomness has to do.
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) seed = reinterpret_cast<std::uintptr_t>(&seed);
  return base::TextHash(seed);
}

namespace {

Error of_instance(const BrokerOptions& options, Error error) {
  error.message = "instance " + options.name + ": " + error.message;
  return error;
}

// When it has trouble.
std::string what_fails(const store::Log& log) {
  return log.full() ? "store cannot be written" : "store cannot be read";
}

std::uint64_t in_us(base::Duration duration) {
  return static_cast<std::uint64_t>(base::duration_cast<std::chrono::microseconds>(duration).count());
}

// CPU time of the calling thread.
base::Duration thread_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return base::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

store::WallMs wall_now() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<store::WallMs>(base::duration_cast<base::milliseconds>(since_1970).count());
}

}  // namespace

Result<Instance::Users> Instance::load_users(const AuthOptions& options) {
  if (options.users_file.empty()) return Users();
  return auth::load_users(options.users_file);
}

Result<std::unique_ptr<Instance>> Instance::open(io::Reactor& reactor, auth::PasswordPool& pool, io::TaskPool& files,
                                                 BrokerOptions options, Together together, Survived* survived) {
  std::unique_ptr<Instance> instance(new Instance(reactor, pool, files, std::move(options), std::move(together)));
  if (survived) {
    if (auto opened = instance->open_store(*survived); !opened) return std::move(opened).error();
  }
  return instance;
}

bool Instance::restore_some() {
  constexpr std::size_t kThings = 1'000;
  if (restoring_) restoring_ = shard_.restore_some(kThings);
  return restoring_;
}

Result<void> Instance::listen(std::vector<base::UniqueFd> sockets) {
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    listeners_.push_back(std::make_unique<Listener>(*this, std::move(sockets[i]), options_.listeners[i].url));
    if (auto opened = listeners_.back()->open(); !opened) return opened;
  }
  log_.info("instance started", {{"listeners", listeners_.size()}});
  want_turn_end();
  return {};
}

Instance::Instance(io::Reactor& reactor, auth::PasswordPool& pool, io::TaskPool& files, BrokerOptions options,
                   Together together)
    : reactor_(reactor),
      pool_(pool),
      options_(std::move(options)),
      set_(std::move(together.set)),
      log_(std::move(together.log)),
      authenticator_(options_.auth.anonymous, std::move(together.users)),
      accepts_(options_.limits.connects_per_second),
      guest_(reactor, pulse_id(options_.name)),
      background_(reactor, files),
      shard_(options_,
             {reactor.now(), reactor.timers(), reactor.chunks(), log_, counters_, *this, [this] { want_turn_end(); },
              [this] { free_memory(); }, set_ ? set_->hash() : random_hash(), set_.get(), together.number}),
      verifying_(std::make_shared<std::atomic<base::Duration::rep>>(0)),
      self_(std::make_shared<Instance*>(this)) {
  if (!set_) return;
  set_->mailbox(shard_.number()).set_wake([&reactor] { reactor.nudge(); });
  reactor_.add(*this);
}

Instance::~Instance() {
  close();
  connections_.clear();
  buried_.clear();
  reactor_.forget(*this);
}

void Instance::close() {
  if (!self_) return;
  self_.reset();
  if (set_) reactor_.remove(*this);
  pool_.cancel(authenticator_.key());
  reactor_.timers().cancel(*this);
  drained_.clear();
  for (const auto& listener : listeners_) listener->close();
  while (!connections_.empty()) connections_.back()->abort();
  shard_.stop_host();
  close_store();
  if (shard_.number() == 0) log_.info("instance stopped");
  log_.flush();
}

Result<std::unique_ptr<Instance::Survived>> Instance::read_store(const BrokerOptions& options) {
  if (options.persistence == Persistence::none) return std::unique_ptr<Survived>();
  auto directory = store::open_directory(options.store_dir);
  if (!directory) return of_instance(options, std::move(directory).error());
  auto content = store::read_log(**directory);
  if (!content) return of_instance(options, std::move(content).error());
  auto survived = std::make_unique<Survived>();
  survived->directory = std::move(*directory);
  survived->reading = store::comes_to(std::move(*content));
  return survived;
}

Result<void> Instance::open_store(Survived& survived) {
  const store::Reading& reading = survived.reading;
  const store::LogReport& report = reading.content.report;
  const store::LogOptions log_options{.durability = options_.persistence == Persistence::power_safe
                                                        ? store::Durability::power
                                                        : store::Durability::process};
  auto log = store::Log::open(std::move(survived.directory), log_options, reading.content, wall_now(), &background_);
  if (!log) return of_instance(options_, std::move(log).error());
  store_ = log->get();
  store_->set_on_commit([this] { shard_.store_changed(); });
  shard_.use_store(std::move(*log), reading.image, reading.alive_until, wall_now);
  restoring_ = true;
  note_damage(report, reading.missing);
  log_.info("store opened", {{"sessions", reading.image.sessions().size()},
                             {"retained", reading.image.retained().size()},
                             {"bytes", report.bytes},
                             {"torn_bytes", report.torn_bytes}});
  return {};
}

// Nothing is lost in silence: the log and `status` say what is missing.
void Instance::note_damage(const store::LogReport& report, const store::Image::Missing& missing) {
  constexpr std::size_t kShown = 3;
  for (const store::Damage& damage : report.damages) {
    log_.error("store damaged", {{"file", damage.file}, {"what", damage.what}});
  }
  for (std::size_t i = 0; i < std::min(kShown, report.damages.size()); ++i) {
    store_damage_ += (i == 0 ? "store damaged: " : ", ") + report.damages[i].file + " " + report.damages[i].what;
  }
  if (report.damages.size() > kShown)
    store_damage_ += ", and " + std::to_string(report.damages.size() - kShown) + " more";
  if (missing.all() == 0) return;
  log_.error("store incomplete",
             {{"messages", missing.messages}, {"sessions", missing.sessions}, {"groups", missing.groups}});
  store_damage_ += (store_damage_.empty() ? "store incomplete: " : "; missing: ") + std::to_string(missing.messages) +
                   " messages, " + std::to_string(missing.sessions) + " sessions, " + std::to_string(missing.groups) +
                   " shared subscriptions";
}

void Instance::close_store() {
  if (!store_) return;
  shard_.store_changed();
  if (auto flushed = store_->flush(); !flushed) log_.error("store not written", {{"error", flushed.error().message}});
  store_ = nullptr;
  reactor_.timers().cancel(store_retry_);
  shard_.leave_store();
  background_.finish();
}

// Says when the disk fails and when it works again, and sees to it that somebody tries.
void Instance::watch_store() {
  const std::string trouble = store_->trouble();
  if (trouble.empty() == !store_troubled_) {
    if (store_troubled_ && !store_retry_.armed())
      reactor_.timers().arm(store_retry_, reactor_.now() + base::seconds(1));
    return;
  }
  store_troubled_ = !trouble.empty();
  if (!store_troubled_) return log_.info("store works again", {{"folder", store_->path()}});
  log_.error(what_fails(*store_), {{"folder", store_->path()}, {"error", trouble}});
  reactor_.timers().arm(store_retry_, reactor_.now() + base::seconds(1));
}

void Instance::retry_store() {
  want_turn_end();
  store_->retry();
  shard_.store_changed();
}

std::vector<int> Instance::sockets() const {
  std::vector<int> fds;
  for (const auto& listener : listeners_) fds.push_back(listener->fd());
  return fds;
}

std::uint16_t Instance::port(std::size_t listener) const {
  return listener < listeners_.size() ? listeners_[listener]->port() : std::uint16_t{0};
}

Stats Instance::stats() {
  Stats stats = shard_.stats();
  log_.retry();
  stats.log_lines_lost = log_.lost();
  reactor_.serve(nullptr);
  stats.cpu_us = in_us(guest_.served()) + in_us(base::Duration(verifying_->load()));
  stats.alarm = log_.trouble();
  stats.connections_accepted = counters_.accepted;
  stats.bytes_received = counters_.bytes_received;
  stats.bytes_sent = counters_.bytes_sent;
  if (!store_) return stats;
  stats.store_errors = store_->errors();
  const auto also = [](const std::string& what) { return what.empty() ? what : "; " + what; };
  if (!store_damage_.empty()) stats.alarm = store_damage_ + also(stats.alarm);
  if (stats.store_lost != 0) {
    stats.alarm = "store damaged: " + std::to_string(stats.store_lost) + " queued messages lost" + also(stats.alarm);
  }
  if (const std::string trouble = store_->trouble(); !trouble.empty()) {
    stats.alarm = what_fails(*store_) + ": " + trouble + also(stats.alarm);
  }
  return stats;
}

// From the end to the beginning: the place of one that went is taken by the last, which was looked at already.
ClientPage Instance::clients(std::uint64_t from, std::size_t most) const {
  const std::size_t looked_at_max = 10 * most;
  std::size_t at = connections_.size();
  if (from != 0) at = static_cast<std::size_t>(std::min<std::uint64_t>(at, from));
  ClientPage page;
  for (std::size_t looked_at = 0; at > 0 && page.clients.size() < most && looked_at < looked_at_max; ++looked_at) {
    const Client& client = connections_[--at]->client();
    if (!client.connected()) continue;
    page.clients.push_back(client.info());
    page.clients.back().next = at;
  }
  page.next = at;
  return page;
}

bool Instance::disconnect(std::string_view client_id) {
  if (!shard_.disconnect(client_id)) return false;
  want_turn_end();
  return true;
}

void Instance::set_users(Users users) {
  authenticator_.set_users(std::move(users));
  want_turn_end();
}

Result<void> Instance::change(BrokerOptions options, std::vector<base::UniqueFd> sockets, Users users) {
  std::vector<std::unique_ptr<Listener>> added;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (!sockets[i]) continue;
    added.push_back(std::make_unique<Listener>(*this, std::move(sockets[i]), options.listeners[i].url));
    if (auto opened = added.back()->open(); !opened) return opened;
  }
  // From here on nothing fails.
  std::vector<std::unique_ptr<Listener>> all;
  for (const ListenerOptions& wanted : options.listeners) {
    for (auto* from : {&added, &listeners_}) {
      const auto found =
          std::find_if(from->begin(), from->end(), [&](const auto& one) { return one && one->url() == wanted.url; });
      if (found == from->end()) continue;
      all.push_back(std::move(*found));
      break;
    }
  }
  listeners_.swap(all);
  for (auto& gone : all) {
    if (!gone) continue;
    gone->close();
    reactor_.dispose(std::shared_ptr<Listener>(std::move(gone)));  // an event of this turn may still come
  }
  if (options.limits.connects_per_second != options_.limits.connects_per_second)
    accepts_ = RateLimit(options.limits.connects_per_second);
  authenticator_.set_anonymous(options.auth.anonymous);
  authenticator_.set_users(std::move(users));
  log_.set_level(options.log.level);
  options_.auth = std::move(options.auth);
  options_.limits = options.limits;
  options_.queue_full = options.queue_full;
  options_.sys_interval_s = options.sys_interval_s;
  options_.response_information = std::move(options.response_information);
  options_.log.level = options.log.level;
  options_.listeners = std::move(options.listeners);
  shard_.options_changed();
  if (shard_.number() == 0) log_.info("options changed", {{"listeners", listeners_.size()}});
  want_turn_end();
  return {};
}

void Instance::set_log_level(LogLevel level) {
  log_.set_level(level);
  if (shard_.number() == 0) log_.info("log level changed", {{"level", base::to_string(level)}});
  want_turn_end();
}

bool Instance::may_accept() {
  if (accepts_.take(reactor_.now())) return true;
  shard_.hit(Bound::connects_per_second, "");
  return false;
}

void Instance::accept(base::UniqueFd fd, const io::Endpoint& peer) {
  want_turn_end();
  ++counters_.accepted;
  exhausted_ = false;
  // Who means it sends its CONNECT at once: the oldest goes, not the one that comes.
  if (shard_.counters().half_open_now >= options_.limits.half_open) shard_.end_oldest_half_open();
  add(std::move(fd), peer);
}

Connection* Instance::add(base::UniqueFd fd, const io::Endpoint& peer) {
  auto connection = std::make_unique<Connection>(*this, std::move(fd), peer);
  if (!connection->open()) return nullptr;
  connection->index = static_cast<std::uint32_t>(connections_.size());
  connections_.push_back(std::move(connection));
  return connections_.back().get();
}

void Instance::move(unsigned part, base::UniqueFd fd, const io::Endpoint& peer, base::Bytes said) {
  struct Arrival {
    base::UniqueFd fd;
    io::Endpoint peer;
    std::vector<std::uint8_t> said;
  };
  auto arrival = std::make_shared<Arrival>(Arrival{std::move(fd), peer, {said.begin(), said.end()}});
  parts_[part].reactor->post([to = parts_[part].instance, arrival] {
    const auto there = to.lock();
    if (!there) return;
    Instance& instance = **there;
    instance.want_turn_end();
    instance.hear();
    if (Connection* const connection = instance.add(std::move(arrival->fd), arrival->peer))
      connection->take(arrival->said);
  });
}

void Instance::on_mail() {
  reactor_.serve(&guest_);
  shard_.hear();
}

void Instance::accept_failed(const Error& error) {
  shard_.hit(Bound::descriptors, "");
  if (!std::exchange(exhausted_, true)) log_.error("connections wait", {{"error", error.message}});
}

void Instance::bury(Connection& connection) {
  auto& place = connections_[connection.index];
  buried_.push_back(std::move(place));
  if (&place != &connections_.back()) {
    place = std::move(connections_.back());
    place->index = connection.index;
  }
  connections_.pop_back();
  want_turn_end();
}

void Instance::free_memory() {
  connections_.shrink_to_fit();
  buried_.shrink_to_fit();
  reactor_.release_memory();
}

void Instance::keep_input(std::ptrdiff_t bytes) {
  std::uint64_t& now = shard_.counters().input_bytes_now;
  now += static_cast<std::uint64_t>(bytes);
  if (bytes <= 0 || now <= shard_.input_bytes_max()) return;
  input_full_ = true;
  want_turn_end();
}

std::size_t Instance::read_bytes_max() {
  constexpr std::size_t kLittle = 4096;
  return shard_.counters().input_bytes_now > shard_.input_bytes_max() / 2 ? kLittle : SIZE_MAX;
}

// Down to seven eighths, so that it does not come to this with every packet. Most of those who make it full may wait in
// line for their turn, and only then for the rest; somebody's few bytes that are on their way right now may stay.
void Instance::end_stale_input() {
  input_full_ = false;
  const std::uint64_t wanted = shard_.input_bytes_max() / 8 * 7;
  const base::Time now = reactor_.now();
  std::vector<Connection*> stale;
  for (const auto& connection : connections_) {
    if (connection->keeps_input()) stale.push_back(connection.get());
  }
  std::sort(stale.begin(), stale.end(),
            [now](const Connection* a, const Connection* b) { return a->kept_cost(now) > b->kept_cost(now); });
  for (Connection* connection : stale) {
    if (shard_.counters().input_bytes_now <= wanted) break;
    shard_.hit(Bound::input_bytes_total, connection->client().client_id());
    connection->end_input();
  }
}

void Instance::on_turn_end() {
  if (!self_) return;
  reactor_.serve(&guest_);
  if (input_full_) end_stale_input();
  shard_.share_turns(shares_thread());
  if (!shard_.turn_end()) return;
  if (shard_.has_deliveries()) shard_.time_deliveries(io::Reactor::read_clock());
  if (store_) watch_store();
  buried_.clear();
  log_.flush();
  if (!drained_.empty() && connections_.empty()) finish_drain();
}

auth::Verdict Instance::check(std::optional<std::string_view> user, std::optional<std::string_view> password) {
  return authenticator_.check(user, password);
}

bool Instance::verify(std::uint64_t client, std::string_view user, std::string_view password) {
  // On a pool thread; the instance may be gone when the answer arrives here.
  auto answer = [reactor = &reactor_, self = std::weak_ptr<Instance*>(self_), client](auth::Verdict verdict) {
    reactor->post([self, client, verdict] {
      if (const auto instance = self.lock()) (*instance)->shard_.authenticated(client, verdict);
    });
  };
  auth::PasswordPool::Job job = authenticator_.job(user, password, std::move(answer));
  job.verify = [verify = std::move(job.verify), spent = verifying_] {
    const base::Duration before = thread_time();
    const auth::Verdict verdict = verify();
    *spent += (thread_time() - before).count();
    return verdict;
  };
  return pool_.submit(authenticator_.key(), std::move(job));
}

void Instance::drain(base::Duration limit, std::function<void()> done) {
  if (shard_.number() == 0) log_.info("instance draining", {{"connections", shard_.total(Figure::connections)}});
  for (const auto& listener : listeners_) listener->close();
  shard_.shut_down();
  drained_.push_back(std::move(done));
  const base::Time until = reactor_.now() + limit;
  if (!armed() || until < deadline()) reactor_.timers().arm(*this, until);
  want_turn_end();
}

void Instance::on_deadline(base::Time) { finish_drain(); }

void Instance::finish_drain() {
  reactor_.timers().cancel(*this);
  for (const auto& done : std::exchange(drained_, {})) {
    if (done) done();
  }
}

}  // namespace shoal::broker
