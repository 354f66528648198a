#include "shoal/broker.hpp"

#include <fcntl.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <future>

#include "broker/instance.hpp"
#include "broker/runtime_impl.hpp"
#include "broker/stats_sum.hpp"
#include "io/socket.hpp"

namespace shoal {

using broker::Instance;

struct Broker::Impl {
  /// What of the broker is on one reactor. `instance` is only touched there; null: it is stopped.
  struct Part {
    io::Reactor* reactor = nullptr;
    std::unique_ptr<Instance> instance{};
  };

  Impl(const std::vector<io::Reactor*>& reactors, std::string n) : name(std::move(n)) {
    for (io::Reactor* reactor : reactors) parts.push_back({reactor});
  }

  /// Calls `act(Instance&)` on the first part's thread; false when it is stopped.
  template <class Act>
  bool call_first(Act act) {
    return call(parts.front(), act);
  }
  /// The same for each part on its thread, one after the other.
  template <class Act>
  void call_all(Act act) {
    for (Part& part : parts) call(part, act);
  }
  template <class Act>
  void call_others(Act act) {
    for (std::size_t i = 1; i < parts.size(); ++i) call(parts[i], act);
  }
  template <class Act>
  static bool call(Part& part, Act act) {
    bool called = false;
    part.reactor->call([&] {
      if (!part.instance) return;
      called = true;
      act(*part.instance);
    });
    return called;
  }

  /// All parts are there then, with what survived, and serve nobody yet.
  Result<void> open(Runtime& runtime, const BrokerOptions& options, base::Log log, Instance::Users users,
                    Instance::Survived* survived);
  /// They serve.
  Result<void> listen(std::vector<base::UniqueFd> sockets);
  void note_ports(const Instance& first) {
    ports.clear();
    for (std::size_t i = 0; i < first.options().listeners.size(); ++i) ports.push_back(first.port(i));
  }

  std::string name;
  std::vector<std::uint16_t> ports;  // of the first part's thread
  std::vector<Part> parts;           // the first has the listeners
};

namespace {

constexpr std::uint64_t kLargeStore = 16u << 20;

bool valid_name(const std::string& name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), letter);
}

Result<void> check(const BrokerOptions& options) {
  const auto refuse = [&](const std::string& what) {
    return Error{ErrorCode::invalid_argument, "instance " + options.name + ": " + what};
  };
  if (!valid_name(options.name)) {
    return Error{ErrorCode::invalid_argument,
                 "'" + options.name + "' is not an instance name: 1 to 64 of a-z A-Z 0-9 . _ - are"};
  }
  if (!options.auth.anonymous && options.auth.users_file.empty()) {
    return refuse("nobody may connect: set auth.anonymous or auth.users_file");
  }
  if (options.persistence != Persistence::none && options.store_dir.empty()) {
    return refuse("persistence needs store_dir, the folder to keep things in");
  }
  if (options.threads == 0 || options.threads > broker::ShardSet::kMost) {
    return refuse("threads must be 1 to " + std::to_string(broker::ShardSet::kMost));
  }
  if (options.threads > 1 && options.persistence != Persistence::none) {
    return refuse("threads = " + std::to_string(options.threads) + " needs persistence none");
  }
  const Limits& limits = options.limits;
  if (limits.connects_per_second == 0) return refuse("limits.connects_per_second must be at least 1");
  if (limits.receive_maximum == 0) return refuse("limits.receive_maximum must be at least 1");
  if (limits.output_bytes == 0 || limits.output_bytes > 1u << 30)
    return refuse("limits.output_bytes must be 1 to 1073741824");
  if (limits.inflight == 0) return refuse("limits.inflight must be at least 1");
  if (limits.packet_size_bytes < 16 || limits.packet_size_bytes > 255 * 1024 * 1024) {
    return refuse("limits.packet_size_bytes must be 16 to 267386880");
  }
  return {};
}

// Takes or makes every socket, so that a conflict is found before anything else starts. None for a url of `there`.
Result<std::vector<base::UniqueFd>> bind_all(const BrokerOptions& options,
                                             const std::vector<ListenerOptions>& there = {}) {
  std::vector<base::UniqueFd> sockets;
  for (const ListenerOptions& listener : options.listeners) {
    if (listener.fd >= 0) sockets.emplace_back(listener.fd);
  }
  std::vector<base::UniqueFd> ordered;
  std::size_t given = 0;
  for (const ListenerOptions& listener : options.listeners) {
    if (listener.fd >= 0) {
      ordered.push_back(std::move(sockets[given++]));
      continue;
    }
    if (std::any_of(there.begin(), there.end(), [&](const auto& one) { return one.url == listener.url; })) {
      ordered.emplace_back();
      continue;
    }
    const auto endpoint = io::Endpoint::parse(listener.url);
    if (!endpoint) return Error{endpoint.error().code, "instance " + options.name + ": " + endpoint.error().message};
    auto socket = io::listen_on(*endpoint);
    if (!socket) return Error{socket.error().code, "instance " + options.name + ": " + socket.error().message};
    ordered.push_back(std::move(*socket));
  }
  return ordered;
}

