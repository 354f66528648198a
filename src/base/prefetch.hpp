#pragma once

namespace shoal::base {

/// Has the cache line at that address brought here ahead of reading it. Any address; nothing else happens. For memory
/// that another core wrote last: to wait for a line of its takes as long as a whole message.
inline void prefetch(const void* at) { __builtin_prefetch(at); }

/// The same ahead of writing: the other cores give it up.
inline void prefetch_to_write(const void* at) {
#ifdef __x86_64__
  // The builtin does this only where the compiler may use what the first x86-64 processors did not have; for those it
  // is no operation.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace shoal::base
