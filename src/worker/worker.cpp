#include "worker/worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "base/signals_blocked.hpp"
#include "link/client_list.hpp"
#include "link/fields.hpp"

namespace shoal::worker {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kEnding = "its worker is ending";
constexpr int kControllerMs = 10'000;
constexpr milliseconds kDrain{5'000};
constexpr milliseconds kDrainMax{3'600'000};

milliseconds drain_of(const link::Message& message) {
  const auto asked = message.number("drain_ms");
  return asked ? std::min(milliseconds(std::min<std::uint64_t>(*asked, kDrainMax.count())), kDrainMax) : kDrain;
}

link::Message refusal(std::string_view name, std::string_view error) {
  return link::Message(link::type::kRefused).add("name", name).add("error", error);
}

// As it would have been told at the start.
link::Message with_all_listeners(const link::Message& change) {
  link::Message told(link::type::kStart);
  for (const auto& [key, value] : change.fields())
    told.add(key == "kept-listener" ? "listener" : std::string_view(key), std::string_view(value));
  return told;
}

// Without one the controller does not see whether it hangs.
link::PageMapping new_page() {
  auto page = link::PageMapping::create();
  return page ? std::move(*page) : link::PageMapping();
}

std::span<Pulse> pulses_of(link::PageMapping& page) {
  return page ? std::span<Pulse>(page.page()->pulses) : std::span<Pulse>();
}

// From any thread.
void happened(int events) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(events, &one, sizeof one);
}

Error system_error(const char* what) {
  return {ErrorCode::resource_exhausted, std::string(what) + ": " + std::strerror(errno)};
}

}  // namespace

// An instance that is not there yet.
struct Worker::Starting {
  std::string name;
  link::Message told{link::type::kStart};
  std::vector<base::UniqueFd> sockets;  // duplicates
  std::size_t listeners = 0;
  BrokerOptions options;
  Result<std::unique_ptr<Broker>> broker = std::unique_ptr<Broker>();
  std::atomic<bool> done = false;
  std::optional<milliseconds> stop;        // as soon as it is there
  std::optional<link::Received> change{};  // the same
  std::optional<LogLevel> log_level;
};

struct Worker::Hosted {
  std::unique_ptr<Broker> broker;
  std::string told;  // encoded: there may be thousands, and a message with all options takes four times as much
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
  bool draining = false;
  std::atomic<bool> drained = false;  // set by any of its threads
};

Worker::Worker(base::UniqueFd listening, base::UniqueFd signals)
    : listening_(std::move(listening)),
      signals_(std::move(signals)),
      poll_(::epoll_create1(EPOLL_CLOEXEC)),
      events_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      page_(new_page()),
      runtime_({.threads = 1, .use_calling_thread = true, .pulses = pulses_of(page_)}) {}

Worker::~Worker() {
  if (starter_.joinable()) starter_.join();
}

Result<void> Worker::run() {
  if (auto prepared = prepare(); !prepared) return prepared;
  pollfd comes{.fd = listening_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&comes, 1, kControllerMs) != 1) return Error{ErrorCode::closed, "no controller came"};
  return runtime_.run();
}

Result<void> Worker::prepare() {
  if (!poll_ || !events_) return system_error("worker cannot wait for events");
  // Again, by this process: who connects sees whose socket it is.
  if (::listen(listening_.get(), 8) != 0) return system_error("worker cannot listen for the controller");
  ::fcntl(listening_.get(), F_SETFL, ::fcntl(listening_.get(), F_GETFL) | O_NONBLOCK);
  epoll_event interest{.events = EPOLLIN, .data = {}};
  if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, listening_.get(), &interest) != 0) {
    return system_error("worker cannot wait for the controller");
  }
  if (auto ok = runtime_.watch(poll_.get(), [this] { on_control(); }); !ok) return ok;
  if (auto ok = runtime_.watch(events_.get(), [this] { on_event(); }); !ok) return ok;
  if (!signals_) return {};
  return runtime_.watch(signals_.get(), [this] { on_signal(); });
}

void Worker::on_control() {
  if (channel_) hear();
  meet_controllers();
}

void Worker::hear() {
  if (auto flushed = channel_->flush(); !flushed) return lose_controller();
  while (channel_) {
    auto received = channel_->receive();
    if (!received) return lose_controller();
    if (!received->has_value()) break;
    const bool starts = (*received)->message.type() == link::type::kStart;
    obey(std::move(**received));
    if (starts) break;  // what else came is for the next turn, after those of the other instances
  }
  if (channel_) want_write(channel_->waiting());
}

