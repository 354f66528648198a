#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace shoal::base {

/// std::allocator, but what is not given a value gets none.
template <class T>
struct RawAllocator : std::allocator<T> {
  template <class Other>
  struct rebind {
    using other = RawAllocator<Other>;
  };
  template <class Other>
  void construct(Other* at) {
    ::new (static_cast<void*>(at)) Other;
  }
  template <class Other, class... Arguments>
  void construct(Other* at, Arguments&&... arguments) {
    ::new (static_cast<void*>(at)) Other(std::forward<Arguments>(arguments)...);
  }
};

/// Bytes that are written right after they were made room for: `resize` leaves the new ones as they are.
using RawBytes = std::vector<std::uint8_t, RawAllocator<std::uint8_t>>;

}  // namespace shoal::base
