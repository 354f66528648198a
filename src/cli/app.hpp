#pragma once

#include <memory>

#include "cli/context.hpp"

namespace shoal::cli {

/// The whole command line. `context` outlives it.
std::unique_ptr<CLI::App> make_app(Context& context);

/// Parses the arguments, runs the command and returns the exit code.
int run_app(int argc, const char* const* argv, Context& context);

}  // namespace shoal::cli