// Another one while the first is there is sent away.
void Worker::meet_controllers() {
  for (;;) {
    base::UniqueFd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    while (channel_ && channel_->hung_up()) hear();  // its last words
    if (channel_) continue;
    epoll_event interest{.events = EPOLLIN, .data = {}};
    if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, socket.get(), &interest) != 0) continue;
    write_wanted_ = false;
    channel_.emplace(std::move(socket));
    greet();
  }
}

void Worker::greet() {
  std::vector<base::UniqueFd> page;
  if (page_) page.emplace_back(::fcntl(page_.fd(), F_DUPFD_CLOEXEC, 0));
  std::erase_if(page, [](const base::UniqueFd& fd) { return !fd; });
  send(link::Message(link::type::kHello)
           .add("version", link::kVersion)
           .add("pid", unsigned(::getpid()))
           .add("instances", hosted_.size() + starting_.size()),
       std::move(page));
  const auto tell = [&](const link::Message& told, std::string_view state, std::uint64_t ready_ms,
                        std::vector<base::UniqueFd> sockets) {
    link::Message message = told.as(link::type::kHosts);
    message.add("state", state).add("ready_ms", ready_ms);
    send(message, std::move(sockets));
  };
  for (const auto& [name, hosted] : hosted_) {
    std::vector<base::UniqueFd> sockets;
    for (const ListenerOptions& listener : hosted->broker->options().listeners) sockets.emplace_back(listener.fd);
    std::erase_if(sockets, [](const base::UniqueFd& fd) { return !fd; });  // it drains, or there are none left
    const auto since = std::chrono::steady_clock::now() - hosted->since;
    const auto told = link::Message::decode(hosted->told);
    assert(told);
    tell(*told, hosted->draining ? "stopping" : "ready",
         static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(since).count()), std::move(sockets));
  }
  for (const auto& starting : starting_) {
    std::vector<base::UniqueFd> sockets;
    for (const base::UniqueFd& fd : starting->sockets) sockets.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    tell(starting->told, starting->stop ? "stopping" : "starting", 0, std::move(sockets));
  }
}

void Worker::on_signal() {
  signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGTERM) shutdown(kDrain);
    if (info.ssi_signo == SIGUSR1) reopen_logs();
  }
}

void Worker::obey(link::Received received) {
  const link::Message& message = received.message;
  const std::string& type = message.type();
  const std::string name(message.text("name"));
  if (type == link::type::kStart) start(received);
  else if (type == link::type::kChange) change(std::move(received));
  else if (type == link::type::kStop) stop(name, drain_of(message));
  else if (type == link::type::kReloadUsers) reload_users(name);
  else if (type == link::type::kReopenLogs) reopen_logs();
  else if (type == link::type::kSet) set(name, message);
  else if (type == link::type::kStats) tell_stats(name);
  else if (type == link::type::kClients) tell_clients(message);
  else if (type == link::type::kDisconnect) disconnect(message);
  else if (type == link::type::kShutdown) shutdown(drain_of(message));
}

void Worker::start(link::Received& received) {
  const std::string name(received.message.text("name"));
  const auto refuse = [&](std::string_view error) { send(refusal(name, error)); };
  auto options = link::options_from(received.message);
  if (!options) return refuse(options.error().message);
  if (ending_) return refuse(kEnding);
  if (hosted_.contains(name) || find_starting(name)) return refuse("its worker hosts it already");
  if (received.fds.size() != options->listeners.size()) return refuse("its sockets did not arrive in the worker");
  auto starting = std::make_unique<Starting>();
  for (std::size_t i = 0; i < received.fds.size(); ++i) {
    starting->sockets.emplace_back(::fcntl(received.fds[i].get(), F_DUPFD_CLOEXEC, 0));
    options->listeners[i].fd = received.fds[i].release();
  }
  starting->name = name;
  starting->told = received.message;
  starting->listeners = options->listeners.size();
  starting->options = std::move(*options);
  starting->options.log.on_trouble = [this, name](std::string_view trouble) { note_trouble(name, trouble); };
  // Reactors are never less: those of a shared worker are for whoever comes next.
  runtime_.set_threads(std::max(starting->options.threads, link::worker_threads(received.message)));
  starting_.push_back(std::move(starting));
  if (starting_.size() > 1) return;
  start_next();
  on_started();
}

