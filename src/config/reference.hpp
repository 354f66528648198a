#pragma once

#include <string>

namespace shoal::config {

/// The text of docs/reference/configuration.md, made from the schema.
std::string reference();

}  // namespace shoal::config
