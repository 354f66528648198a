#include "config/external.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

namespace shoal::config {
namespace {

constexpr std::string_view kPlaceholders[] = {"config_file", "port", "state_dir", "name"};
constexpr std::uint64_t kArgsBytesMax = 8 * 1024;

/// One argument, cut where something stands for something else.
struct Piece {
  std::string_view text;
  bool stands = false;  // for a value: `text` is a placeholder's name
};

std::vector<Piece> pieces(std::string_view word) {
  std::vector<Piece> all;
  while (!word.empty()) {
    const std::size_t brace = word.find('{');
    if (brace == std::string_view::npos) {
      all.push_back({word});
      break;
    }
    if (word.substr(brace).starts_with("{{")) {
      all.push_back({word.substr(0, brace + 1)});
      word.remove_prefix(brace + 2);
      continue;
    }
    all.push_back({word.substr(0, brace)});
    const std::size_t end = std::min(word.find('}', brace), word.size());
    all.push_back({word.substr(brace + 1, end - brace - 1), true});
    word.remove_prefix(std::min(end + 1, word.size()));
  }
  return all;
}

bool is_used(const std::vector<std::string>& args, std::string_view placeholder) {
  return std::any_of(args.begin(), args.end(), [&](const std::string& word) {
    const auto all = pieces(word);
    return std::any_of(all.begin(), all.end(), [&](const Piece& p) { return p.stands && p.text == placeholder; });
  });
}

/// Empty when the file can be used so.
std::string why_not(const std::string& path, int how) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno == ENOENT ? "does not exist" : std::strerror(errno);
  if (!S_ISREG(status.st_mode)) return "is not a file";
  if (::access(path.c_str(), how) == 0) return {};
  return how == X_OK ? "cannot be executed" : "cannot be read";
}

}  // namespace

std::vector<Key> external_keys() {
  const auto of_external = [](Key key) {
    key.scope = Scope::instance;
    key.needs_restart = true;
    key.engine = Engine::external;
    return key;
  };
  return {
      of_external({.scope = Scope::instance,
                   .path = "program",
                   .type = Type::path,
                   .fallback = "",
                   .doc = "Required. The program, by its path; it stays in the foreground.",
                   .set_instance = [](InstanceConfig& i, const Value& v) { i.external.program = v.text; }}),
      of_external(
          {.scope = Scope::instance,
           .path = "args",
           .type = Type::words,
           .fallback = "",
           .doc = "Its arguments. `{config_file}`, `{port}`, `{state_dir}` and `{name}` stand for the values; `{{` is "
                  "one brace.",
           .max = kArgsBytesMax,
           .set_instance = [](InstanceConfig& i, const Value& v) { i.external.args = v.words; }}),
      of_external({.scope = Scope::instance,
                   .path = "config_file",
                   .type = Type::path,
                   .fallback = "",
                   .doc = "The broker's own configuration, which `args` name as `{config_file}`.",
                   .set_instance = [](InstanceConfig& i, const Value& v) { i.external.config_file = v.text; }}),
      of_external(
          {.scope = Scope::instance,
           .path = "port",
           .type = Type::port,
           .fallback = "",
           .doc =
               "Required. Where it serves MQTT on 127.0.0.1, at least. It binds the port itself, so nobody else in "
               "the fleet has it, on whatever address. `auto` takes a free one from `fleet.port_range`, which `args` "
               "tell as `{port}`.",
           .set_instance = [](InstanceConfig& i, const Value& v) { i.listeners = v.listeners; }})};
}

ListenerConfig foreign_listener() {
  ListenerConfig listener;
  listener.host = "127.0.0.1";
  listener.foreign = true;
  return listener;
}

std::string list_text(std::span<const std::string> words) {
  std::string text;
  for (const std::string& word : words) (text += text.empty() ? "" : ", ") += in_quotes(word);
  return '[' + text + ']';
}

const Setting* LayersOfInstance::find(std::string_view path) const {
  for (const Layer* layer : {&own, shared, &defaults}) {
    const Setting* setting = layer ? layer->find(path) : nullptr;
    if (setting) return setting;
  }
  return nullptr;
}

Engine engine_of(const LayersOfInstance& layers) {
  const Setting* setting = layers.find("engine");
  return setting ? static_cast<Engine>(setting->value.number) : Engine::shoal;
}

void report_foreign_keys(const InstanceConfig& instance, const LayersOfInstance& layers,
                         std::vector<Problem>& problems) {
  const bool external = instance.engine == Engine::external;
  for (const Layer* layer : {&layers.own, layers.shared}) {
    if (!layer) continue;
    for (const Setting& setting : layer->settings) {
      if (!setting.key->engine || *setting.key->engine == instance.engine) continue;
      const std::string key(setting.key->path);
      std::string what = key + ": instance " + instance.name;
      if (layer == layers.shared) what += ", which uses this template,";
      if (!external) what += R"( is one of Shoal's own; write engine = "external", or remove this key)";
      else if (key == "listeners")
        what +=
            " is an external broker, which listens where its own configuration says; "
            "write that port, as in port = 11883";
      else
        what +=
            " is an external broker, which has no such key; remove it, and write what the broker is to do into its own "
            "configuration";
      problems.push_back({setting.key_at, std::move(what)});
    }
  }
}

void check_external(const InstanceConfig& instance, const LayersOfInstance& layers, std::vector<Problem>& problems) {
  const ExternalProgram& external = instance.external;
  const auto report = [&](const char* key, const std::string& what) {
    const Setting* setting = layers.find(key);
    problems.push_back({setting ? setting->value_at : instance.at, "instance " + instance.name + ": " + what});
  };
  if (external.program.empty()) report("", R"(no program; write program = "/usr/sbin/mosquitto")");
  else if (const std::string why = why_not(external.program, X_OK); !why.empty())
    report("program", "program " + external.program + ' ' + why + "; name it by its path");
  if (instance.listeners.empty()) report("", "no port; write where it serves MQTT, as in port = 11883");
  if (!external.config_file.empty()) {
    if (const std::string why = why_not(external.config_file, R_OK); !why.empty())
      report("config_file", "config_file " + external.config_file + ' ' + why);
    if (!is_used(external.args, "config_file"))
      report("config_file", R"(nobody tells the program of this file; write args = ["-c", "{config_file}"])");
  }
  for (const std::string& word : external.args) {
    for (const Piece& piece : pieces(word)) {
      if (!piece.stands) continue;
      if (std::find(std::begin(kPlaceholders), std::end(kPlaceholders), piece.text) == std::end(kPlaceholders))
        report("args", unknown_name("placeholder", piece.text, kPlaceholders) + " (a brace is written {{)");
      else if (piece.text == "config_file" && external.config_file.empty())
        report("args", "{config_file} stands for nothing; write config_file");
    }
  }
  if (!instance.listeners.empty() && !instance.listeners.front().port && !is_used(external.args, "port"))
    report("port", R"(nobody tells the program its port; name {port} in args, as in args = ["-p", "{port}"])");
}

std::vector<std::string> expand(const InstanceConfig& instance, std::uint16_t port) {
  std::vector<std::string> all;
  for (const std::string& word : instance.external.args) {
    std::string& out = all.emplace_back();
    for (const Piece& piece : pieces(word)) {
      if (!piece.stands) out += piece.text;
      else if (piece.text == "config_file") out += instance.external.config_file;
      else if (piece.text == "port") out += std::to_string(port);
      else if (piece.text == "state_dir") out += instance.state_dir;
      else if (piece.text == "name") out += instance.name;
    }
  }
  return all;
}

}  // namespace shoal::config
