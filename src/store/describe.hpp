#pragma once

#include <string>
#include <string_view>

#include "store/image.hpp"
#include "store/record.hpp"

namespace shoal::store {

/// What an image says, a line for each thing, sorted: for people, and to compare. Payloads as they are up to 64
/// bytes, then their size.
std::string describe(const Image& image);

/// What a record says, in one line without its end. Payloads as above.
std::string describe(const Record& record);

/// `text` without what a terminal would not show as it is.
std::string printable(std::string_view text);
/// A payload, or how many bytes it has when they are more than 64.
std::string printable_payload(base::Bytes payload);

}  // namespace shoal::store