// One after the other: those that have something to read or other threads to wait for, each by a thread of its own that
// then tells this one.
void Worker::start_next() {
  Starting& next = *starting_.front();
  const BrokerOptions& options = next.options;
  const bool waits =
      options.persistence != Persistence::none || !options.auth.users_file.empty() || options.threads > 1;
  if (page_) page_.page()->starting = pulse_id(next.name);
  const auto start = [this, &next] {
    next.broker = Broker::start(runtime_, std::move(next.options));
    next.done = true;
  };
  if (!waits) return start();
  const base::SignalsBlocked blocked;
  try {
    starter_ = std::thread([this, start] {
      start();
      happened(events_.get());
    });
  } catch (const std::system_error&) {
    start();  // the others wait, then
  }
}

void Worker::on_started() {
  while (!starting_.empty() && starting_.front()->done) {
    if (starter_.joinable()) starter_.join();
    if (page_) page_.page()->starting = 0;
    const std::unique_ptr<Starting> started = std::move(starting_.front());
    starting_.pop_front();
    if (!started->broker) {
      send(refusal(started->name, started->broker.error().message));
    } else {
      link::Message ready(link::type::kReady);
      ready.add("name", std::string_view(started->name));
      for (std::size_t i = 0; i < started->listeners; ++i) ready.add("port", (*started->broker)->port(i));
      auto hosted = std::make_unique<Hosted>();
      hosted->broker = std::move(*started->broker);
      hosted->told = started->told.encode();
      hosted_.emplace(started->name, std::move(hosted));
      send(ready);
    }
    if (started->change) change(std::move(*started->change));
    if (started->log_level && started->broker) set_log_level(started->name, *started->log_level);
    if (started->stop) stop(started->name, *started->stop);
    if (!starting_.empty()) start_next();
  }
}

void Worker::change(link::Received received) {
  const std::string name(received.message.text("name"));
  if (Starting* const starting = find_starting(name)) {
    starting->change = std::move(received);
    return;
  }
  const auto answer = [&](std::string_view error) {
    link::Message reply(link::type::kReply);
    reply.add("name", std::string_view(name)).add("to", link::type::kChange);
    if (!error.empty()) reply.add("error", error);
    send(reply);
  };
  const auto found = hosted_.find(name);
  if (found == hosted_.end()) return answer("its worker does not host it");
  auto options = link::options_from(received.message);
  if (!options) return answer(options.error().message);
  std::size_t next = 0;
  std::size_t listener = 0;
  for (const auto& [key, value] : received.message.fields()) {
    if (key == "listener" && next < received.fds.size())
      options->listeners[listener].fd = received.fds[next++].release();
    if (key == "listener" || key == "kept-listener") ++listener;
  }
  auto changed = found->second->broker->change(std::move(*options));
  if (changed) found->second->told = with_all_listeners(received.message).encode();
  answer(changed ? std::string_view() : std::string_view(changed.error().message));
}

void Worker::stop(const std::string& name, milliseconds drain) {
  if (Starting* const starting = find_starting(name)) {
    starting->stop = drain;
    return;
  }
  const auto found = hosted_.find(name);
  if (found == hosted_.end()) return send(link::Message(link::type::kStopped).add("name", std::string_view(name)));
  Hosted& hosted = *found->second;
  if (std::exchange(hosted.draining, true)) return;
  // The broker cannot be stopped from its own callback: the eventfd brings that to a later turn.
  hosted.broker->drain(drain, [&hosted, events = events_.get()] {
    hosted.drained = true;
    happened(events);
  });
}

Worker::Starting* Worker::find_starting(std::string_view name) {
  const auto found =
      std::find_if(starting_.begin(), starting_.end(), [&](const auto& one) { return one->name == name; });
  return found == starting_.end() ? nullptr : found->get();
}

void Worker::on_event() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(events_.get(), &count, sizeof count);
  on_started();
  tell_troubles();
  end_drained();
  end_when_empty();
}

// From any of the instance's threads.
void Worker::note_trouble(const std::string& name, std::string_view trouble) {
  {
    const std::lock_guard lock(troubles_mutex_);
    troubles_.emplace_back(name, trouble);
  }
  happened(events_.get());
}