Error stopped() { return {ErrorCode::closed, "the broker is stopped"}; }

}  // namespace

Result<void> Broker::Impl::open(Runtime& runtime, const BrokerOptions& options, base::Log log, Instance::Users users,
                                Instance::Survived* survived) {
  std::shared_ptr<broker::ShardSet> set;
  if (parts.size() > 1)
    set = std::make_shared<broker::ShardSet>(static_cast<unsigned>(parts.size()), broker::random_hash());
  Result<void> opened;
  std::vector<Instance::Other> all;
  bool called = true;
  for (unsigned i = 0; called && opened && i < parts.size(); ++i) {
    called = parts[i].reactor->call([&] {
      auto instance = Instance::open(*parts[i].reactor, runtime.impl().passwords, runtime.impl().files, options,
                                     {set, i, log.share(), users}, survived);
      if (!instance) opened = std::move(instance).error();
      else all.push_back((parts[i].instance = std::move(*instance))->self());
    });
  }
  call_all([&](Instance& part) { part.set_parts(all); });
  bool more = opened && survived;
  while (called && more) called = parts.front().reactor->call([&] { more = parts.front().instance->restore_some(); });
  if (!called) return Error{ErrorCode::closed, "the runtime is stopped"};
  return opened;
}

Result<void> Broker::Impl::listen(std::vector<base::UniqueFd> sockets) {
  Result<void> opened = stopped();
  call_first([&](Instance& first) {
    opened = first.listen(std::move(sockets));
    if (opened) note_ports(first);
  });
  return opened;
}

Result<std::unique_ptr<Broker>> Broker::start(Runtime& runtime, BrokerOptions options) {
  // First of all: descriptors that were given are owned from here on, whatever else fails.
  auto sockets = bind_all(options);
  if (auto checked = check(options); !checked) return std::move(checked).error();
  if (!sockets) return std::move(sockets).error();
  auto reactors = runtime.impl().next_reactors(options.threads);
  if (!reactors) return Error{reactors.error().code, "instance " + options.name + ": " + reactors.error().message};
  auto users = Instance::load_users(options.auth);
  if (!users) return std::move(users).error();
  auto log = base::Log::open(options.log, options.name);
  if (!log) return std::move(log).error();
  // Here, so that the reactor's other brokers do not wait for it.
  auto survived = Instance::read_store(options);
  if (!survived) return std::move(survived).error();

  std::unique_ptr<Broker> broker(new Broker(std::make_unique<Impl>(*reactors, options.name)));
  Result<void> opened = Error{ErrorCode::closed, "the runtime is stopped"};
  const auto open = [&] {
    opened = broker->impl_->open(runtime, options, std::move(*log), std::move(*users), survived->get());
    if (opened) opened = broker->impl_->listen(std::move(*sockets));
  };
  // One turn of its reactor's where that is all it takes.
  if (options.threads > 1 || *survived) open();
  else reactors->front()->call(open);
  if (!opened) return std::move(opened).error();
  // What it took to read a large store is not needed again.
  const bool large = *survived && (*survived)->reading.content.report.bytes > kLargeStore;
  survived->reset();
  if (large) ::malloc_trim(0);
  return broker;
}

Broker::Broker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Broker::~Broker() { stop(); }

const std::string& Broker::name() const { return impl_->name; }

std::uint16_t Broker::port(std::size_t listener) const {
  std::uint16_t port = 0;
  impl_->call_first([&](Instance&) {
    if (listener < impl_->ports.size()) port = impl_->ports[listener];
  });
  return port;
}

Result<void> Broker::publish(const Message& message) {
  Result<void> result = stopped();
  impl_->call_first([&](Instance& first) {
    first.hear();
    result = first.shard().publish(message);
  });
  return result;
}

Result<void> Broker::subscribe(std::string_view filter, Qos qos, OnMessage on_message) {
  Result<void> result = stopped();
  impl_->call_first([&](Instance& first) { result = first.shard().subscribe(filter, qos, std::move(on_message)); });
  return result;
}

Stats Broker::stats() const {
  Stats all;
  impl_->call_all([&](Instance& part) { broker::add(all, part.stats()); });
  return all;
}

Result<void> Broker::change(BrokerOptions options) {
  const BrokerOptions now = this->options();
  for (const ListenerOptions& listener : now.listeners) base::UniqueFd(listener.fd).reset();
  auto sockets = bind_all(options, now.listeners);
  if (auto checked = check(options); !checked) return checked;
  if (!sockets) return std::move(sockets).error();
  if (options.name != now.name || options.persistence != now.persistence || options.store_dir != now.store_dir ||
      options.threads != now.threads) {
    return Error{ErrorCode::invalid_argument, "instance " + now.name +
                                                  ": name, threads, persistence and store_dir cannot be changed while "
                                                  "it serves"};
  }
  auto users = Instance::load_users(options.auth);
  if (!users) return std::move(users).error();
  Result<void> result = stopped();
  impl_->call_first([&](Instance& first) {
    result = first.change(options, std::move(*sockets), *users);
    if (result) impl_->note_ports(first);
  });
  if (!result) return result;
  impl_->call_others([&](Instance& part) { result = part.change(options, {}, *users); });
  return result;
}

