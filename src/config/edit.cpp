#include "config/edit.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "config/document.hpp"
#include "config/schema.hpp"

namespace shoal::config {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMade = "# Made by `shoal create`; `shoal rm` removes this file.\n";

fs::path folder_of(const Places& places) { return fs::path(places.file).parent_path() / "instances.d"; }
fs::path file_of(const Places& places, const std::string& name) { return folder_of(places) / (name + ".toml"); }

Error io_error(const fs::path& path, const char* what) {
  return {errno == EACCES || errno == EPERM || errno == EROFS ? ErrorCode::permission_denied : ErrorCode::io,
          path.string() + " cannot be " + what + ": " + std::strerror(errno)};
}

std::optional<std::string> read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// As a whole or not at all.
Result<void> write(const fs::path& path, const std::string& text) {
  const fs::path fresh = path.string() + ".new";
  errno = 0;
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << text;
    if (!file.flush()) return io_error(path, "written");
  }
  std::error_code error;
  if (fs::exists(path, error)) fs::permissions(fresh, fs::status(path, error).permissions(), error);
  fs::rename(fresh, path, error);
  if (!error) return {};
  errno = error.value();
  fs::remove(fresh, error);
  return io_error(path, "written");
}

const Key* find_key(const std::string& path) {
  const auto keys = schema();
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const Key& key) { return key.scope == Scope::instance && key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

Error no_such_key(const std::string& path) {
  const std::size_t dot = path.find('.');
  const std::string prefix = dot == std::string::npos ? "" : path.substr(0, dot + 1);
  return {ErrorCode::invalid_argument, unknown_key(Scope::instance, prefix, path.substr(prefix.size()))};
}

/// `value` as TOML; whether it fits is for `load` to say.
std::string as_toml(const Key& key, const std::string& value) {
  const bool digits = !value.empty() && value.find_first_not_of("0123456789") == std::string::npos;
  const bool truth = value == "true" || value == "false";
  switch (key.type) {
    case Type::boolean: return truth ? value : in_quotes(value);
    case Type::integer:
    case Type::size:
    case Type::duration: return digits ? value : in_quotes(value);
    case Type::choice:
    case Type::name:
    case Type::text:
    case Type::path:
    case Type::address:
    case Type::ports: return in_quotes(value);
    case Type::port: return digits ? value : in_quotes(value);
    case Type::words:
    case Type::listeners: break;
  }
  std::string list;
  for (std::string_view rest = value; !rest.empty();) {
    std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    list += (list.empty() ? "" : ", ") + in_quotes(one);
  }
  return '[' + list + ']';
}

Result<std::string> text_of(const NewInstance& instance) {
  std::string text(kMade);
  if (!instance.template_name.empty()) text += "template = " + in_quotes(instance.template_name) + '\n';
  for (const auto& [path, value] : instance.keys) {
    const Key* key = find_key(path);
    if (key == nullptr) return no_such_key(path);
    text += path + " = " + as_toml(*key, value) + '\n';
  }
  return text;
}

/// Where a key is written below a table, dotted or nested.
const Entry* find_entry(const Node& table, std::string_view path) {
  const Entry* entry = table.find(path.substr(0, path.find('.')));
  const std::size_t dot = path.find('.');
  if (entry == nullptr || dot == std::string_view::npos) return entry;
  return entry->value.kind == Kind::table ? find_entry(entry->value, path.substr(dot + 1)) : nullptr;
}

struct Lines {
  explicit Lines(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      all.push_back(text.substr(at, end - at));
      at = end + 1;
    }
  }
  std::string text() const {
    std::string joined;
    for (const std::string& line : all) joined += line + '\n';
    return joined;
  }
  std::vector<std::string> all;
};

/// With another value on its line; a comment behind it stays. The result is read again, so this may be simple.
std::string replaced(const std::string& line, unsigned column, const std::string& value) {
  const std::size_t begin = std::min<std::size_t>(column - 1, line.size());
  bool quoted = false;
  std::size_t comment = line.size();
  for (std::size_t i = begin; i < line.size(); ++i) {
    if (line[i] == '"' || line[i] == '\'') quoted = !quoted;
    if (line[i] != '#' || quoted) continue;
    comment = i;
    break;
  }
  const std::string rest = comment < line.size() ? "  " + line.substr(comment) : "";
  return line.substr(0, begin) + value + rest;
}

/// The instance's table in the file, or null.
const Node* table_of(const Node& root, const std::string& name, bool own_file) {
  if (own_file) return &root;
  const Entry* instances = root.find("instances");
  const Entry* entry = instances && instances->value.kind == Kind::table ? instances->value.find(name) : nullptr;
  return entry && entry->value.kind == Kind::table ? &entry->value : nullptr;
}

/// Nothing but that key of that instance is another.
bool differs_only_in(const FleetConfig& before, const FleetConfig& after, const std::string& name,
                     const std::string& key) {
  if (before.instances.size() != after.instances.size()) return false;
  return std::all_of(before.instances.begin(), before.instances.end(), [&](const InstanceConfig& old) {
    const InstanceConfig* now = after.find(old.name);
    if (!now) return false;
    const auto found = changes(old.values, now->values);
    return std::all_of(found.begin(), found.end(),
                       [&](const Change& change) { return old.name == name && change.key == key; });
  });
}

}  // namespace

