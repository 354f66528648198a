#pragma once

#include <string>

#include "store/image.hpp"

namespace shoal::store {

/// What an image says, a line for each thing, sorted: for people, and to compare. Payloads as they are up to 64
/// bytes, then their size.
std::string describe(const Image& image);

}  // namespace shoal::store
