#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.hpp"
#include "cli/limits_table.hpp"
#include "cli/table.hpp"
#include "fleet/preflight.hpp"

namespace shoal::cli {

void list_instances(Context& context, bool json) {
  const auto response = context.call("GET", "/v1/instances");
  if (!response) return;
  if (json) {
    context.out << response->body << '\n';
    return;
  }
  const auto instances = api::instances_from_json(response->body);
  if (!instances) return context.fail(kFailed, instances.error().message);
  print_instances(context.out, *instances);
}

void show_instance(Context& context, const std::string& name, bool json) {
  const auto path = context.instance_path(name);
  const auto response = path ? context.call("GET", *path) : std::nullopt;
  if (!response) return;
  if (json) {
    context.out << response->body << '\n';
    return;
  }
  const auto parsed = api::instance_from_json(response->body);
  if (!parsed) return context.fail(kFailed, parsed.error().message);
  const api::Instance& instance = *parsed;
  const bool ready = instance.state == "ready";
  std::vector<std::vector<std::string>> rows{
      {"name", instance.name},
      {"state", instance.state},
  };
  const std::string pid = instance.pid > 0 ? " (pid " + std::to_string(instance.pid) + ")" : "";
  if (instance.engine == "shoal") {
    rows.push_back({"worker", instance.worker + pid});
  } else {
    rows.push_back({"engine", instance.engine});
    rows.push_back({"program", instance.program + pid});
  }
  for (const std::string& note : instance.notes) rows.push_back({"NOTE", note});
  for (const api::Limit& limit : instance.worker_limits) {
    if (limit_text(limit).empty()) continue;
    std::string words = "its " + limit.key.substr(limit.key.find('.') + 1);
    std::replace(words.begin(), words.end(), '_', ' ');
    rows.push_back({std::move(words), limit_text(limit)});
  }
  if (!instance.alarm.empty()) rows.push_back({"ALARM", instance.alarm});
  for (const std::string& url : instance.listeners) rows.push_back({"listener", url});
  if (ready && instance.clients) rows.push_back({"clients", std::to_string(*instance.clients)});
  else if (instance.engine != "shoal") rows.push_back({"clients", "unknown"});
  if (ready) rows.push_back({"uptime", duration_text(instance.uptime_s)});
  rows.push_back({"restarts", std::to_string(instance.restarts)});
  rows.push_back({"last exit", instance.last_exit.empty() ? "-" : instance.last_exit});
  rows.push_back({"log", instance.log});
  rows.push_back({"state folder", instance.state_dir});
  for (const auto& [counter, value] : instance.stats) {
    // One for each bound: those that nobody reached are not worth a line.
    constexpr std::string_view kHits = "limit_hits.";
    const bool is_limit = counter.starts_with(kHits);
    if (is_limit && value == 0) continue;
    std::string words = is_limit ? "reached limit " + counter.substr(kHits.size()) : counter;
    std::replace(words.begin(), words.end(), '_', ' ');
    rows.push_back({words, std::to_string(value)});
  }
  print_table(context.out, rows);
  if (instance.last_lines.empty()) return;
  context.out << "\nthe last lines of its log:\n";
  for (const std::string& line : instance.last_lines) context.out << line << '\n';
}

void show_version(Context& context, bool json) {
  if (json) {
    boost::json::object version;
    version["version"] = context.version;
    context.out << boost::json::serialize(version) << '\n';
  } else {
    context.out << "shoal " << context.version << '\n';
  }
}

void check_config(Context& context) {
  const auto config = context.load_config();
  if (!config) return;
  std::size_t listeners = 0;
  for (const auto& instance : config->instances) listeners += instance.listeners.size();
  const auto count = [](std::size_t n, const char* noun) {
    return std::to_string(n) + ' ' + noun + (n == 1 ? "" : "s");
  };
  context.out << config->file << ": ok, " << count(config->instances.size(), "instance") << ", "
              << count(listeners, "listener") << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const fleet::Finding& finding : fleet::preflight(*config, fleet::read_machine(*config))) {
    static constexpr const char* kLevels[] = {"ok", "warn", "FAIL"};
    rows.push_back({kLevels[static_cast<std::size_t>(finding.level)], finding.what, finding.detail});
    if (!finding.mend.empty()) rows.push_back({"", "", "-> " + finding.mend});
    if (finding.level == fleet::Finding::Level::fail) context.exit_code = kFailed;
  }
  print_table(context.out, rows);
}

bool fails_preflight(Context& context, const config::FleetConfig& config) {
  bool fails = false;
  for (const fleet::Finding& finding : fleet::preflight(config, fleet::read_machine(config))) {
    if (finding.level != fleet::Finding::Level::fail) continue;
    context.fail(kFailed,
                 finding.what + ": " + finding.detail + "; " + finding.mend + "; `--force` starts all the same");
    fails = true;
  }
  return fails;
}

}  // namespace shoal::cli
