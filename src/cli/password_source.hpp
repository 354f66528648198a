#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "shoal/result.hpp"

namespace shoal::cli {

/// Longest password MQTT can carry.
inline constexpr std::size_t kPasswordBytesMax = 65'535;

/// Where a command takes a password from. Never the command line: others can see it there.
struct PasswordSource {
  bool from_stdin = false;
  std::string file{};

  bool given() const { return from_stdin || !file.empty(); }
};

/// The first line of `in` (its end removed), or of the file. `source.given()` must be true.
/// Errors: not_found, permission_denied, io, invalid_argument (empty or too long).
Result<std::string> read_password(const PasswordSource& source, std::istream& in);

/// Asks twice at the terminal, without echo. Errors: unavailable (no terminal, interrupted),
/// invalid_argument (empty, too long, or two different ones).
Result<std::string> ask_new_password(std::string_view prompt);

}  // namespace shoal::cli