BrokerOptions Broker::options() const {
  BrokerOptions options;
  impl_->call_first([&](Instance& first) {
    options = first.options();
    const std::vector<int> sockets = first.sockets();
    for (std::size_t i = 0; i < sockets.size(); ++i)
      options.listeners[i].fd = sockets[i] < 0 ? -1 : ::fcntl(sockets[i], F_DUPFD_CLOEXEC, 0);
  });
  return options;
}

// Part after part: `next` says in which one to go on, and where.
ClientPage Broker::clients(std::uint64_t from, std::size_t most) const {
  constexpr std::size_t kMost = 10'000;
  constexpr unsigned kPartAt = 40;
  constexpr std::uint64_t kAll = (std::uint64_t{1} << kPartAt) - 1;
  most = std::clamp<std::size_t>(most, 1, kMost);
  ClientPage page;
  const std::uint64_t at = from >> kPartAt;
  if (at >= impl_->parts.size()) return page;
  impl_->call(impl_->parts[at], [&](Instance& part) { page = part.clients(from & kAll, most); });
  const bool last = at + 1 == impl_->parts.size();
  const auto in_parts = [&](std::uint64_t next) {
    if (next != 0) return at << kPartAt | next;
    return last ? 0 : (at + 1) << kPartAt | kAll;
  };
  for (ClientInfo& client : page.clients) client.next = in_parts(client.next);
  page.next = in_parts(page.next);
  return page;
}

bool Broker::disconnect(std::string_view client_id) {
  bool there = false;
  impl_->call_all([&](Instance& part) { there = part.disconnect(client_id) || there; });
  return there;
}

Result<void> Broker::reload_users() {
  const BrokerOptions now = options();
  for (const ListenerOptions& listener : now.listeners) base::UniqueFd(listener.fd).reset();
  auto users = Instance::load_users(now.auth);
  const bool there = impl_->call_first([&](Instance& first) {
    if (users) first.log().info("users reloaded", {{"file", now.auth.users_file}});
    else first.log().error("users not reloaded", {{"error", users.error().message}});
    first.want_turn_end();
  });
  if (!there) return stopped();
  if (!users) return std::move(users).error();
  impl_->call_all([&](Instance& part) { part.set_users(*users); });
  return {};
}

Result<void> Broker::reopen_log() {
  Result<void> result = stopped();
  impl_->call_first([&](Instance& first) { result = first.log().reopen(); });
  return result;
}

void Broker::set_log_level(LogLevel level) {
  impl_->call_all([&](Instance& part) { part.set_log_level(level); });
}

void Broker::drain(std::chrono::milliseconds limit, std::function<void()> done) {
  constexpr auto kLimitMax = std::chrono::hours(24 * 365);  // what a clock can add
  limit = std::min<std::chrono::milliseconds>(limit, kLimitMax);
  // When the last part is done, on the first one's thread. With `stop` it goes unheard.
  auto left = std::make_shared<std::atomic<std::size_t>>(impl_->parts.size());
  const auto one_done = [left, first = impl_->parts.front().reactor, done = std::move(done)] {
    if (--*left != 0 || !done) return;
    if (first->on_loop_thread()) done();
    else first->post(done);
  };
  for (Impl::Part& part : impl_->parts) {
    if (!impl_->call(part, [&](Instance& instance) { instance.drain(limit, one_done); })) one_done();
  }
}

void Broker::drain(std::chrono::milliseconds limit) {
  // Waiting on one of its own threads would stop what is waited for.
  for (const Impl::Part& part : impl_->parts) {
    if (part.reactor->on_loop_thread()) return;
  }
  auto drained = std::make_shared<std::promise<void>>();
  auto over = drained->get_future();
  // When `stop` comes first the promise goes with the callback, which ends the wait too.
  drain(limit, [drained = std::move(drained)] { drained->set_value(); });
  over.wait();
}

// The first one last: it has the listeners' sockets, and what is said in the log comes from it.
void Broker::stop() {
  for (std::size_t i = impl_->parts.size(); i-- > 0;) {
    Impl::Part& part = impl_->parts[i];
    const auto close = [&part] {
      if (!part.instance) return;
      part.instance->close();
      // One of its callbacks may be what is running.
      part.reactor->dispose(std::shared_ptr<Instance>(std::move(part.instance)));
    };
    if (!part.reactor->call(close)) close();  // the loop is over: nobody else is there
  }
}

}  // namespace shoal
