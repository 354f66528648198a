#include "api/applied.hpp"

#include <boost/json.hpp>

#include "api/json_members.hpp"

namespace shoal::api {
namespace {

namespace json = boost::json;

bool is_true(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_bool() && value->as_bool();
}

/// The objects in the array under `key`.
template <class Visit>
void for_each(const json::object& object, std::string_view key, Visit&& visit) {
  const json::value* value = object.if_contains(key);
  if (!value || !value->is_array()) return;
  for (const json::value& one : value->as_array()) visit(one);
}

Applied::Step step_of(const json::object& object) {
  Applied::Step step{text_of(object, "action"), text_of(object, "instance")};
  for_each(object, "changes", [&](const json::value& one) {
    if (!one.is_object()) return;
    const json::object& change = one.as_object();
    step.changes.push_back({text_of(change, "key"), text_of(change, "before"), text_of(change, "after"),
                            is_true(change, "needs_restart")});
  });
  step.state = text_of(object, "state");
  step.error = text_of(object, "error");
  return step;
}

}  // namespace

json::object to_json(const Applied& applied) {
  json::array steps;
  for (const Applied::Step& step : applied.steps) {
    json::array changes;
    for (const Applied::Change& change : step.changes) {
      changes.push_back(json::object{{"key", change.key},
                                     {"before", change.before},
                                     {"after", change.after},
                                     {"needs_restart", change.needs_restart}});
    }
    json::object object{{"action", step.action}, {"instance", step.instance}, {"changes", std::move(changes)}};
    if (!step.state.empty()) object["state"] = step.state;
    if (!step.error.empty()) object["error"] = step.error;
    steps.push_back(std::move(object));
  }
  json::array notes;
  for (const std::string& note : applied.notes) notes.push_back(json::value(note));
  return {{"steps", std::move(steps)}, {"notes", std::move(notes)}, {"settled", applied.settled}};
}

Result<Applied> applied_from_json(std::string_view text) {
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  if (error || !parsed.is_object()) return Error{ErrorCode::io, "the controller's answer makes no sense"};
  Applied applied;
  for_each(parsed.as_object(), "steps", [&](const json::value& one) {
    if (one.is_object()) applied.steps.push_back(step_of(one.as_object()));
  });
  for_each(parsed.as_object(), "notes", [&](const json::value& one) {
    if (one.is_string()) applied.notes.emplace_back(one.as_string());
  });
  applied.settled = is_true(parsed.as_object(), "settled");
  return applied;
}

Result<std::vector<Edit::NewInstance>> new_instances_from_json(std::string_view text) {
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  const Error wrong{
      ErrorCode::invalid_argument,
      R"(the body must be {"instances":[{"name":NAME,"template":NAME,"keys":{KEY:VALUE}}]}, values as strings)"};
  if (error || !parsed.is_object() || !parsed.as_object().contains("instances")) return wrong;
  std::vector<Edit::NewInstance> instances;
  bool right = true;
  for_each(parsed.as_object(), "instances", [&](const json::value& one) {
    right = right && one.is_object();
    if (!right) return;
    const json::object& object = one.as_object();
    Edit::NewInstance& instance = instances.emplace_back();
    instance.name = text_of(object, "name");
    instance.template_name = text_of(object, "template");
    const json::value* keys = object.if_contains("keys");
    if (!keys) return;
    right = keys->is_object();
    if (!right) return;
    for (const auto& [key, value] : keys->as_object()) {
      right = right && value.is_string();
      if (right) instance.keys.emplace_back(key, value.as_string());
    }
  });
  if (!right || instances.empty()) return wrong;
  return instances;
}

std::string to_json(const std::vector<Edit::NewInstance>& instances) {
  json::array all;
  for (const Edit::NewInstance& instance : instances) {
    json::object keys;
    for (const auto& [key, value] : instance.keys) keys[key] = value;
    json::object one{{"name", instance.name}, {"keys", std::move(keys)}};
    if (!instance.template_name.empty()) one["template"] = instance.template_name;
    all.push_back(std::move(one));
  }
  return json::serialize(json::object{{"instances", std::move(all)}});
}

}  // namespace shoal::api
