#pragma once

#include <string>
#include <string_view>

namespace shoal::cli {

/// `text` for a terminal and one line: what strangers chose must not move the cursor, change colors, or look like
/// something else. Control characters, what changes the direction of writing, and what is no UTF-8 become `\x1B`,
/// `\u{202E}`; a backslash becomes two.
std::string printable(std::string_view text);

}  // namespace shoal::cli
