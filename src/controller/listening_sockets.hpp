#pragma once

#include "controller/machine.hpp"
#include "fleet/bind.hpp"
#include "fleet/port_book.hpp"

namespace shoal::controller {

/// `Sockets` of this machine; automatic ports are remembered in the state folders.
class ListeningSockets : public Sockets {
 public:
  explicit ListeningSockets(const config::FleetConfig& config) : book_(config) {}

  fleet::Bound bind(std::span<const config::InstanceConfig* const> plan) override {
    return fleet::bind_all(plan, book_);
  }
  /// What the controller itself listens on; `what` for people.
  std::variant<fleet::BoundListener, config::Problem> bind_own(const std::string& what,
                                                               const config::ListenerConfig& listener) {
    return fleet::bind_own(what, listener, book_);
  }
  /// Port files with lines that made no sense.
  const std::vector<std::string>& damaged() const { return book_.damaged(); }

 private:
  fleet::PortBook book_;
};

}  // namespace shoal::controller
