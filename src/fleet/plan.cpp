#include "fleet/plan.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace shoal::fleet {
namespace {

std::vector<config::Change> differences(const config::InstanceConfig& serves, const config::InstanceConfig& wanted,
                                        bool need_restart) {
  std::vector<config::Change> all = config::changes(serves.values, wanted.values);
  // Whether it is enabled is nothing that a worker knows.
  std::erase_if(all,
                [&](const auto& change) { return change.needs_restart != need_restart || change.key == "enabled"; });
  return all;
}

void plan_known(Plan& plan, const config::InstanceConfig& desired, const Observed& now, PlanOptions options) {
  Step step{.kind = Step::Kind::change, .name = desired.name, .changes = {}};
  step.changes = config::changes(now.config->values, desired.values);
  // It was told, but could not do it.
  if (step.changes.empty() && now.serves) step.changes = differences(*now.serves, desired, false);
  const bool changed = !step.changes.empty();
  step.starts = !now.serves && desired.enabled && !now.held && (!now.failed || changed || options.restart);
  // What was started by hand although it is not enabled goes on.
  step.stops = now.serves && now.config->enabled && !desired.enabled;
  const auto due = now.serves && !step.stops ? differences(*now.serves, desired, true) : std::vector<config::Change>();
  step.restarts = !due.empty() && options.restart;
  if (!due.empty() && !step.restarts) plan.due.push_back({Step::Kind::restart, desired.name, due});
  if (changed) return plan.steps.push_back(std::move(step));
  if (step.restarts) return plan.steps.push_back({Step::Kind::restart, desired.name, due});
  if (step.starts) plan.steps.push_back({Step::Kind::start, desired.name, {}});
}

}  // namespace

std::string_view to_string(Step::Kind kind) {
  static constexpr std::array<std::string_view, 5> kNames{"create", "change", "start", "restart", "remove"};
  return kNames[static_cast<std::size_t>(kind)];
}

Plan make_plan(std::span<const config::InstanceConfig> desired, std::span<const Observed> observed,
               PlanOptions options) {
  std::map<std::string_view, const Observed*> known;
  for (const Observed& one : observed) known.emplace(one.config->name, &one);
  Plan plan;
  for (const Observed& one : observed) {
    const bool wanted = std::any_of(desired.begin(), desired.end(),
                                    [&](const auto& instance) { return instance.name == one.config->name; });
    if (!wanted) plan.steps.push_back({Step::Kind::remove, one.config->name, {}});
  }
  for (const config::InstanceConfig& instance : desired) {
    const auto now = known.find(instance.name);
    if (now != known.end()) plan_known(plan, instance, *now->second, options);
    else
      plan.steps.push_back(
          {.kind = Step::Kind::create, .name = instance.name, .changes = {}, .starts = instance.enabled});
  }
  return plan;
}

config::InstanceConfig without_restart(const config::InstanceConfig& serves, const config::InstanceConfig& desired) {
  config::InstanceConfig result = desired;
  for (const config::Change& change : differences(serves, desired, true)) {
    const auto before = serves.values.find(change.key);
    if (before == serves.values.end()) result.values.erase(change.key);
    else result.values[change.key] = before->second;
  }
  result.worker = serves.worker;
  result.state_dir = serves.state_dir;
  result.options.threads = serves.options.threads;
  result.options.persistence = serves.options.persistence;
  result.options.store_dir = serves.options.store_dir;
  result.options.log = serves.options.log;
  result.options.log.level = desired.options.log.level;
  return result;
}

}  // namespace shoal::fleet
