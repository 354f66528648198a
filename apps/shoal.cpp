#include <cstdlib>
#include <iostream>

#include "cli/app.hpp"

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

int main(int argc, char** argv) {
  shoal::cli::Context context{.in = std::cin, .out = std::cout, .err = std::cerr};
  context.config_env = environment("SHOAL_CONFIG");
  context.home_env = environment("SHOAL_HOME");
  context.version = SHOAL_VERSION;
  return shoal::cli::run_app(argc, argv, context);
}
