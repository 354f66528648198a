#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace shoal {

/// How much of a bound is used.
struct Use {
  std::uint64_t now = 0;
  std::uint64_t peak = 0;  ///< most at the end of a turn of the instance's thread, since it was started

  bool operator==(const Use&) const = default;
};

/// What an instance uses of its `Limits`, by their names, as far as they are about the instance as a whole: those of a
/// session, a client, a packet or a second are not here.
struct LimitUse {
  Use connections{};
  Use half_open{};
  Use queued_bytes_total{};
  Use queued_bytes_connected{};
  Use sessions{};
  Use subscription_bytes{};
  Use retained_messages{};
  Use retained_bytes{};
  Use output_bytes_total{};
  Use input_bytes_total{};
  Use store_queue_bytes{};

  /// Calls `visit(name, use)` for each, in the order above.
  template <class Self, class Visit>
  static void for_each(Self& self, Visit&& visit) {
    visit(std::string_view("connections"), self.connections);
    visit(std::string_view("half_open"), self.half_open);
    visit(std::string_view("queued_bytes_total"), self.queued_bytes_total);
    visit(std::string_view("queued_bytes_connected"), self.queued_bytes_connected);
    visit(std::string_view("sessions"), self.sessions);
    visit(std::string_view("subscription_bytes"), self.subscription_bytes);
    visit(std::string_view("retained_messages"), self.retained_messages);
    visit(std::string_view("retained_bytes"), self.retained_bytes);
    visit(std::string_view("output_bytes_total"), self.output_bytes_total);
    visit(std::string_view("input_bytes_total"), self.input_bytes_total);
    visit(std::string_view("store_queue_bytes"), self.store_queue_bytes);
  }

  bool operator==(const LimitUse&) const = default;
};

}  // namespace shoal
