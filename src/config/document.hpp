#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/fleet_config.hpp"

namespace shoal::config {

enum class Kind { boolean, integer, real, text, date, list, table };

/// "a string", "an integer" …
std::string_view with_article(Kind kind);

struct Entry;

/// One value of a TOML file with its place. The only form in which the rest of the module sees TOML.
struct Node {
  Kind kind = Kind::table;
  Position at;
  bool boolean = false;
  std::int64_t integer = 0;
  std::string text;
  std::vector<Node> items;     ///< of a list
  std::vector<Entry> entries;  ///< of a table, in the order of the file

  const Entry* find(std::string_view key) const;
  /// Kind and value for a message: `a string ("x")`.
  std::string describe() const;
};

/// A key and its value.
struct Entry {
  std::string key;
  Position at;  ///< of the key
  Node value;
};

/// `text` in double quotes, on one line.
std::string in_quotes(std::string_view text);

/// The table a TOML text is; or the one thing that is wrong with it. `file` is what positions show.
std::variant<Node, Problem> parse(std::string_view text, const std::string& file);

/// Same for the file at `path`.
std::variant<Node, Problem> parse_file(const std::string& path, const std::string& file);

}  // namespace shoal::config
