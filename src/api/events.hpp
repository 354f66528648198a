#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shoal::api {

/// One thing that happened in the fleet.
struct Event {
  std::uint64_t number = 0;  ///< counts from 1 with each controller
  std::int64_t time_ms = 0;  ///< since 1970
  std::string instance{};
  std::string kind{};  ///< state, limit, alarm
  /// What else there is to say; an empty text is null where that means something (`alarm`), else left out.
  std::vector<std::pair<std::string, std::string>> texts{};
  std::optional<std::uint64_t> times{};
};

/// What somebody has not heard yet.
struct EventPage {
  std::vector<Event> events{};
  std::uint64_t next = 0;    ///< give it as `after` to hear what follows
  std::uint64_t missed = 0;  ///< were forgotten before anybody asked
};

/// An object: `number`, `time` (UTC, RFC 3339), `instance`, `kind`, and what the kind has.
std::string to_json(const Event& event);
/// `{"events":[…],"next":N,"missed":N}`
std::string to_json(const EventPage& page);

}  // namespace shoal::api
