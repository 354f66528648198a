#include "bench/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <string>

namespace shoal::bench {
namespace {

constexpr std::uint64_t kOtherDescriptors = 32;

}  // namespace

Result<void> allow_connections(std::uint64_t count) {
  const std::uint64_t needed = count + kOtherDescriptors;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < needed && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min<rlim_t>(needed, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed) return {};
  return Error{ErrorCode::resource_exhausted,
               std::to_string(count) + " connections need " + std::to_string(needed) +
                   " descriptors, and this process may have " + std::to_string(limit.rlim_max) +
                   " (`ulimit -Hn`, RLIMIT_NOFILE); raise that limit or ask for fewer connections"};
}

}  // namespace shoal::bench
