#include "shoal/broker.hpp"

#include <fcntl.h>
#include <malloc.h>

#include <algorithm>
#include <future>

#include "broker/instance.hpp"
#include "broker/runtime_impl.hpp"
#include "io/socket.hpp"

namespace shoal {

using broker::Instance;

/// `instance` belongs to the reactor's thread; it is only touched there.
struct Broker::Impl {
  Impl(io::Reactor& r, std::string n) : reactor(r), name(std::move(n)) {}

  io::Reactor& reactor;
  std::string name;
  std::vector<std::uint16_t> ports;
  std::unique_ptr<Instance> instance;
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

Result<std::unique_ptr<Broker>> Broker::start(Runtime& runtime, BrokerOptions options) {
  // First of all: descriptors that were given are owned from here on, whatever else fails.
  auto sockets = bind_all(options);
  if (auto checked = check(options); !checked) return std::move(checked).error();
  if (!sockets) return std::move(sockets).error();
  auto reactor = runtime.impl().next_reactor();
  if (!reactor) return std::move(reactor).error();

  // Here, so that the reactor's other brokers do not wait for it.
  auto survived = Instance::read_store(options);
  if (!survived) return std::move(survived).error();

  const std::size_t listeners = options.listeners.size();
  std::unique_ptr<Broker> broker(new Broker(std::make_unique<Impl>(**reactor, options.name)));
  Impl& impl = *broker->impl_;
  Result<void> opened;
  bool more = false;
  bool called = impl.reactor.call([&] {
    auto instance = Instance::open(impl.reactor, runtime.impl().passwords, runtime.impl().files, std::move(options),
                                   survived->get());
    if (instance) impl.instance = std::move(*instance);
    else opened = std::move(instance).error();
    more = impl.instance && impl.instance->restore_some();
  });
  while (called && more) called = impl.reactor.call([&] { more = impl.instance->restore_some(); });
  called = called && impl.reactor.call([&] {
    if (!impl.instance) return;
    opened = impl.instance->listen(std::move(*sockets));
    for (std::size_t i = 0; opened && i < listeners; ++i) impl.ports.push_back(impl.instance->port(i));
  });
  if (!called) return Error{ErrorCode::closed, "the runtime is stopped"};
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
  impl_->reactor.call([&] {
    if (listener < impl_->ports.size()) port = impl_->ports[listener];
  });
  return port;
}

Result<void> Broker::publish(const Message& message) {
  Result<void> result = stopped();
  impl_->reactor.call([&] {
    if (impl_->instance) result = impl_->instance->shard().publish(message);
  });
  return result;
}

Result<void> Broker::subscribe(std::string_view filter, Qos qos, OnMessage on_message) {
  Result<void> result = stopped();
  impl_->reactor.call([&] {
    if (impl_->instance) result = impl_->instance->shard().subscribe(filter, qos, std::move(on_message));
  });
  return result;
}

Stats Broker::stats() const {
  Stats stats;
  impl_->reactor.call([&] {
    if (impl_->instance) stats = impl_->instance->stats();
  });
  return stats;
}

Result<void> Broker::change(BrokerOptions options) {
  const BrokerOptions now = this->options();
  for (const ListenerOptions& listener : now.listeners) base::UniqueFd(listener.fd).reset();
  auto sockets = bind_all(options, now.listeners);
  if (auto checked = check(options); !checked) return checked;
  if (!sockets) return std::move(sockets).error();
  if (options.name != now.name || options.persistence != now.persistence || options.store_dir != now.store_dir) {
    return Error{ErrorCode::invalid_argument, "instance " + now.name +
                                                  ": name, persistence and store_dir cannot be changed while "
                                                  "it serves"};
  }
  Result<void> result = stopped();
  impl_->reactor.call([&] {
    if (!impl_->instance) return;
    const std::size_t listeners = options.listeners.size();
    result = impl_->instance->change(std::move(options), std::move(*sockets));
    if (!result) return;
    impl_->ports.clear();
    for (std::size_t i = 0; i < listeners; ++i) impl_->ports.push_back(impl_->instance->port(i));
  });
  return result;
}

BrokerOptions Broker::options() const {
  BrokerOptions options;
  impl_->reactor.call([&] {
    if (!impl_->instance) return;
    options = impl_->instance->options();
    const std::vector<int> sockets = impl_->instance->sockets();
    for (std::size_t i = 0; i < sockets.size(); ++i)
      options.listeners[i].fd = sockets[i] < 0 ? -1 : ::fcntl(sockets[i], F_DUPFD_CLOEXEC, 0);
  });
  return options;
}

ClientPage Broker::clients(std::uint64_t from, std::size_t most) const {
  constexpr std::size_t kMost = 10'000;
  ClientPage page;
  impl_->reactor.call([&] {
    if (impl_->instance) page = impl_->instance->clients(from, std::clamp<std::size_t>(most, 1, kMost));
  });
  return page;
}

bool Broker::disconnect(std::string_view client_id) {
  bool there = false;
  impl_->reactor.call([&] { there = impl_->instance && impl_->instance->disconnect(client_id); });
  return there;
}

Result<void> Broker::reload_users() {
  Result<void> result = stopped();
  impl_->reactor.call([&] {
    if (impl_->instance) result = impl_->instance->reload_users();
  });
  return result;
}

Result<void> Broker::reopen_log() {
  Result<void> result = stopped();
  impl_->reactor.call([&] {
    if (impl_->instance) result = impl_->instance->reopen_log();
  });
  return result;
}

void Broker::set_log_level(LogLevel level) {
  impl_->reactor.call([&] {
    if (impl_->instance) impl_->instance->set_log_level(level);
  });
}

void Broker::drain(std::chrono::milliseconds limit, std::function<void()> done) {
  constexpr auto kLimitMax = std::chrono::hours(24 * 365);  // what a clock can add
  impl_->reactor.call([&] {
    if (impl_->instance) impl_->instance->drain(std::min<std::chrono::milliseconds>(limit, kLimitMax), std::move(done));
    else if (done) done();
  });
}

void Broker::drain(std::chrono::milliseconds limit) {
  if (impl_->reactor.on_loop_thread()) return;  // waiting would stop what is waited for
  auto drained = std::make_shared<std::promise<void>>();
  auto over = drained->get_future();
  // When `stop` comes first the promise goes with the callback, which ends the wait too.
  drain(limit, [drained = std::move(drained)] { drained->set_value(); });
  over.wait();
}

void Broker::stop() {
  const auto close = [&] {
    if (!impl_->instance) return;
    impl_->instance->close();
    // One of its callbacks may be what is running.
    impl_->reactor.dispose(std::shared_ptr<Instance>(std::move(impl_->instance)));
  };
  if (!impl_->reactor.call(close)) close();  // the loop is over: nobody else is there
}

}  // namespace shoal
