#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/unique_fd.hpp"
#include "config/fleet_config.hpp"
#include "fleet/port_book.hpp"

namespace shoal::fleet {

/// How many connections may wait to be accepted, for each listener, where the system allows as many.
inline constexpr int kBacklog = 4096;

/// A socket that is bound and listening: non-blocking, close-on-exec, IPv6 only when it is IPv6.
struct BoundListener {
  base::UniqueFd fd;  ///< none of one that is foreign: its port was free
  std::string url;    ///< `mqtt://HOST:PORT` with the real port
  std::uint16_t port = 0;
};

/// The sockets of one instance, in the order of its listeners.
struct BoundInstance {
  std::string name;
  std::vector<BoundListener> listeners;
};

/// What `bind_all` did.
struct Bound {
  std::vector<BoundInstance> instances;   ///< in the order of the plan; empty when there are problems
  std::vector<config::Problem> problems;  ///< at the listener that could not be bound
  std::vector<std::string> notes;         ///< lines for the log: an automatic port that had to change
};

/// Listening sockets by their urls.
using OpenSockets = std::map<std::string, int>;

/// Whether automatic ports are written down.
enum class Remember { yes, no };

/// Binds the listeners of all these instances, or, with problems, none: everything that was bound is
/// closed again. Automatic ports are the remembered ones, else free ones of the book's range that no
/// instance has, and are saved if they are to be remembered. So all binds of a plan happen before anything of it
/// starts. `open`: sockets by url that are listening already; where one of the plan has that url, a duplicate of it is
/// taken.
Bound bind_all(std::span<const config::InstanceConfig* const> plan, PortBook& book, const OpenSockets& open = {},
               Remember remember = Remember::yes);

/// Binds what the controller itself listens on, `what` for people; `book` tells which instance is in the way.
std::variant<BoundListener, config::Problem> bind_own(const std::string& what, const config::ListenerConfig& listener,
                                                      const PortBook& book);

}  // namespace shoal::fleet
