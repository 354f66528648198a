#include <boost/json.hpp>
#include <ostream>
#include <set>
#include <utility>

#include "api/applied.hpp"
#include "cli/commands.hpp"
#include "cli/table.hpp"

namespace shoal::cli {
namespace {

using Row = std::vector<std::string>;

std::string shown(const std::string& value) { return value.empty() ? "-" : value; }

void add_rows(std::vector<Row>& rows, const api::Applied::Step& step, bool dry_run) {
  const std::string action = step.action == "due" ? "restart due" : step.action;
  const std::string outcome = dry_run || step.action == "due" ? "" : !step.error.empty() ? step.error : step.state;
  if (step.changes.empty()) return rows.push_back({action, step.instance, "", outcome});
  for (const api::Applied::Change& change : step.changes) {
    const bool first = &change == &step.changes.front();
    // Of [fleet]; docs/guide/operating.md says how without losing a client.
    const std::string of = step.instance == "controller" ? "the controller" : step.instance;
    std::string effect = change.needs_restart && step.action != "restart" ? "needs restart of " + of
                         : !step.error.empty()                            ? step.error
                         : dry_run                                        ? "live"
                                                                          : "applied";
    rows.push_back({first ? action : "", first ? step.instance : "",
                    change.key + ": " + shown(change.before) + " -> " + shown(change.after), std::move(effect)});
  }
}

}  // namespace

void apply_config(Context& context, const ApplyOptions& options) {
  std::string target = "/v1/apply?wait=" + std::to_string(std::chrono::milliseconds(options.limit).count());
  if (options.dry_run) target += "&dry_run=1";
  if (options.restart) target += "&restart=1";
  for (const std::string& name : options.names) {
    if (!context.instance_path(name)) return;
    target += "&instance=" + name;
  }
  const auto response = context.call("POST", target, options.limit + std::chrono::seconds(10));
  if (response) print_applied(context, response->body, options.dry_run, options.json, options.limit);
}

void print_applied(Context& context, const std::string& body, bool dry_run, bool json, std::chrono::seconds limit) {
  const auto applied = api::applied_from_json(body);
  if (!applied) return context.fail(kFailed, applied.error().message);
  if (json) {
    context.out << body << '\n';
  } else {
    std::vector<Row> rows;
    std::set<std::pair<std::string, std::string>> told;  // keys of instances that say already what they need
    for (api::Applied::Step step : applied->steps) {
      if (step.action == "due") {
        std::erase_if(step.changes, [&](const auto& change) { return told.contains({step.instance, change.key}); });
        if (step.changes.empty()) continue;
      }
      for (const api::Applied::Change& change : step.changes) told.emplace(step.instance, change.key);
      add_rows(rows, step, dry_run);
    }
    if (rows.empty()) context.out << "nothing to do\n";
    else print_table(context.out, rows);
    for (const std::string& note : applied->notes) context.out << note << '\n';
  }
  for (const api::Applied::Step& step : applied->steps) {
    if (!step.error.empty()) context.fail(kFailed, step.instance + ": " + step.error);
  }
  if (!applied->settled) {
    context.fail(kFailed, "not done after " + std::to_string(limit.count()) + " s; it goes on, see `shoal ps`");
  }
}

}  // namespace shoal::cli
