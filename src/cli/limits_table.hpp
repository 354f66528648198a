#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "api/limits.hpp"

namespace shoal::cli {

/// The table of `limits`, with a heading: what is not known, or makes no sense for a limit, is `-`.
void print_limits(std::ostream& out, const std::vector<api::Limit>& limits);

/// `512 MiB, rlimit` for `status`; empty when there is no limit.
std::string limit_text(const api::Limit& limit);

}  // namespace shoal::cli
