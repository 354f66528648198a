#include "bench/stamp.hpp"

#include <cstring>

namespace shoal::bench {
namespace {

constexpr std::size_t kTailBytes = sizeof(std::uint64_t);

template <class T>
T take(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void put(std::uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace

// Both ends are on one machine: its byte order.
void Stamp::write(std::uint8_t* payload, std::size_t size) const {
  put(payload, run);
  put(payload + 4, publisher);
  put(payload + 8, sequence);
  put(payload + 16, static_cast<std::int64_t>(sent.time_since_epoch().count()));
  if (size >= kBytes + kTailBytes) put(payload + size - kTailBytes, sequence);
}

std::optional<Stamp> Stamp::read(base::Bytes payload) {
  if (payload.size() < kBytes) return {};
  const std::uint8_t* const at = payload.data();
  const Stamp stamp{take<std::uint32_t>(at), take<std::uint32_t>(at + 4), take<std::uint64_t>(at + 8),
                    base::Time(base::Duration(take<std::int64_t>(at + 16)))};
  if (stamp.sequence == 0) return {};
  if (payload.size() >= kBytes + kTailBytes &&
      take<std::uint64_t>(at + payload.size() - kTailBytes) != stamp.sequence) {
    return {};
  }
  return stamp;
}

}  // namespace shoal::bench