void Worker::tell_troubles() {
  std::vector<std::pair<std::string, std::string>> troubles;
  {
    const std::lock_guard lock(troubles_mutex_);
    troubles.swap(troubles_);
  }
  for (const auto& [name, trouble] : troubles) {
    link::Message reply(link::type::kReply);
    reply.add("name", std::string_view(name)).add("to", std::string_view("write-log"));
    if (!trouble.empty()) reply.add("error", std::string_view(trouble));
    send(reply);
  }
}

void Worker::end_drained() {
  for (auto at = hosted_.begin(); at != hosted_.end();) {
    if (!at->second->drained) {
      ++at;
      continue;
    }
    tell_stats(at->first);  // the last word: nothing that was counted is missing
    at->second->broker->stop();
    const link::Message stopped = link::Message(link::type::kStopped).add("name", std::string_view(at->first));
    at = hosted_.erase(at);
    send(stopped);
  }
}

void Worker::reload_users(const std::string& name) {
  link::Message reply(link::type::kReply);
  reply.add("name", std::string_view(name)).add("to", link::type::kReloadUsers);
  const auto found = hosted_.find(name);
  if (find_starting(name)) {
    // It may have read them already.
    reply.add("error", std::string_view("it is being started"));
  } else if (found == hosted_.end()) {
    reply.add("error", std::string_view("its worker does not host it"));
  } else if (auto reloaded = found->second->broker->reload_users(); !reloaded) {
    reply.add("error", std::string_view(reloaded.error().message));
  }
  send(reply);
}

void Worker::reopen_logs() {
  for (auto& [name, hosted] : hosted_) {
    auto reopened = hosted->broker->reopen_log();
    if (reopened) continue;
    send(link::Message(link::type::kReply)
             .add("name", std::string_view(name))
             .add("to", link::type::kReopenLogs)
             .add("error", std::string_view(reopened.error().message)));
  }
}

void Worker::set(const std::string& name, const link::Message& message) {
  if (const auto level = link::log_level_in(message)) set_log_level(name, *level);
}

void Worker::set_log_level(const std::string& name, LogLevel level) {
  const auto found = hosted_.find(name);
  if (found != hosted_.end()) found->second->broker->set_log_level(level);
  else if (Starting* const starting = find_starting(name)) starting->log_level = level;
}

void Worker::tell_stats(std::string_view name) {
  const auto found = hosted_.find(name);
  if (found != hosted_.end()) send(link::to_message(found->first, found->second->broker->stats()));
}

// As many as fit into a message: the rest is asked for with another one.
void Worker::tell_clients(const link::Message& question) {
  constexpr std::uint64_t kMost = link::kFieldsMax;
  const auto found = hosted_.find(question.text("name"));
  ClientPage page;
  if (found != hosted_.end()) {
    const std::uint64_t most = std::min(question.number("most").value_or(kMost), kMost);
    page = found->second->broker->clients(question.number("from").value_or(0), most);
  }
  send(link::to_message(question.text("name"), page).add("request", question.text("request")));
}

void Worker::disconnect(const link::Message& question) {
  const auto found = hosted_.find(question.text("name"));
  link::Message reply(link::type::kReply);
  reply.add("name", question.text("name")).add("to", link::type::kDisconnect).add("request", question.text("request"));
  const bool there = found != hosted_.end() && found->second->broker->disconnect(question.text("client"));
  if (!there) reply.add("error", std::string_view("no such client is connected"));
  send(reply);
}

void Worker::shutdown(milliseconds drain) {
  ending_ = true;
  for (auto& [name, hosted] : hosted_) stop(name, drain);
  for (; starting_.size() > 1; starting_.pop_back()) send(refusal(starting_.back()->name, kEnding));
  if (!starting_.empty()) starting_.front()->stop = drain;
  end_when_empty();
}

void Worker::end_when_empty() {
  if ((ending_ || !channel_) && hosted_.empty() && starting_.empty()) runtime_.stop();
}

void Worker::lose_controller() {
  channel_.reset();
  end_when_empty();
}

void Worker::send(const link::Message& message, std::vector<base::UniqueFd> fds) {
  if (!channel_) return;
  // Refused: the controller is gone (the next read tells) or does not read; it will see our state when
  // it asks again.
  [[maybe_unused]] const auto sent = channel_->send(message, std::move(fds));
  want_write(channel_->waiting());
}

void Worker::want_write(bool wanted) {
  if (wanted == write_wanted_) return;
  write_wanted_ = wanted;
  epoll_event interest{.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {}};
  ::epoll_ctl(poll_.get(), EPOLL_CTL_MOD, channel_->fd(), &interest);
}

}  // namespace shoal::worker
