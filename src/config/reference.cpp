#include "config/reference.hpp"

#include "config/schema.hpp"

namespace shoal::config {
namespace {

constexpr std::string_view kHead = R"(# Configuration

<!-- Generated from src/config/schema.cpp. After a change there, write this file again with
     SHOAL_WRITE_REFERENCE=1 build/dev/config_test --gtest_filter='Reference.*' -->

The main file is named by `-c FILE`, else by `SHOAL_CONFIG`, else it is `$SHOAL_HOME/shoal.toml`, else
`/etc/shoal/shoal.toml`. It is [TOML](https://toml.io/en/v1.0.0). Beside it, `instances.d/NAME.toml` holds one instance
each, with the keys of an instance at the top. `shoal check` reads everything and starts nothing.

| table | what it holds |
|---|---|
| `[fleet]` | the controller's own keys |
| `[defaults]` | keys of an instance; every instance starts from these |
| `[templates.NAME]` | keys of an instance; used by `template = "NAME"` |
| `[workers.NAME]` | limits of the worker that all instances with `worker = "NAME"` share |
| `[instances.NAME]` | one instance |

An instance is made from the defaults on this page, then `[defaults]`, then its template, then its own keys; the last one
counts, key by key. `auth` is taken as a whole, so that a default never lets more people in than the instance says.

Unknown keys are errors. Relative paths are relative to the file that names them. Names of instances, workers and
templates are 1 to 64 of `a-z A-Z 0-9 . _ -`, with no `.` or `-` in front; `controller` is not a name for an instance. A
size is a number of bytes or a string such as `"64 KiB"` (`B`, `KiB`, `MiB`, `GiB`); a duration is a number of seconds or
a string such as `"7d"` (`s`, `m`, `h`, `d`).
)";

std::string code(std::string_view text) { return text.empty() ? std::string() : '`' + std::string(text) + '`'; }

/// The default as TOML.
std::string fallback(const Key& key) {
  if (key.fallback.empty()) return "";
  const bool bare = key.type == Type::boolean || key.fallback.find_first_not_of("0123456789") == std::string::npos;
  return code(bare ? key.fallback : in_quotes(key.fallback));
}

std::string takes(const Key& key) {
  const auto range = [&](std::string_view what) {
    return std::string(what) + ", " + format_number(key.type, key.min) + " to " + format_number(key.type, key.max);
  };
  switch (key.type) {
    case Type::boolean: return "`true` or `false`";
    case Type::integer: return range("integer");
    case Type::size: return range("size");
    case Type::duration: return range("duration");
    case Type::name: return "name";
    case Type::text: return "string of at most " + std::to_string(key.max) + " bytes";
    case Type::path: return "path";
    case Type::words: return "list of strings";
    case Type::port: return "port, or `\"auto\"`";
    case Type::ports: return "`\"FIRST-LAST\"`";
    case Type::address: return "`\"HOST:PORT\"`";
    case Type::listeners: return "list of strings";
    case Type::choice: break;
  }
  std::string out;
  for (const std::string_view choice : key.choices) (out += out.empty() ? "" : ", ") += code(in_quotes(choice));
  return out;
}

void append_table(std::string& out, Scope scope, std::string_view title, std::string_view text,
                  Engine engine = Engine::shoal) {
  out += "\n## " + std::string(title) + "\n\n" + std::string(text) +
         "\n\n| key | takes | default | |\n|---|---|---|---|\n";
  for (const Key& key : schema()) {
    if (key.scope != scope || key.engine.value_or(Engine::shoal) != engine) continue;
    out += "| " + code(key.path) + " | " + takes(key) + " | " + fallback(key) + " | " + std::string(key.doc) +
           (key.needs_restart ? scope == Scope::fleet ? " *Needs a restart of the controller.*" : " *Needs a restart.*"
                              : "") +
           " |\n";
  }
}

}  // namespace

std::string reference() {
  std::string out(kHead);
  append_table(
      out, Scope::fleet, "Keys of `[fleet]`",
      "With `SHOAL_HOME=DIR` the defaults of the folders are `DIR/state`, `DIR/log` and `DIR/run`; the folders "
      "cannot change while\nthe fleet runs. What needs a restart of the controller waits until it is executed "
      "again (SIGUSR2), which no client notices;\n`shoal apply` lists it until then.");
  append_table(
      out, Scope::worker, "Keys of a shared worker",
      "`[workers.NAME]` in the main file. An instance with a worker of its own has them as `worker_limits`, see "
      "below. `shoal status`\nand `shoal limits` say by what each is in force; see "
      "[limits](../guide/limits.md).");
  append_table(out, Scope::instance, "Keys of an instance",
               "A running instance goes over to another value without losing a client, once `shoal apply` has read it; "
               "what needs a\nrestart says so.\n\n"
               "A dotted key may be written as such (`limits.sessions = 10`), as a table (`[instances.lab.limits]`) or "
               "inline\n(`limits = { sessions = 10 }`). Where a limit says \"then\", that is what happens when it is "
               "reached.");
  append_table(
      out, Scope::instance, "Keys of an external broker",
      "With `engine = \"external\"`. Of the keys above it has `template`, `engine` and `enabled`; the others are "
      "errors where they are written\nfor it or in its template, and not for it in `[defaults]`. "
      "[External brokers](../guide/external.md).",
      Engine::external);
  return out;
}

}  // namespace shoal::config
