#include "config/document.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <tuple>

#include <toml++/toml.h>

namespace shoal::config {
namespace {

Position position(const toml::source_region& region, const std::string& file) {
  return {file, static_cast<unsigned>(region.begin.line), static_cast<unsigned>(region.begin.column)};
}

Node convert(const toml::node& from, const std::string& file) {
  Node to;
  to.at = position(from.source(), file);
  switch (from.type()) {
    case toml::node_type::boolean:
      to.kind = Kind::boolean;
      to.boolean = from.as_boolean()->get();
      break;
    case toml::node_type::integer:
      to.kind = Kind::integer;
      to.integer = from.as_integer()->get();
      break;
    case toml::node_type::string:
      to.kind = Kind::text;
      to.text = from.as_string()->get();
      break;
    case toml::node_type::floating_point: to.kind = Kind::real; break;
    case toml::node_type::array:
      to.kind = Kind::list;
      for (const toml::node& item : *from.as_array()) to.items.push_back(convert(item, file));
      break;
    case toml::node_type::table:
      for (const auto& [key, value] : *from.as_table())
        to.entries.push_back({std::string(key.str()), position(key.source(), file), convert(value, file)});
      // toml++ sorts by key.
      std::sort(to.entries.begin(), to.entries.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.at.line, a.at.column) < std::tie(b.at.line, b.at.column);
      });
      break;
    default: to.kind = Kind::date;
  }
  return to;
}

}  // namespace

std::string_view with_article(Kind kind) {
  switch (kind) {
    case Kind::boolean: return "true or false";
    case Kind::integer: return "an integer";
    case Kind::real: return "a number with a fraction";
    case Kind::text: return "a string";
    case Kind::date: return "a date or time";
    case Kind::list: return "a list";
    case Kind::table: break;
  }
  return "a table";
}

const Entry* Node::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

std::string Node::describe() const {
  switch (kind) {
    case Kind::boolean: return boolean ? "true" : "false";
    case Kind::integer: return "the integer " + std::to_string(integer);
    case Kind::text: return "the string " + in_quotes(text);
    default: return std::string(with_article(kind));
  }
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", u);
      out += escape;
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out += '"';
}

std::variant<Node, Problem> parse(std::string_view text, const std::string& file) {
  try {
    return convert(toml::parse(text), file);
  } catch (const toml::parse_error& error) {
    return Problem{position(error.source(), file), std::string(error.description())};
  }
}

std::variant<Node, Problem> parse_file(const std::string& path, const std::string& file) {
  const auto failure = [&] { return Problem{{file}, std::string("cannot read this file: ") + std::strerror(errno)}; };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (!stream) return failure();
  std::string text;
  char buffer[16384];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, stream.get())) > 0;) text.append(buffer, n);
  if (std::ferror(stream.get())) return failure();
  return parse(text, file);
}

}  // namespace shoal::config
