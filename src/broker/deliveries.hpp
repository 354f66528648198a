#pragma once

#include <string_view>

#include "shoal/broker.hpp"

namespace shoal::broker {

class Client;

/// Whom routing tells that a client's link has something to flush, or has to go, and what it ran into.
class Deliveries {
 public:
  /// The client's link has something to flush, or its session more to fetch in the next turn.
  virtual void wrote(Client& client) = 0;
  /// The session's queue is full and the rule is to disconnect: at the turn's end, not in the middle of a message.
  virtual void overflowed(Client& client) = 0;
  /// `Router::run_host` wants to be called soon.
  virtual void host_pending() = 0;
  /// A bound was reached: counted, and logged at a bounded rate. `who`: a client id, a topic or a filter.
  virtual void hit(Bound bound, std::string_view who) = 0;

 protected:
  ~Deliveries() = default;
};

}  // namespace shoal::broker
