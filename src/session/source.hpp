#pragma once

#include "session/publication.hpp"

namespace shoal::session {

/// Where a session fetches messages that are not in its own queue, one by one, as its client takes them:
/// retained messages for new subscriptions, or what waits for a shared subscription.
class Source {
 public:
  struct Item {
    const MessageRef* message = nullptr;
    Copy copy;
  };

  /// True when something may be left: cheap.
  virtual bool waiting() const = 0;
  /// The next message; it stays the next until `pop`. What `item` refers to lives until the next `front`.
  /// False when none is left, or when the search took long enough for now: then `waiting` stays true
  /// and the source asks for another `pump` by itself.
  virtual bool front(Item& item, Time now) = 0;
  /// Takes the message that `front` gave.
  virtual void pop() = 0;

 protected:
  ~Source() = default;
};

}  // namespace shoal::session
