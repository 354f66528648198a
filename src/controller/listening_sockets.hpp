#pragma once

#include <fcntl.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

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
  fleet::Bound change(const config::FleetConfig& next, std::span<const config::InstanceConfig* const> plan,
                      const fleet::OpenSockets& open, bool only_try) override {
    fleet::PortBook book(next);
    fleet::Bound bound = fleet::bind_all(plan, book, open, only_try ? fleet::Remember::no : fleet::Remember::yes);
    if (bound.problems.empty() && !only_try && !have_descriptors(plan, bound, open)) {
      bound = {};
      bound.problems.push_back({{next.file},
                                "the controller has too few descriptors left for what has to be started; raise "
                                "`ulimit -n`, or LimitNOFILE= of the unit"});
    }
    if (bound.problems.empty() && !only_try) book_ = std::move(book);
    return bound;
  }
  std::vector<std::string> urls(const config::InstanceConfig& instance) const override {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < instance.listeners.size(); ++i) {
      config::ListenerConfig listener = instance.listeners[i];
      if (!listener.port) listener.port = book_.remembered(instance.name, i);
      all.push_back(listener.url());
    }
    return all;
  }
  /// What the controller itself listens on; `what` for people.
  std::variant<fleet::BoundListener, config::Problem> bind_own(const std::string& what,
                                                               const config::ListenerConfig& listener) {
    return fleet::bind_own(what, listener, book_);
  }
  /// Port files with lines that made no sense.
  const std::vector<std::string>& damaged() const { return book_.damaged(); }

 private:
  // For the workers of what does not listen yet, so that nothing is started by halves.
  static bool have_descriptors(std::span<const config::InstanceConfig* const> plan, const fleet::Bound& bound,
                               const fleet::OpenSockets& open) {
    constexpr std::size_t kPerWorker = 4;
    std::set<std::string> workers;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const auto& listeners = bound.instances[i].listeners;
      const bool listens = std::any_of(listeners.begin(), listeners.end(),
                                       [&](const fleet::BoundListener& one) { return open.contains(one.url); });
      if (!listens) workers.insert(plan[i]->worker == "own" ? "own " + plan[i]->name : plan[i]->worker);
    }
    std::vector<base::UniqueFd> fds;
    for (std::size_t i = 0; i < kPerWorker * workers.size(); ++i) {
      fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (!fds.back()) return false;
    }
    return true;
  }

  fleet::PortBook book_;
};

}  // namespace shoal::controller
