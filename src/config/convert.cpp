#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "config/external.hpp"
#include "config/listener.hpp"
#include "config/quantity.hpp"
#include "config/schema.hpp"

namespace shoal::config {
namespace {

// As many as one message to a worker can carry.
constexpr std::size_t kListenersMax = 250;
constexpr std::size_t kWordsMax = 64;

using Outcome = std::variant<Value, Problem>;

std::string join(std::span<const std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) (out += out.empty() ? "" : ", ") += word;
  return out;
}

/// "limits.connections: expected an integer, found the string "x""
Problem unexpected(const Key& key, const Node& node, std::string_view expected) {
  return {node.at, std::string(key.path) + ": expected " + std::string(expected) + ", found " + node.describe()};
}

Outcome convert_number(const Key& key, const Node& node) {
  std::string expected = "an integer";
  std::optional<std::uint64_t> number;
  if (key.type == Type::size) {
    expected += R"( or a size such as "64 KiB")";
    if (node.kind == Kind::text) number = parse_size(node.text);
  } else if (key.type == Type::duration) {
    expected += R"( (seconds) or a duration such as "10s" or "7d")";
    if (node.kind == Kind::text) number = parse_duration(node.text);
  }
  if (node.kind == Kind::integer) {
    if (node.integer >= 0) number = static_cast<std::uint64_t>(node.integer);
  } else if (!number) {
    return unexpected(key, node, expected);
  }
  if (!number || *number < key.min || *number > key.max)
    return unexpected(key, node, format_number(key.type, key.min) + " to " + format_number(key.type, key.max));
  return Value{.number = *number};
}

Outcome convert_choice(const Key& key, const Node& node) {
  if (node.kind == Kind::text) {
    const auto found = std::find(key.choices.begin(), key.choices.end(), node.text);
    if (found != key.choices.end()) return Value{.number = static_cast<std::uint64_t>(found - key.choices.begin())};
  }
  return unexpected(key, node, (key.choices.size() > 1 ? "one of " : "") + join(key.choices));
}

Outcome convert_path(const Key& key, const Node& node, const std::string& folder) {
  if (node.kind != Kind::text || node.text.empty()) return unexpected(key, node, "a path in a string");
  std::string path = (std::filesystem::path(folder) / node.text).lexically_normal();
  if (path.size() > 1 && path.back() == '/') path.pop_back();
  return Value{.text = std::move(path)};
}

Outcome convert_ports(const Key& key, const Node& node) {
  unsigned bounds[2] = {0, 0};
  if (node.kind == Kind::text) {
    const char* const end = node.text.data() + node.text.size();
    const auto first = std::from_chars(node.text.data(), end, bounds[0]);
    if (first.ec == std::errc{} && first.ptr != end && *first.ptr == '-') {
      const auto last = std::from_chars(first.ptr + 1, end, bounds[1]);
      if (last.ec == std::errc{} && last.ptr == end && bounds[0] >= 1 && bounds[0] <= bounds[1] && bounds[1] <= 65535)
        return Value{.ports = {static_cast<std::uint16_t>(bounds[0]), static_cast<std::uint16_t>(bounds[1])}};
    }
  }
  return unexpected(key, node, R"("FIRST-LAST" with ports from 1 to 65535)");
}

Outcome convert_words(const Key& key, const Node& node) {
  const std::string expected = R"(a list of strings such as ["-c", "{config_file}"])";
  if (node.kind != Kind::list) return unexpected(key, node, expected);
  Value value;
  std::size_t bytes = 0;
  for (const Node& item : node.items) {
    if (item.kind != Kind::text) return unexpected(key, item, expected);
    if (item.text.find('\0') != std::string::npos) return unexpected(key, item, "no zero bytes");
    bytes += item.text.size();
    value.words.push_back(item.text);
  }
  if (value.words.size() > kWordsMax || bytes > key.max)
    return Problem{node.at, std::string(key.path) + ": expected at most " + std::to_string(kWordsMax) +
                                " strings of together " + format_number(Type::size, key.max)};
  return value;
}

Outcome convert_port(const Key& key, const Node& node) {
  const bool automatic = node.kind == Kind::text && node.text == "auto";
  if (!automatic && (node.kind != Kind::integer || node.integer < 1 || node.integer > 65535))
    return unexpected(key, node, R"(1 to 65535, or "auto")");
  Value value;
  ListenerConfig& listener = value.listeners.emplace_back(foreign_listener());
  if (!automatic) listener.port = static_cast<std::uint16_t>(node.integer);
  listener.at = node.at;
  return value;
}

Outcome convert_address(const Key& key, const Node& node) {
  if (node.kind != Kind::text) return unexpected(key, node, R"("HOST:PORT", such as "127.0.0.1:9464")");
  auto parsed = parse_address(node.text);
  if (const auto* wrong = std::get_if<std::string>(&parsed))
    return Problem{node.at, std::string(key.path) + ": " + *wrong};
  Value value;
  value.listeners.push_back(std::get<ListenerConfig>(std::move(parsed)));
  value.listeners.back().at = node.at;
  return value;
}

Outcome convert_listeners(const Key& key, const Node& node) {
  const std::string expected = R"(a list of strings such as ["mqtt://127.0.0.1:auto"])";
  if (node.kind != Kind::list || node.items.empty())
    return unexpected(key, node, node.kind == Kind::list ? "at least one listener" : expected);
  if (node.items.size() > kListenersMax)
    return Problem{node.at, std::string(key.path) + ": expected at most " + std::to_string(kListenersMax) + ", found " +
                                std::to_string(node.items.size())};
  Value value;
  for (const Node& item : node.items) {
    if (item.kind != Kind::text) return unexpected(key, item, expected);
    auto parsed = parse_listener(item.text);
    if (const auto* wrong = std::get_if<std::string>(&parsed)) return Problem{item.at, *wrong};
    value.listeners.push_back(std::get<ListenerConfig>(std::move(parsed)));
    value.listeners.back().at = item.at;
  }
  return value;
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

std::string unknown(std::string_view what, std::string_view name) {
  return "unknown " + std::string(what) + ' ' + in_quotes(name);
}

}  // namespace

bool valid_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::variant<Value, Problem> convert(const Key& key, const Node& node, const std::string& folder) {
  switch (key.type) {
    case Type::boolean:
      if (node.kind != Kind::boolean) return unexpected(key, node, with_article(Kind::boolean));
      return Value{.number = node.boolean ? 1u : 0u};
    case Type::integer:
    case Type::size:
    case Type::duration: return convert_number(key, node);
    case Type::choice: return convert_choice(key, node);
    case Type::name:
      if (node.kind != Kind::text || !valid_name(node.text))
        return unexpected(key, node, "a name (1 to 64 of a-z A-Z 0-9 . _ -, not starting with . or -)");
      return Value{.text = node.text};
    case Type::text:
      if (node.kind != Kind::text || node.text.size() > key.max)
        return unexpected(key, node, "a string of at most " + std::to_string(key.max) + " bytes");
      return Value{.text = node.text};
    case Type::path: return convert_path(key, node, folder);
    case Type::words: return convert_words(key, node);
    case Type::port: return convert_port(key, node);
    case Type::ports: return convert_ports(key, node);
    case Type::address: return convert_address(key, node);
    case Type::listeners: break;
  }
  return convert_listeners(key, node);
}

std::string value_text(const Key& key, const Value& value) {
  switch (key.type) {
    case Type::boolean: return value.number != 0 ? "true" : "false";
    case Type::integer:
    case Type::size:
    case Type::duration: return format_number(key.type, value.number);
    case Type::choice: return std::string(key.choices[value.number]);
    case Type::name:
    case Type::text:
    case Type::path: return value.text;
    case Type::words: return list_text(value.words);
    case Type::port: {
      const auto& port = value.listeners.front().port;
      return port ? std::to_string(*port) : "auto";
    }
    case Type::ports: return std::to_string(value.ports.first) + '-' + std::to_string(value.ports.last);
    case Type::address:
    case Type::listeners: break;
  }
  std::string text;
  for (const ListenerConfig& listener : value.listeners) (text += text.empty() ? "" : ", ") += listener.url();
  return text;
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const bool begun = word.size() >= 3 && candidate.starts_with(word);
    const std::size_t d = begun ? 1 : distance(word, candidate);
    if (d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

std::string unknown_name(std::string_view what, std::string_view name, std::span<const std::string_view> known) {
  const std::string_view near = nearest(name, known);
  if (!near.empty()) return unknown(what, name) + "; did you mean " + in_quotes(near) + "?";
  if (known.empty()) return unknown(what, name) + "; there are none";
  return unknown(what, name) + "; there are: " + join(known);
}

std::string unknown_key(Scope scope, std::string_view prefix, std::string_view name) {
  std::vector<std::string_view> here;
  const Key* elsewhere = nullptr;
  for (const Key& key : schema()) {
    if (key.scope == scope && key.path.starts_with(prefix)) {
      const std::string_view rest = key.path.substr(prefix.size());
      const std::string_view next = rest.substr(0, rest.find('.'));
      if (here.empty() || here.back() != next) here.push_back(next);
    }
    if (key.path.substr(key.path.rfind('.') + 1) == name) elsewhere = &key;
  }
  if (elsewhere && nearest(name, here).empty())
    return unknown("key", name) + "; did you mean " + in_quotes(elsewhere->path) +
           (elsewhere->scope == Scope::fleet    ? " of [fleet]?"
            : elsewhere->scope == Scope::worker ? " of [workers.NAME]?"
                                                : " of an instance?");
  return unknown_name("key", name, here);
}

}  // namespace shoal::config
