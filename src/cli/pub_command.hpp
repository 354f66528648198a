#pragma once

#include <cstdint>
#include <string>

#include "cli/connection_options.hpp"

namespace shoal::cli {

/// What `shoal pub` does.
struct PubOptions {
  enum class Source {
    message,  ///< `text`
    file,     ///< the whole of the file named `text`
    lines,    ///< each line of `lines_fd`
    nothing,  ///< an empty payload
  };
  ConnectionOptions connection{};
  std::string topic{};
  Source source = Source::nothing;
  std::string text{};
  int lines_fd = 0;
  unsigned qos = 0;
  bool retain = false;
};

/// Connects, publishes, waits until everything is acknowledged (QoS 1 and 2) and leaves.
/// Exit: 0, 1, 2; with an instance also 3, 4.
void publish(Context& context, const PubOptions& options);

}  // namespace shoal::cli
