#pragma once

#include <string>
#include <vector>

#include "link/worker_page.hpp"

namespace shoal::controller {

/// Where the threads of a worker were, by what they wrote into its page: a line for each thread and one for each
/// frame, with the names that `executable` (or its separate debug information) has for them. Blocks for as long as it
/// takes to read that, some 10 ms.
std::vector<std::string> stack_text(const link::WorkerPage& page, const std::string& executable);

}  // namespace shoal::controller
