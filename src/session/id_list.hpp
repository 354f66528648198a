#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

namespace shoal::session {

/// The subscription identifiers of one queued message, in one word: most have none, some one. A value
/// that moves only.
class IdList {
 public:
  IdList() = default;
  explicit IdList(std::span<const std::uint32_t> ids) {
    if (ids.size() == 1) word_ = std::uint64_t{ids[0]} << 1 | 1;
    if (ids.size() < 2) return;
    auto* block = new std::uint32_t[1 + ids.size()];
    block[0] = static_cast<std::uint32_t>(ids.size());
    std::memcpy(block + 1, ids.data(), ids.size_bytes());
    word_ = reinterpret_cast<std::uintptr_t>(block);
  }
  IdList(IdList&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
  IdList& operator=(IdList&& other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~IdList() {
    if (word_ != 0 && (word_ & 1) == 0) delete[] block();
  }

  /// Memory besides the word itself.
  std::size_t bytes() const { return word_ == 0 || (word_ & 1) != 0 ? 0 : sizeof(std::uint32_t) * (1 + block()[0]); }

  /// `single` holds the identifier when there is just one; it must live as long as the result.
  std::span<const std::uint32_t> view(std::uint32_t& single) const {
    if (word_ == 0) return {};
    if ((word_ & 1) != 0) {
      single = static_cast<std::uint32_t>(word_ >> 1);
      return {&single, 1};
    }
    return {block() + 1, block()[0]};
  }

 private:
  std::uint32_t* block() const { return reinterpret_cast<std::uint32_t*>(static_cast<std::uintptr_t>(word_)); }

  std::uint64_t word_ = 0;
};

}  // namespace shoal::session
