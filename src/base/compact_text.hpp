#pragma once

#include <cassert>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace shoal::base {

/// Text of at most 65,535 bytes, as MQTT has it, in 16 bytes: 14 of them, or a block of exactly its size. Text that
/// is kept in large numbers and does not change. A value that moves only.
class CompactText {
 public:
  CompactText() = default;
  explicit CompactText(std::string_view text) : size_(static_cast<std::uint16_t>(text.size())) {
    assert(text.size() <= UINT16_MAX);
    char* to = place_;
    if (!in_place()) {
      to = new char[size_];
      std::memcpy(place_, &to, sizeof to);
    }
    if (size_ != 0) std::memcpy(to, text.data(), size_);
  }
  CompactText(CompactText&& other) noexcept { swap(other); }
  CompactText& operator=(CompactText&& other) noexcept {
    swap(other);
    return *this;
  }
  ~CompactText() {
    if (!in_place()) delete[] block();
  }

  std::string_view view() const { return {in_place() ? place_ : block(), size_}; }

 private:
  bool in_place() const { return size_ <= sizeof place_; }
  char* block() const {
    char* block;
    std::memcpy(&block, place_, sizeof block);
    return block;
  }
  void swap(CompactText& other) noexcept {
    std::swap(place_, other.place_);
    std::swap(size_, other.size_);
  }

  char place_[14] = {};
  std::uint16_t size_ = 0;
};

}  // namespace shoal::base
