#pragma once

#include <string_view>

namespace shoal::auth {

/// What is known about a client's credentials.
enum class Decision {
  accepted,
  refused,     ///< CONNACK 0x86 bad user name or password; MQTT 3.1.1: 0x04
  needs_hash,  ///< only a password hash can tell: ask the PasswordPool
};

/// A decision and why, as a constant phrase for the log. A value; `reason` points to static text.
struct Verdict {
  Decision decision = Decision::refused;
  std::string_view reason{};
};

}  // namespace shoal::auth
