#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "cli/app.hpp"

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// A lock or a socket must never get the number of a standard stream that was closed: lines for a
/// person would end up in it.
void keep_standard_streams() {
  int fd = 0;
  do fd = ::open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams();
  shoal::cli::Context context{.in = std::cin, .out = std::cout, .err = std::cerr};
  context.config_env = environment("SHOAL_CONFIG");
  context.home_env = environment("SHOAL_HOME");
  context.version = SHOAL_VERSION;
  return shoal::cli::run_app(argc, argv, context);
}
