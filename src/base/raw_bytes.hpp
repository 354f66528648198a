#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace shoal::base {

/// Bytes that are written right after they were made room for: `resize` leaves the new ones as they are. What a vector
/// with such an allocator does, too, but it moves to larger memory byte by byte.
class RawBytes {
 public:
  RawBytes() = default;
  RawBytes(const RawBytes&) = delete;
  RawBytes& operator=(const RawBytes&) = delete;
  ~RawBytes() { std::free(data_); }

  std::uint8_t* data() { return data_; }
  const std::uint8_t* data() const { return data_; }
  const std::uint8_t* begin() const { return data_; }
  const std::uint8_t* end() const { return data_ + size_; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  void clear() { size_ = 0; }
  /// When it has to move, it takes twice as much at least. Throws std::bad_alloc.
  void resize(std::size_t size) {
    if (size > capacity_) grow(size);
    size_ = size;
  }

 private:
  void grow(std::size_t size) {
    const std::size_t capacity = size > 2 * capacity_ ? size : 2 * capacity_;
    void* const data = std::realloc(data_, capacity);
    if (data == nullptr) throw std::bad_alloc();
    data_ = static_cast<std::uint8_t*>(data);
    capacity_ = capacity;
  }

  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace shoal::base
