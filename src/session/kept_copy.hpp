#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "session/publication.hpp"

namespace shoal::session {

/// A `Copy` as it is kept with a queued message or one in flight, in one word: QoS, retain, and which
/// subscriptions brought it, which are the identifiers of ordinary ones or the shared one (with its
/// identifier). Most have none, some one. A value that moves only.
class KeptCopy {
 public:
  KeptCopy() = default;
  /// With a group there is at most one identifier (28 bits).
  explicit KeptCopy(const Copy& copy) {
    const std::uint64_t how = std::uint64_t{copy.qos} << 1 | std::uint64_t{copy.retain} << 3;
    if (copy.ids.size() < 2) {
      const std::uint64_t id = copy.ids.empty() ? 0 : copy.ids[0];
      word_ = std::uint64_t{copy.group} << 32 | id << 4 | how | kInPlace;
      return;
    }
    auto* block = new std::uint32_t[1 + copy.ids.size()];
    block[0] = static_cast<std::uint32_t>(copy.ids.size());
    std::memcpy(block + 1, copy.ids.data(), copy.ids.size_bytes());
    static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= 16);  // so four bits of its address are free
    word_ = reinterpret_cast<std::uintptr_t>(block) | how;
  }
  KeptCopy(KeptCopy&& other) noexcept : word_(std::exchange(other.word_, kInPlace)) {}
  KeptCopy& operator=(KeptCopy&& other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~KeptCopy() {
    if (!in_place()) delete[] block();
  }

  /// Memory besides the word itself.
  std::size_t bytes() const { return in_place() ? 0 : sizeof(std::uint32_t) * (1 + block()[0]); }

  std::uint8_t qos() const { return static_cast<std::uint8_t>(word_ >> 1 & 3); }
  bool retain() const { return (word_ >> 3 & 1) != 0; }
  std::uint32_t group() const { return in_place() ? static_cast<std::uint32_t>(word_ >> 32) : 0; }

  /// `single` holds the identifier when there is just one; it must live as long as the result.
  Copy copy(std::uint32_t& single) const {
    Copy copy{qos(), retain(), {}, group()};
    if (in_place()) {
      single = static_cast<std::uint32_t>(word_) >> 4;
      if (single != 0) copy.ids = {&single, 1};
    } else {
      copy.ids = {block() + 1, block()[0]};
    }
    return copy;
  }

 private:
  static constexpr std::uint64_t kInPlace = 1;

  bool in_place() const { return (word_ & kInPlace) != 0; }
  std::uint32_t* block() const {
    return reinterpret_cast<std::uint32_t*>(static_cast<std::uintptr_t>(word_ & ~std::uint64_t{15}));
  }

  std::uint64_t word_ = kInPlace;
};

}  // namespace shoal::session
