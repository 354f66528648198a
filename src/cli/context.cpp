#include "cli/context.hpp"

#include <ostream>

#include "api/client.hpp"
#include "config/document.hpp"
#include "config/schema.hpp"
#include "controller/orphans.hpp"
#include "controller/state_lock.hpp"

namespace shoal::cli {

config::Places Context::places() const {
  config::Places places = config::Places::find(config_option, config_env, home_env);
  places.logs_to_stdout = logs_to_stdout;
  return places;
}

std::string Context::control_socket() const { return config::load(places()).run_dir + "/control.sock"; }

void Context::fail(ExitCode code, std::string_view message) {
  err << "shoal: " << message << '\n';
  exit_code = code;
}

std::optional<config::FleetConfig> Context::load_config(config::UsersFiles users_files) {
  config::Loaded loaded = config::load(places(), users_files);
  if (loaded.config) return std::move(loaded.config);
  for (const config::Problem& problem : loaded.problems) err << problem.text() << '\n';
  exit_code = kFailed;
  return std::nullopt;
}

const config::InstanceConfig* Context::find_instance(const config::FleetConfig& config, std::string_view name) {
  if (const auto* found = config.find(name)) return found;
  std::vector<std::string_view> names;
  for (const auto& instance : config.instances) names.push_back(instance.name);
  const std::string_view close = config::nearest(name, names);
  fail(kNoSuchInstance, "there is no instance " + std::string(name) + " in " + config.file +
                            (close.empty() ? "" : "; is it " + std::string(close) + "?"));
  return nullptr;
}

const config::InstanceConfig* Context::find_own_instance(const config::FleetConfig& config, std::string_view name,
                                                         std::string_view why) {
  const config::InstanceConfig* instance = find_instance(config, name);
  if (instance == nullptr || instance->engine != config::Engine::external) return instance;
  fail(kFailed, instance->name + " is an external broker; " + std::string(why));
  return nullptr;
}

std::string Context::how_to_start() const {
  const config::Loaded loaded = config::load(places());
  if (controller::StateLock::is_held(loaded.run_dir)) return "it is starting, or ending";
  if (const std::size_t workers = controller::count_orphans(loaded.run_dir); workers > 0) {
    return std::to_string(workers) + (workers == 1 ? " worker serves" : " workers serve") +
           " on without it: `shoal up -d` takes them over, `shoal down` ends them";
  }
  return loaded.problems.empty() ? "start it with `shoal up -d`" : loaded.problems.front().text();
}

Result<api::Response> Context::request(const std::string& method, const std::string& target,
                                       std::chrono::milliseconds limit, const std::string& body) const {
  return api::call(control_socket(), {.method = method, .target = target, .body = body}, limit);
}

std::optional<api::Response> Context::call(const std::string& method, const std::string& target,
                                           std::chrono::milliseconds limit, const std::string& body) {
  auto response = request(method, target, limit, body);
  if (!response) {
    if (response.error().code == ErrorCode::unavailable) {
      fail(kNotRunning, response.error().message + "; " + how_to_start());
    } else {
      fail(kFailed, response.error().message);
    }
    return std::nullopt;
  }
  if (response->status / 100 == 2) return std::move(*response);
  const std::string message = api::error_message(response->body);
  if (response->status == 400 && message.find('\n') != std::string::npos) {
    err << message << '\n';  // a line for each problem
    exit_code = kFailed;
  } else {
    fail(exit_code_of(response->status), message);
  }
  return std::nullopt;
}

std::optional<std::string> Context::instance_path(const std::string& name) {
  if (config::valid_name(name)) return "/v1/instances/" + name;
  fail(kNoSuchInstance, "there is no instance " + config::in_quotes(name) + "; `shoal ps` lists them");
  return std::nullopt;
}

std::optional<std::vector<api::Instance>> Context::running_instances() {
  const auto response = call("GET", "/v1/instances");
  if (!response) return std::nullopt;
  auto instances = api::instances_from_json(response->body);
  if (instances) return std::move(*instances);
  fail(kFailed, instances.error().message);
  return std::nullopt;
}

std::optional<api::Instance> Context::running_instance(const std::string& name) {
  const auto path = instance_path(name);
  const auto response = path ? call("GET", *path) : std::nullopt;
  if (!response) return std::nullopt;
  auto instance = api::instance_from_json(response->body);
  if (instance) return std::move(*instance);
  fail(kFailed, instance.error().message);
  return std::nullopt;
}

ExitCode exit_code_of(int status) {
  switch (status) {
    case 404: return kNoSuchInstance;
    case 409: return kAlreadySo;
    default: return status / 100 == 2 ? kDone : kFailed;
  }
}

}  // namespace shoal::cli
