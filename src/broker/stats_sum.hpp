#pragma once

#include "shoal/broker.hpp"

namespace shoal::broker {

/// What the parts of an instance come to together. Peaks of `LimitUse` are the sums of the parts' own, which may have
/// been at different times; that of `connections` is of all.
void add(Stats& sum, const Stats& part);

}  // namespace shoal::broker
