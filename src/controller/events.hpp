#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/events.hpp"
#include "fleet/supervisor.hpp"
#include "shoal/broker.hpp"

namespace shoal::controller {

/// The last things that happened in the fleet: state changes as they are, and what a worker's counters tell when
/// somebody asks for them: bounds that were reached, alarms that come and go. Pure; one thread.
class Events {
 public:
  /// So many are kept; older ones are forgotten.
  static constexpr std::size_t kKept = 1'000;

  /// `because` may be empty; `time_ms`: since 1970, here and below.
  void changed(const std::string& name, fleet::State state, const std::string& because, std::int64_t time_ms);
  /// An answer of a running instance.
  void heard(const std::string& name, const Stats& stats, std::int64_t time_ms);

  /// Those behind number `after`, oldest first. What `after` is not the number of, such as one of another controller,
  /// counts as 0.
  api::EventPage since(std::uint64_t after) const;
  std::uint64_t last() const { return last_; }

 private:
  struct Known {
    fleet::State state = fleet::State::stopped;
    std::array<std::uint64_t, kBounds> limit_hits{};
    std::string alarm{};
  };

  void add(api::Event event);

  std::map<std::string, Known> known_;
  std::deque<api::Event> events_;
  std::uint64_t last_ = 0;
};

}  // namespace shoal::controller
