#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace shoal::bench {

/// What every message carries: who sent it, which one it is, and when. A value.
struct Stamp {
  /// Payloads are at least this large.
  static constexpr std::size_t kBytes = 24;

  std::uint32_t run = 0;        ///< drawn by each run, so that nobody counts another's messages
  std::uint32_t publisher = 0;  ///< from 0, within the run
  std::uint64_t sequence = 0;   ///< from 1, within the publisher
  base::Time sent{};            ///< when it was sent, or due; monotonic clock of this machine

  /// Writes it at `payload`, and where there is room the sequence number once more at the end of `size` bytes.
  void write(std::uint8_t* payload, std::size_t size) const;
  /// Nothing when it is no stamp, or the payload's end is not the one that was written.
  static std::optional<Stamp> read(base::Bytes payload);
};

}  // namespace shoal::bench
