#pragma once

#include "world.hpp"

namespace shoal::crash {

/// All rounds and the check at the end. Throws Failure.
void run_rounds(World& world, unsigned rounds);

}  // namespace shoal::crash
