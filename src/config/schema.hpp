#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/document.hpp"
#include "config/fleet_config.hpp"

namespace shoal::config {

/// What a key takes.
enum class Type {
  boolean,
  integer,
  size,      ///< bytes: an integer, or a string such as "16 MiB"
  duration,  ///< seconds: an integer, or a string such as "7d"
  choice,    ///< one of `Key::choices`
  name,      ///< see `valid_name`
  text,      ///< up to `Key::max` bytes
  path,      ///< made absolute, relative to the file that names it
  words,     ///< a list of strings
  port,      ///< a number or "auto", one of `Value::listeners`, which is foreign
  ports,     ///< "FIRST-LAST"
  address,   ///< "HOST:PORT", one of `Value::listeners`
  listeners,
};

/// Where a key may stand.
enum class Scope {
  fleet,     ///< [fleet]
  worker,    ///< [workers.NAME]
  instance,  ///< [instances.NAME], [templates.NAME], [defaults], and the top of instances.d/NAME.toml
};

/// A value that was checked and converted. Which field counts is said by the key's type.
struct Value {
  std::uint64_t number = 0;  ///< boolean, integer, size, duration; of a choice its index
  std::string text{};        ///< name, text, path
  std::vector<std::string> words{};
  PortRange ports{};
  std::vector<ListenerConfig> listeners{};
};

/// Everything that is to know about a key. The reference page and all checks come from here.
struct Key {
  Scope scope;
  std::string_view path;  ///< dotted, below the table of the scope
  Type type;
  std::string fallback;  ///< how the default is written; empty: there is none
  std::string_view doc;
  std::uint64_t min = 0;  ///< of numbers, and of a text's length, inclusive
  std::uint64_t max = 0;
  std::vector<std::string_view> choices{};
  void (*set_fleet)(FleetConfig&, const Value&) = nullptr;
  void (*set_instance)(InstanceConfig&, const Value&) = nullptr;  ///< null for `template`
  /// A running instance, or the controller, has to be restarted for another value; else it goes over to it without.
  bool needs_restart = false;
  void (*set_worker)(InstanceConfig&, const Value&) = nullptr;
  /// The only engine that has it; none: both.
  std::optional<Engine> engine = std::nullopt;
};

/// All keys, in the order of the reference page.
std::span<const Key> schema();

/// 1 to 64 of a-z A-Z 0-9 . _ - and not starting with . or -
bool valid_name(std::string_view name);

/// Checks `node` against the key and converts it; or says in one line what is wrong and where.
/// `folder` is that of the file.
std::variant<Value, Problem> convert(const Key& key, const Node& node, const std::string& folder);

/// The value as it is written in TOML, but for quotes; a path absolute.
std::string value_text(const Key& key, const Value& value);

/// A number as it is written for a key of this type: `10000`, `16 MiB`, `7d`.
std::string format_number(Type type, std::uint64_t number);

/// The candidate that was probably meant; empty when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// What to say about a key that does not exist below `prefix` ("" or "limits.") in `scope`: the
/// nearest one, or where one of this name belongs, or all there are.
std::string unknown_key(Scope scope, std::string_view prefix, std::string_view key);

/// Same for one of a plain list of names. `what` is "key", "template" …
std::string unknown_name(std::string_view what, std::string_view name, std::span<const std::string_view> known);

}  // namespace shoal::config
