#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <memory>
#include <utility>

namespace shoal::base {

/// A queue in one block that grows by a quarter: little is unused, for there may be many long ones. Empty it
/// owns nothing until the first `push`; the block stays until `shrink`. A resource.
template <class T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  T& front() { return at(0); }
  const T& front() const { return items_[head_]; }
  /// i-th from the front.
  T& at(std::size_t i) {
    assert(i < size_);
    return items_[place(i)];
  }

  void push(T item) {
    if (size_ == capacity_) grow();
    items_[place(size_)] = std::move(item);
    ++size_;
  }

  void push_front(T item) {
    if (size_ == capacity_) grow();
    head_ = (head_ == 0 ? capacity_ : head_) - 1;
    items_[head_] = std::move(item);
    ++size_;
  }

  T pop() {
    assert(size_ > 0);
    T item = std::exchange(items_[head_], T{});
    head_ = place(1);
    --size_;
    return item;
  }

  void clear() {
    while (!empty()) pop();
  }
  /// Gives the block back when the queue is empty.
  void shrink() {
    if (!empty()) return;
    items_.reset();
    capacity_ = 0;
    head_ = 0;
  }

 private:
  // Where the i-th from the front is, or goes; i is at most the capacity.
  std::size_t place(std::size_t i) const {
    const std::size_t at = head_ + i;
    return at < capacity_ ? at : at - capacity_;
  }

  void grow() {
    const std::size_t capacity = capacity_ + std::max<std::size_t>(8, capacity_ / 4);
    auto items = std::make_unique<T[]>(capacity);
    for (std::size_t i = 0; i < size_; ++i) items[i] = std::move(at(i));
    items_ = std::move(items);
    capacity_ = capacity;
    head_ = 0;
  }

  std::unique_ptr<T[]> items_;
  std::size_t capacity_ = 0;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace shoal::base
