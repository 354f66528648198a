#include <fnmatch.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "api/applied.hpp"
#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "config/document.hpp"
#include "config/edit.hpp"

namespace shoal::cli {
namespace {

using std::chrono::milliseconds;

std::string wait_of(std::chrono::seconds limit) { return "wait=" + std::to_string(milliseconds(limit).count()); }

/// Without a fleet that runs the files are changed here; then says what they come to.
void done_in_files(Context& context, const Result<void>& done, const std::string& what) {
  if (!done)
    return context.fail(done.error().code == ErrorCode::not_found ? kNoSuchInstance : kFailed, done.error().message);
  context.out << what << "; no fleet is running\n";
}

std::optional<std::vector<api::Edit::NewInstance>> new_instances(Context& context, const CreateOptions& options) {
  api::Edit::NewInstance model{.name = {}, .template_name = options.template_name};
  for (const std::string& pair : options.keys) {
    const std::size_t equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos) {
      context.fail(kUsage, "--set takes KEY=VALUE, not " + config::in_quotes(pair));
      return std::nullopt;
    }
    model.keys.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  std::vector<api::Edit::NewInstance> all;
  for (const std::string& name : options.names) {
    for (unsigned i = 1; i <= std::max(options.count, 1u); ++i) {
      all.push_back(model);
      all.back().name = options.count == 0 ? name : name + '-' + std::to_string(i);
    }
  }
  return all;
}

/// Whether a controller answers; whatever else is wrong its requests will tell.
bool is_running(const Context& context) {
  const auto response = context.request("GET", "/v1/version");
  return response || response.error().code != ErrorCode::unavailable;
}

}  // namespace

std::optional<std::vector<std::string>> matching_names(Context& context, const std::vector<std::string>& names) {
  const auto is_pattern = [](const std::string& name) { return name.find_first_of("*?[") != std::string::npos; };
  if (std::none_of(names.begin(), names.end(), is_pattern)) return names;
  const auto instances = context.running_instances();
  if (!instances) return std::nullopt;
  std::vector<std::string> found;
  const auto add = [&](const std::string& name) {
    if (std::find(found.begin(), found.end(), name) == found.end()) found.push_back(name);
  };
  for (const std::string& name : names) {
    const std::size_t before = found.size();
    if (!is_pattern(name)) add(name);
    for (const api::Instance& instance : *instances)
      if (is_pattern(name) && ::fnmatch(name.c_str(), instance.name.c_str(), 0) == 0) add(instance.name);
    const bool any = found.size() > before || std::any_of(found.begin(), found.end(), [&](const std::string& one) {
                       return ::fnmatch(name.c_str(), one.c_str(), 0) == 0;
                     });
    if (any) continue;
    context.fail(kNoSuchInstance, "no instance matches " + config::in_quotes(name) + "; `shoal ps` lists them");
    return std::nullopt;
  }
  return found;
}

void create_instances(Context& context, const CreateOptions& options) {
  const auto instances = new_instances(context, options);
  if (!instances) return;
  if (!is_running(context)) {
    std::vector<config::NewInstance> files;
    for (const auto& one : *instances) files.push_back({one.name, one.template_name, one.keys});
    const config::Loaded before = config::load(context.places(), config::UsersFiles::may_be_missing);
    const config::FleetConfig known = before.config.value_or(config::FleetConfig());
    if (auto made = config::create_instances(context.places(), files, known); !made)
      return context.fail(kFailed, made.error().message);
    if (context.load_config(config::UsersFiles::may_be_missing)) {
      context.out << files.size() << (files.size() == 1 ? " instance" : " instances")
                  << " written; start with `shoal up -d`\n";
      return;
    }
    for (const auto& one : files) (void)config::remove_instance(context.places(), one.name);
    return;
  }
  const auto response = context.call("POST", "/v1/instances?" + wait_of(options.limit),
                                     options.limit + std::chrono::seconds(10), api::to_json(*instances));
  if (!response) return;
  const auto applied = api::applied_from_json(response->body);
  if (!applied) return context.fail(kFailed, applied.error().message);
  auto all = context.running_instances();
  if (!all) return;
  std::erase_if(*all, [&](const api::Instance& one) {
    return std::none_of(instances->begin(), instances->end(), [&](const auto& made) { return made.name == one.name; });
  });
  print_instances(context.out, *all);
  for (const std::string& note : applied->notes) context.out << note << '\n';
  for (const api::Applied::Step& step : applied->steps)
    if (!step.error.empty()) context.fail(kFailed, step.instance + ": " + step.error);
}

void remove_instances(Context& context, const std::vector<std::string>& names, bool purge, std::chrono::seconds limit) {
  if (!is_running(context)) {
    for (const std::string& name : names)
      done_in_files(context, config::remove_instance(context.places(), name), name + " removed; its data stays");
    return;
  }
  const auto all = matching_names(context, names);
  if (!all) return;
  for (const std::string& name : *all) {
    const auto path = context.instance_path(name);
    if (!path) continue;
    const auto response = context.call("DELETE", *path + '?' + wait_of(limit) + (purge ? "&purge=1" : ""),
                                       limit + std::chrono::seconds(10));
    if (response) context.out << name << (purge ? " removed with its data\n" : " removed; its data stays\n");
  }
}

void set_keys(Context& context, const std::vector<std::string>& names, const std::string& key, const std::string& value,
              std::chrono::seconds limit) {
  if (!is_running(context)) {
    for (const std::string& name : names)
      done_in_files(context, config::set_key(context.places(), name, key, value), name + ": " + key + " = " + value);
    return;
  }
  const auto all = matching_names(context, names);
  if (!all) return;
  const std::string body = boost::json::serialize(boost::json::object{{"key", key}, {"value", value}});
  for (const std::string& name : *all) {
    const auto path = context.instance_path(name);
    if (!path) continue;
    const auto response = context.call("PATCH", *path + '?' + wait_of(limit), limit + std::chrono::seconds(10), body);
    if (response) print_applied(context, response->body, false, false, limit);
  }
}

}  // namespace shoal::cli
