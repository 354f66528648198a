#include "fleet/bind.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fleet/port_holder.hpp"

namespace shoal::fleet {
namespace {

/// The socket, or none and errno.
base::UniqueFd listen_on(const config::ListenerConfig& listener) {
  sockaddr_storage address{};
  socklen_t length = 0;
  if (listener.ipv6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
    length = sizeof v6;
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(*listener.port);
    ::inet_pton(AF_INET6, listener.host.c_str(), &v6.sin6_addr);
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address);
    length = sizeof v4;
    v4.sin_family = AF_INET;
    v4.sin_port = htons(*listener.port);
    ::inet_pton(AF_INET, listener.host.c_str(), &v4.sin_addr);
  }
  base::UniqueFd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return {};
  const int on = 1;
  const bool ok = ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                  (!listener.ipv6 || ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
                  ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
                  ::listen(fd.get(), kBacklog) == 0;
  if (ok) return fd;
  const int error = errno;
  fd.reset();
  errno = error;
  return {};
}

/// A socket that keeps everybody else from that port, or none and errno: then somebody has it on some address.
base::UniqueFd listen_everywhere(std::uint16_t port) {
  config::ListenerConfig everywhere;
  everywhere.port = port;
  everywhere.host = "::";
  everywhere.ipv6 = true;
  const base::UniqueFd ipv6 = listen_on(everywhere);
  if (!ipv6 && errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) return {};
  everywhere.host = "0.0.0.0";
  everywhere.ipv6 = false;
  return listen_on(everywhere);
}

/// `instance plant-a (shoal.toml:14)`, `mosquitto (pid 812)`, `another program`.
std::string holder_of(const std::string& instance, const config::ListenerConfig& listener, const PortBook& book) {
  const auto holder = find_port_holder(listener);
  const bool ours = !holder || holder->pid == ::getpid() || holder->program == "shoal-worker";
  const PortBook::Owner* owner = ours ? book.other_owner(instance, listener) : nullptr;
  if (owner) return "instance " + owner->instance + " (" + owner->listener.at.line_text() + ')';
  if (holder) return holder->program + " (pid " + std::to_string(holder->pid) + ')';
  return "another program";
}

std::string this_program() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string("shoal") : path.string();
}

/// What to tell when `listen_on` failed.
std::string reason(int error, const std::string& instance, const config::ListenerConfig& listener,
                   const PortBook& book) {
  const bool may_be_auto = !instance.empty();
  const std::string port = "port " + std::to_string(*listener.port);
  switch (error) {
    case EADDRINUSE:
      return port + " is held by " + holder_of(instance, listener, book) + "; stop it, or choose another port" +
             (may_be_auto ? " or auto" : "");
    case EADDRNOTAVAIL: return "address " + listener.host + " is not one of this machine; see `ip addr`";
    case EACCES:
      return port + " needs CAP_NET_BIND_SERVICE: use the systemd unit, or start as root with fleet.user, or `setcap " +
             "cap_net_bind_service=ep " + this_program() +
             "`, or `sysctl -w net.ipv4.ip_unprivileged_port_start=" + std::to_string(*listener.port) + '`';
    case EAFNOSUPPORT: return "this machine has no IPv6; choose an IPv4 address";
    default: return "cannot listen on " + listener.url() + ": " + std::strerror(error);
  }
}

/// One listener: bound, or with a problem. `note` is for the log.
struct Attempt {
  BoundListener bound{};
  std::string problem{};
  std::string note{};
};

Attempt success(base::UniqueFd fd, const config::ListenerConfig& listener) {
  return {.bound = {std::move(fd), listener.url(), *listener.port}};
}

/// The one that is open under this url, or a new one.
base::UniqueFd take(const config::ListenerConfig& listener, const OpenSockets& open) {
  const auto there = open.find(listener.url());
  if (there == open.end()) return listener.foreign ? listen_everywhere(*listener.port) : listen_on(listener);
  return base::UniqueFd(::fcntl(there->second, F_DUPFD_CLOEXEC, 0));
}

Attempt bind_fixed(const config::InstanceConfig& instance, const config::ListenerConfig& listener, const PortBook& book,
                   const OpenSockets& open) {
  base::UniqueFd fd = take(listener, open);
  if (fd) return success(std::move(fd), listener);
  return {.problem = reason(errno, instance.name, listener, book)};
}

/// Any free port that no instance has.
Attempt bind_new(const config::InstanceConfig& instance, std::size_t index, PortBook& book) {
  config::ListenerConfig listener = instance.listeners[index];
  const config::PortRange range = book.range();
  for (unsigned port = range.first; port <= range.last; ++port) {
    listener.port = static_cast<std::uint16_t>(port);
    if (book.owned(*listener.port)) continue;
    base::UniqueFd fd = take(listener, {});
    if (fd) {
      book.remember(instance, index, *listener.port);
      return success(std::move(fd), listener);
    }
    if (errno != EADDRINUSE) return {.problem = reason(errno, instance.name, listener, book)};
  }
  return {.problem = "no free port in " + std::to_string(range.first) + '-' + std::to_string(range.last) +
                     "; choose a wider fleet.port_range"};
}

Attempt bind_automatic(const config::InstanceConfig& instance, std::size_t index, PortBook& book,
                       const OpenSockets& open) {
  config::ListenerConfig listener = instance.listeners[index];
  listener.port = book.remembered(instance.name, index);
  if (!listener.port) return bind_new(instance, index, book);

  std::string lost = "port " + std::to_string(*listener.port);
  const PortBook::Owner* owner = book.other_owner(instance.name, listener);
  if (owner && !owner->automatic) {
    lost += " was given to instance " + owner->instance + " (" + owner->listener.at.line_text() + ')';
  } else {
    base::UniqueFd fd = take(listener, open);
    if (fd) return success(std::move(fd), listener);
    if (errno != EADDRINUSE) return {.problem = reason(errno, instance.name, listener, book)};
    lost += " is held by " + holder_of(instance.name, listener, book);
  }
  Attempt attempt = bind_new(instance, index, book);
  if (attempt.bound.fd) attempt.note = lost + "; its port is " + std::to_string(attempt.bound.port) + " now";
  return attempt;
}

}  // namespace

