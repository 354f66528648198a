#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace shoal::auth {

/// `name:hash`. Views into the line.
struct UserEntry {
  std::string_view name;
  std::string_view encoded;
};

/// A comment or a blank line.
struct NoEntry {};

/// What is wrong with a line, and at which byte of it.
struct LineProblem {
  std::size_t offset;
  std::string message;
};

/// Reads one line of a users file, without its newline; a carriage return at its end is ignored.
std::variant<NoEntry, UserEntry, LineProblem> read_users_line(std::string_view line);

/// Why `name` cannot be in a users file.
std::optional<LineProblem> find_name_problem(std::string_view name);

/// `file:line:column: message` with 1-based numbers from 0-based ones.
std::string at_position(const std::string& file, std::size_t line, std::size_t offset, const std::string& message);

}  // namespace shoal::auth
