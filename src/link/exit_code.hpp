#pragma once

namespace shoal::link {

/// How a worker ends that gets no memory any more.
inline constexpr int kExitNoMemory = 86;

}  // namespace shoal::link