std::variant<BoundListener, config::Problem> bind_own(const std::string& what, const config::ListenerConfig& listener,
                                                      const PortBook& book) {
  base::UniqueFd fd = listen_on(listener);
  if (fd) return BoundListener{std::move(fd), listener.url(), *listener.port};
  return config::Problem{listener.at, what + ": " + reason(errno, {}, listener, book)};
}

Bound bind_all(std::span<const config::InstanceConfig* const> plan, PortBook& book, const OpenSockets& open,
               Remember remember) {
  Bound result;
  for (const config::InstanceConfig* instance : plan) {
    const std::string who = "instance " + instance->name + ": ";
    BoundInstance& bound = result.instances.emplace_back(BoundInstance{.name = instance->name, .listeners = {}});
    for (std::size_t i = 0; i < instance->listeners.size(); ++i) {
      const config::ListenerConfig& listener = instance->listeners[i];
      Attempt attempt =
          listener.port ? bind_fixed(*instance, listener, book, open) : bind_automatic(*instance, i, book, open);
      if (!attempt.problem.empty()) result.problems.push_back({listener.at, who + attempt.problem});
      if (!attempt.note.empty()) result.notes.push_back(who + attempt.note);
      bound.listeners.push_back(std::move(attempt.bound));
    }
  }
  if (result.problems.empty() && remember == Remember::yes) {
    // The disk of one instance may be full; it serves now, and is asked again with the next plan.
    for (const config::InstanceConfig* instance : plan) {
      if (auto saved = book.save(*instance); !saved)
        result.notes.push_back("instance " + instance->name +
                               ": its port may be another one after a restart of the fleet: " + saved.error().message);
    }
  }
  if (!result.problems.empty()) result.instances.clear();
  // Their brokers bind them.
  for (BoundInstance& bound : result.instances) {
    const auto of_it = [&](const config::InstanceConfig* instance) { return instance->name == bound.name; };
    const config::InstanceConfig& instance = **std::find_if(plan.begin(), plan.end(), of_it);
    for (std::size_t i = 0; i < bound.listeners.size(); ++i)
      if (instance.listeners[i].foreign) bound.listeners[i].fd.reset();
  }
  return result;
}

}  // namespace shoal::fleet
