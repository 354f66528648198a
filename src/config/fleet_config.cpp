#include "config/fleet_config.hpp"

#include <algorithm>
#include <filesystem>

#include "config/schema.hpp"

namespace shoal::config {

std::string Position::text() const { return line == 0 ? file : line_text() + ':' + std::to_string(column); }

std::string Position::line_text() const { return line == 0 ? file : file + ':' + std::to_string(line); }

std::string ListenerConfig::url() const {
  return "mqtt://" + (ipv6 ? '[' + host + ']' : host) + ':' + (port ? std::to_string(*port) : "auto");
}

const InstanceConfig* FleetConfig::find(std::string_view name) const {
  const auto found =
      std::find_if(instances.begin(), instances.end(), [&](const InstanceConfig& i) { return i.name == name; });
  return found == instances.end() ? nullptr : &*found;
}

namespace {

std::vector<Change> changes_in(Scope scope, const std::map<std::string, std::string>& before,
                               const std::map<std::string, std::string>& after) {
  std::vector<Change> found;
  if (before == after) return found;
  for (const Key& key : schema()) {
    if (key.scope != scope) continue;
    const auto value = [&](const std::map<std::string, std::string>& values) {
      const auto at = values.find(std::string(key.path));
      return at == values.end() ? key.fallback : at->second;
    };
    std::string old = value(before), now = value(after);
    if (old != now) found.push_back({std::string(key.path), std::move(old), std::move(now), key.needs_restart});
  }
  const bool other_engine =
      std::any_of(found.begin(), found.end(), [](const Change& change) { return change.key == "engine"; });
  if (other_engine) {
    for (Change& change : found) change.needs_restart = change.needs_restart || change.key != "enabled";
  }
  return found;
}

}  // namespace

std::vector<Change> changes(const std::map<std::string, std::string>& before,
                            const std::map<std::string, std::string>& after) {
  return changes_in(Scope::instance, before, after);
}

std::vector<Change> fleet_changes(const std::map<std::string, std::string>& before,
                                  const std::map<std::string, std::string>& after) {
  return changes_in(Scope::fleet, before, after);
}

Places Places::find(const std::string& option, const std::string& config_env, const std::string& home_env) {
  namespace fs = std::filesystem;
  const auto absolute = [](const fs::path& path) { return fs::absolute(path).lexically_normal(); };

  Places places{"/etc/shoal/shoal.toml", "/var/lib/shoal", "/var/log/shoal", "/run/shoal"};
  if (!home_env.empty()) {
    const fs::path home = absolute(home_env);
    places = {home / "shoal.toml", home / "state", home / "log", home / "run"};
  }
  const std::string& named = option.empty() ? config_env : option;
  if (!named.empty()) places.file = absolute(named);
  return places;
}

}  // namespace shoal::config
