#include "api/instance.hpp"

#include <boost/json.hpp>

#include "api/json_members.hpp"

namespace shoal::api {
namespace {

namespace json = boost::json;

json::value text_or_null(const std::string& text) { return text.empty() ? json::value() : json::value(text); }

std::optional<double> decimal(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  return found->to_number<double>();
}

std::vector<std::string> texts(const json::object& object, std::string_view key) {
  std::vector<std::string> all;
  const json::value* found = object.if_contains(key);
  if (found == nullptr || !found->is_array()) return all;
  for (const json::value& one : found->get_array())
    if (one.is_string()) all.emplace_back(one.get_string());
  return all;
}

std::optional<Instance> from(const json::value& value) {
  if (!value.is_object()) return std::nullopt;
  const json::object& object = value.get_object();
  Instance instance;
  instance.name = text_of(object, "name");
  if (instance.name.empty()) return std::nullopt;
  instance.state = text_of(object, "state");
  instance.pid = static_cast<std::int64_t>(number_of(object, "pid").value_or(0));
  instance.worker = text_of(object, "worker");
  if (const std::string engine = text_of(object, "engine"); !engine.empty()) instance.engine = engine;
  instance.program = text_of(object, "program");
  instance.clients = number_of(object, "clients");
  instance.cpu_s = decimal(object, "cpu_s");
  instance.restarts = static_cast<unsigned>(number_of(object, "restarts").value_or(0));
  instance.uptime_s = number_of(object, "uptime_s").value_or(0);
  instance.last_exit = text_of(object, "last_exit");
  instance.log = text_of(object, "log");
  instance.state_dir = text_of(object, "state_dir");
  instance.alarm = text_of(object, "alarm");
  if (const auto* limits = object.if_contains("worker_limits")) instance.worker_limits = limits_from(*limits);
  instance.worker_memory_bytes = number_of(object, "worker_memory_bytes");
  instance.worker_cpu_s = decimal(object, "worker_cpu_s");
  instance.listeners = texts(object, "listeners");
  instance.notes = texts(object, "notes");
  instance.last_lines = texts(object, "last_lines");
  if (const auto* stats = object.if_contains("stats"); stats != nullptr && stats->is_object()) {
    for (const auto& [key, ignored] : stats->get_object())
      instance.stats.emplace_back(key, number_of(stats->get_object(), key).value_or(0));
  }
  return instance;
}

json::value parsed(std::string_view text) {
  boost::system::error_code error;
  auto value = json::parse(text, error);
  return error ? json::value() : value;
}

Error not_understood() { return {ErrorCode::io, "the controller's answer is not understood"}; }

}  // namespace

json::object to_json(const Instance& instance) {
  json::object object;
  object["name"] = instance.name;
  object["state"] = instance.state;
  object["pid"] = instance.pid > 0 ? json::value(instance.pid) : json::value();
  object["worker"] = instance.worker;
  object["engine"] = instance.engine;
  if (!instance.program.empty()) object["program"] = instance.program;
  object["listeners"] = json::array(instance.listeners.begin(), instance.listeners.end());
  object["clients"] = instance.clients ? json::value(*instance.clients) : json::value();
  object["cpu_s"] = instance.cpu_s ? json::value(*instance.cpu_s) : json::value();
  object["restarts"] = instance.restarts;
  object["uptime_s"] = instance.uptime_s;
  object["last_exit"] = text_or_null(instance.last_exit);
  object["log"] = text_or_null(instance.log);
  object["state_dir"] = text_or_null(instance.state_dir);
  if (instance.worker_cpu_s) object["worker_cpu_s"] = *instance.worker_cpu_s;
  if (instance.worker_memory_bytes) object["worker_memory_bytes"] = *instance.worker_memory_bytes;
  if (!instance.worker_limits.empty()) object["worker_limits"] = to_json(instance.worker_limits);
  if (!instance.alarm.empty()) object["alarm"] = instance.alarm;
  if (!instance.notes.empty()) object["notes"] = json::array(instance.notes.begin(), instance.notes.end());
  if (!instance.last_lines.empty())
    object["last_lines"] = json::array(instance.last_lines.begin(), instance.last_lines.end());
  if (!instance.stats.empty()) {
    json::object stats;
    for (const auto& [key, value] : instance.stats) stats[key] = value;
    object["stats"] = std::move(stats);
  }
  return object;
}

Result<Instance> instance_from_json(std::string_view text) {
  auto instance = from(parsed(text));
  if (!instance) return not_understood();
  return std::move(*instance);
}

Result<std::vector<Instance>> instances_from_json(std::string_view text) {
  const json::value value = parsed(text);
  if (!value.is_array()) return not_understood();
  std::vector<Instance> instances;
  for (const json::value& element : value.get_array()) {
    auto instance = from(element);
    if (!instance) return not_understood();
    instances.push_back(std::move(*instance));
  }
  return instances;
}

std::string error_message(std::string_view body) {
  const json::value value = parsed(body);
  if (value.is_object()) {
    const json::value* error = value.get_object().if_contains("error");
    if (error != nullptr && error->is_object()) return text_of(error->get_object(), "message");
  }
  return std::string(body);
}

}  // namespace shoal::api
