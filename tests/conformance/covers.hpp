#pragma once

#include <cstdio>

// Tests say which numbered statements of the standards they show; docs/conformance.md is made of that. See README.md.

namespace shoal {

/// The running test shows these statements of MQTT 5.0: `covers_v5("MQTT-3.1.2-22 MQTT-3.12.4-1");`. A test that
/// goes through a table names the row it is at as `case_name`.
inline void covers_v5(const char* ids, const char* case_name = "") {
  std::printf("covers 5.0 | %s | %s\n", ids, case_name);
}

/// The same for MQTT 3.1.1, which has numbers of its own.
inline void covers_v311(const char* ids, const char* case_name = "") {
  std::printf("covers 3.1.1 | %s | %s\n", ids, case_name);
}

}  // namespace shoal
