#include "config/layer.hpp"

#include <algorithm>

namespace shoal::config {
namespace {

bool about_auth(const Setting& setting) { return setting.key->path.starts_with("auth."); }

void read_table(Scope scope, const std::string& prefix, const Node& table, const std::string& folder,
                std::vector<Setting>& settings, std::vector<Problem>& problems) {
  for (const Entry& entry : table.entries) {
    const std::string path = prefix + entry.key;
    const auto is_key = [&](const Key& k) { return k.scope == scope && k.path == path; };
    const auto is_below = [&](const Key& k) { return k.scope == scope && k.path.starts_with(path + '.'); };
    const auto keys = schema();
    if (const auto key = std::find_if(keys.begin(), keys.end(), is_key); key != keys.end()) {
      auto converted = convert(*key, entry.value, folder);
      if (auto* value = std::get_if<Value>(&converted))
        settings.push_back({&*key, std::move(*value), entry.at, entry.value.at});
      else problems.push_back(std::get<Problem>(std::move(converted)));
    } else if (std::none_of(keys.begin(), keys.end(), is_below)) {
      problems.push_back({entry.at, unknown_key(scope, prefix, entry.key)});
    } else if (entry.value.kind != Kind::table) {
      problems.push_back({entry.value.at, path + ": expected a table, found " + entry.value.describe()});
    } else {
      read_table(scope, path + '.', entry.value, folder, settings, problems);
    }
  }
}

}  // namespace

const Setting* Layer::find(std::string_view path) const {
  const auto found =
      std::find_if(settings.begin(), settings.end(), [&](const Setting& s) { return s.key->path == path; });
  return found == settings.end() ? nullptr : &*found;
}

void Layer::apply(InstanceConfig& instance) const {
  if (std::any_of(settings.begin(), settings.end(), about_auth)) {
    instance.options.auth = {};
    instance.users_at = {};
    std::erase_if(instance.values, [](const auto& value) { return value.first.starts_with("auth."); });
  }
  for (const Setting& setting : settings) {
    if (setting.key->engine && *setting.key->engine != instance.engine) continue;
    if (setting.key->set_instance) {
      setting.key->set_instance(instance, setting.value);
      instance.values[std::string(setting.key->path)] = value_text(*setting.key, setting.value);
    }
    if (setting.key->path == "auth.users_file") instance.users_at = setting.key_at;
  }
}

void Layer::apply(FleetConfig& fleet) const {
  for (const Setting& setting : settings) {
    setting.key->set_fleet(fleet, setting.value);
    fleet.values[std::string(setting.key->path)] = value_text(*setting.key, setting.value);
    if (setting.key->path == "user") fleet.user_at = setting.value_at;
  }
}

void Layer::apply_worker(InstanceConfig& instance) const {
  for (const Setting& setting : settings) {
    setting.key->set_worker(instance, setting.value);
    if (setting.key->path == "threads") continue;  // nothing of what an instance has changes with it
    instance.values["worker_limits." + std::string(setting.key->path)] = value_text(*setting.key, setting.value);
  }
}

Layer read_layer(Scope scope, const Node& table, const std::string& folder, std::vector<Problem>& problems) {
  Layer layer;
  const std::size_t before = problems.size();
  read_table(scope, "", table, folder, layer.settings, problems);
  layer.broken = problems.size() != before;
  return layer;
}

}  // namespace shoal::config
