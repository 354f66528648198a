#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace shoal::base {

/// A vector in 16 bytes whose first 8 bytes of items need no block: for the many short ones. Iterators are valid
/// until it changes. A resource.
template <class T>
requires std::is_trivially_copyable_v<T> &&(sizeof(T) <= 8) class CompactVector {
 public:
  using const_iterator = const T*;

  CompactVector() = default;
  ~CompactVector() { clear(); }
  CompactVector(const CompactVector&) = delete;
  CompactVector& operator=(const CompactVector&) = delete;

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  const_iterator begin() const { return items(); }
  const_iterator end() const { return items() + size_; }

  void insert(const_iterator before, T item) {
    const auto place = static_cast<std::size_t>(before - begin());
    assert(place <= size_);
    if (size_ == capacity_) grow();
    T* const at = items() + place;
    std::copy_backward(at, items() + size_, items() + size_ + 1);
    *at = item;
    ++size_;
  }
  void erase(const_iterator which) {
    T* const at = items() + (which - begin());
    std::copy(at + 1, items() + size_, at);
    --size_;
  }
  void clear() {
    if (!in_place()) delete[] block_;
    size_ = 0;
    capacity_ = kInPlace;
  }

 private:
  static constexpr std::uint32_t kInPlace = 8 / sizeof(T);

  bool in_place() const { return capacity_ == kInPlace; }
  T* items() { return in_place() ? in_place_ : block_; }
  const T* items() const { return in_place() ? in_place_ : block_; }

  void grow() {
    const std::uint32_t capacity = capacity_ * 2;
    auto* const block = new T[capacity];
    std::copy(begin(), end(), block);
    if (!in_place()) delete[] block_;
    block_ = block;
    capacity_ = capacity;
  }

  union {
    T in_place_[kInPlace] = {};
    T* block_;
  };
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = kInPlace;
};

}  // namespace shoal::base