Result<void> create_instances(const Places& places, const std::vector<NewInstance>& instances,
                              const FleetConfig& known) {
  std::vector<std::string> texts;
  for (const NewInstance& instance : instances) {
    if (!valid_name(instance.name) || instance.name == "controller") {
      return Error{ErrorCode::invalid_argument, in_quotes(instance.name) +
                                                    " cannot be the name of an instance; use 1 to "
                                                    "64 of a-z A-Z 0-9 . _ - and no . or - in front"};
    }
    if (const InstanceConfig* const there = known.find(instance.name)) {
      return Error{ErrorCode::unavailable,
                   "there is an instance " + instance.name + " already (" + there->at.line_text() + ')'};
    }
    std::error_code ignored;
    if (fs::exists(file_of(places, instance.name), ignored)) {
      return Error{ErrorCode::unavailable, file_of(places, instance.name).string() + " is there already"};
    }
    auto text = text_of(instance);
    if (!text) return std::move(text).error();
    texts.push_back(std::move(*text));
  }
  std::error_code error;
  fs::create_directories(folder_of(places), error);
  for (std::size_t i = 0; i < instances.size(); ++i) {
    auto written = write(file_of(places, instances[i].name), texts[i]);
    if (written) continue;
    while (i-- > 0) fs::remove(file_of(places, instances[i].name), error);
    return written;
  }
  return {};
}

Result<void> remove_instance(const Places& places, const std::string& name) {
  const fs::path path = file_of(places, name);
  const auto text = read(path);
  if (text && text->starts_with(kMade)) {
    std::error_code error;
    if (fs::remove(path, error)) return {};
    errno = error.value();
    return io_error(path, "removed");
  }
  const Loaded loaded = load(places, UsersFiles::may_be_missing);
  const InstanceConfig* there = loaded.config ? loaded.config->find(name) : nullptr;
  const std::string where = there ? there->at.line_text() : path.string();
  return Error{ErrorCode::unavailable, "instance " + name + " was not made by `shoal create`: it is written at " +
                                           where + "; remove it there, then `shoal apply " + name + '`'};
}

Result<void> set_key(const Places& places, const std::string& name, const std::string& key, const std::string& value,
                     const FleetConfig* running) {
  const Key* known = find_key(key);
  if (known == nullptr) return no_such_key(key);
  // In the main file the line could be another instance's, too.
  std::error_code ignored;
  const bool alone = running && fs::exists(file_of(places, name), ignored);
  const auto load_now = [&] {
    return alone ? load_some(places, {name}, *running, UsersFiles::may_be_missing)
                 : load(places, UsersFiles::may_be_missing);
  };
  const Loaded before = load_now();
  if (!before.config) return Error{ErrorCode::invalid_argument, before.problems.front().text()};
  const InstanceConfig* instance = before.config->find(name);
  if (instance == nullptr) return Error{ErrorCode::not_found, "there is no instance " + name};

  const bool own_file = instance->at.line == 0;
  const fs::path path = own_file ? file_of(places, name) : fs::path(places.file);
  const auto text = read(path);
  if (!text) return io_error(path, "read");
  auto parsed = parse(*text, path.string());
  const Node* table = std::holds_alternative<Node>(parsed) ? table_of(std::get<Node>(parsed), name, own_file) : nullptr;
  const auto refuse = [&](const Position& at) {
    return Error{ErrorCode::unavailable, "instance " + name + " is written in a way that is not changed here; write " +
                                             key + " = " + as_toml(*known, value) + " at " + at.line_text() +
                                             ", then `shoal apply " + name + '`'};
  };
  if (table == nullptr) return refuse(instance->at);
  Lines lines(*text);
  const std::string toml = as_toml(*known, value);
  if (const Entry* entry = find_entry(*table, key)) {
    std::string& line = lines.all.at(entry->value.at.line - 1);
    line = replaced(line, entry->value.at.column, toml);
  } else if (own_file) {
    const std::size_t first = text->starts_with(kMade) ? 1 : 0;
    lines.all.insert(lines.all.begin() + static_cast<std::ptrdiff_t>(first), key + " = " + toml);
  } else {
    const std::string& header = lines.all.at(instance->at.line - 1);
    if (header.find_first_not_of(" \t") == std::string::npos || header[header.find_first_not_of(" \t")] != '[')
      return refuse(instance->at);
    lines.all.insert(lines.all.begin() + instance->at.line, key + " = " + toml);
  }
  if (auto written = write(path, lines.text()); !written) return written;
  const Loaded after = load_now();
  if (after.config && differs_only_in(*before.config, *after.config, name, key)) return {};
  if (auto back = write(path, *text); !back) return back;
  // A file that cannot be read at all any more was not the value's fault.
  const bool readable = std::holds_alternative<Node>(parse(lines.text(), path.string()));
  if (!after.config && readable) return Error{ErrorCode::invalid_argument, after.problems.front().text()};
  return refuse(instance->at);
}

}  // namespace shoal::config
