#include <cstdio>

#include "scenarios.hpp"

// PROGRAM PORT VERSION SCENARIO; PROGRAM VERSION lists the scenarios.
int main(int count, char** arguments) {
  const int version = count > 1 ? std::atoi(arguments[count == 4 ? 2 : 1]) : 0;
  paho_c::Scenarios scenarios = paho_c::scenarios();
  if (version == 5) scenarios.merge(paho_c::scenarios_v5());
  if (count == 2) {
    for (const auto& [name, run] : scenarios) std::printf("%s\n", name.c_str());
    return 0;
  }
  const auto found = count == 4 ? scenarios.find(arguments[3]) : scenarios.end();
  if (found == scenarios.end()) {
    std::fprintf(stderr, "usage: %s PORT VERSION SCENARIO\n", arguments[0]);
    return 2;
  }
  found->second({.port = std::atoi(arguments[1]), .version = version});
  return 0;
}
