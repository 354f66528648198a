#pragma once

#include "io/timer_queue.hpp"

namespace shoal::io {

/// A deadline at which a member function of its owner is called, without arguments:
/// `CallTimer<&Shard::commit> commit_delay_{*this};`. The owner outlives it.
template <auto Call>
class CallTimer;

template <class Owner, void (Owner::*Call)()>
class CallTimer<Call> final : public Timer {
 public:
  explicit CallTimer(Owner& owner) : owner_(owner) {}

 private:
  void on_deadline(base::Time) override { (owner_.*Call)(); }

  Owner& owner_;
};

}  // namespace shoal::io
