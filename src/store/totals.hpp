#pragma once

#include <cstdint>

#include "store/image.hpp"

namespace shoal::store {

/// How much there is in an image.
struct Totals {
  std::uint64_t sessions = 0;
  std::uint64_t subscriptions = 0;
  std::uint64_t queued = 0;     ///< copies that wait, those of groups included
  std::uint64_t in_flight = 0;  ///< copies that were sent
  std::uint64_t taken = 0;      ///< QoS 2 messages that clients still have to release
  std::uint64_t retained = 0;
  std::uint64_t groups = 0;    ///< shared subscriptions
  std::uint64_t messages = 0;  ///< that something of this refers to

  bool operator==(const Totals&) const = default;
};

/// `image` is finished.
Totals count(const Image& image);

}  // namespace shoal::store
