#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/connection_options.hpp"
#include "mqtt/packet.hpp"

namespace shoal::cli {

/// What `shoal sub` does.
struct SubOptions {
  ConnectionOptions connection{};
  std::vector<std::string> filters{};
  unsigned qos = 0;
  std::uint64_t count = 0;     ///< leave after so many messages; 0: never
  unsigned limit_s = 0;        ///< leave after so many seconds; 0: never
  bool verbose = false;        ///< topic in front of the payload
  bool without_stale = false;  ///< no retained messages
  bool json = false;
};

/// Connects, subscribes and prints messages, one per line, until it is told to end.
/// Exit: 0; 1 also when the time was over before `count` messages came; 2; with an instance also 3, 4.
void subscribe(Context& context, const SubOptions& options);

/// A message as a line of `sub --json`: topic, qos, retain and payload, which is in hexadecimal
/// (`payload_hex`) when it is not UTF-8.
std::string to_json_line(const mqtt::Publish& message);

}  // namespace shoal::cli
