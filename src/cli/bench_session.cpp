#include "cli/bench_session.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <ostream>
#include <utility>

#include "api/limits.hpp"
#include "bench/descriptors.hpp"
#include "cli/stop_signals.hpp"
#include "cli/table.hpp"
#include "client/resolve.hpp"

namespace shoal::cli {
namespace {

bool find_brokers(Context& context, const BenchOptions& options, bench::Settings& settings) {
  std::vector<pid_t> pids = options.pids;
  for (const std::string& name : options.instances) {
    auto target = find_instance_target(context, name);
    if (!target) return false;
    settings.brokers.push_back({std::move(target->name), std::move(target->endpoints)});
    const auto pid = static_cast<pid_t>(target->pid);
    // Several instances may share a process.
    if (options.pids.empty() && pid != 0 && std::find(pids.begin(), pids.end(), pid) == pids.end()) pids.push_back(pid);
  }
  settings.meter = bench::BrokerMeter(std::move(pids));
  if (const auto reading = settings.meter.read(); !reading) {
    // Who did not ask for these figures can do without them.
    if (options.pids.empty()) settings.meter = {};
    else return context.fail(kFailed, reading.error().message), false;
  }
  if (!settings.brokers.empty()) return true;
  for (const std::uint16_t port : options.ports) {
    auto endpoints = client::resolve(options.connection.host, port);
    if (!endpoints) return context.fail(kFailed, endpoints.error().message), false;
    settings.brokers.push_back({options.connection.host + ':' + std::to_string(port), *std::move(endpoints)});
  }
  return true;
}

/// How often an instance was asked to accept more than its rate allows; nothing when nobody knows.
std::optional<api::Limit> connect_rate(const Context& context, const std::string& instance) {
  const auto answer = context.request("GET", "/v1/instances/" + instance + "/limits");
  if (!answer || answer->status != 200) return {};
  const auto limits = api::limits_from_json(answer->body);
  if (!limits) return {};
  for (const api::Limit& limit : *limits) {
    if (limit.key == "limits.connects_per_second") return limit;
  }
  return {};
}

/// Who asks for more connections a second than an instance takes measures its limit.
void warn_of_connect_rate(const api::Limit& before, const api::Limit& now, const std::string& instance,
                          bench::Report& report) {
  if (now.hits.value_or(0) <= before.hits.value_or(0)) return;
  report.warn("instance " + instance + " accepts " + std::to_string(now.limit.value_or(0)) +
              " connections a second at most (limits.connects_per_second), and that was reached");
}

void print_report(Context& context, const bench::Report& report, bool json) {
  if (json) {
    context.out << to_json_object(report) << '\n';
  } else if (report.find("seconds")) {  // else it did not come to a load
    std::vector<std::vector<std::string>> rows;
    for (const auto& figure : report.figures()) rows.push_back({figure.key, bench::to_text(figure.value)});
    print_table(context.out, rows);
  }
  for (const std::string& warning : report.warnings()) context.err << "shoal: warning: " << warning << '\n';
  for (const std::string& fault : report.faults()) context.fail(kFailed, fault);
}

}  // namespace

std::string to_json_object(const bench::Report& report) {
  boost::json::object object;
  for (const auto& figure : report.figures()) {
    std::visit([&](const auto& value) { object[figure.key] = value; }, figure.value);
  }
  object["warnings"] = boost::json::value_from(report.warnings());
  object["faults"] = boost::json::value_from(report.faults());
  object["ok"] = report.holds();
  return boost::json::serialize(object);
}

void run_bench(Context& context, const BenchOptions& options, std::uint64_t connections,
               const std::function<bench::Report(bench::Stage&)>& run) {
  auto connection = client_options(context, options.connection);
  if (!connection) return;
  if (options.persistent) {
    connection->clean_start = false;
    connection->session_expiry_s = 3'600;  // should this program not get to remove them
  }
  connection->receive_maximum = UINT16_MAX;  // what the broker sends at a time is the broker's to decide
  bench::Settings settings;
  settings.connection = *std::move(connection);
  settings.concurrency = options.concurrency;
  settings.setup_limit = base::seconds(options.setup_limit_s);
  settings.connection.connect_limit = settings.setup_limit;
  if (!find_brokers(context, options, settings)) return;
  if (const auto allowed = bench::allow_connections(connections * settings.brokers.size()); !allowed) {
    return context.fail(kFailed, allowed.error().message);
  }
  if (!options.json && !options.quiet && ::isatty(STDERR_FILENO) == 1) {
    settings.progress = [&context](const std::string& line) { context.err << line << std::endl; };
  }
  const auto reactor = io::Reactor::open();
  if (!reactor) return context.fail(kFailed, reactor.error().message);
  bench::Stage stage(**reactor, settings);
  const StopSignals signals(**reactor, [&stage] { stage.interrupt(); });
  std::vector<std::optional<api::Limit>> rates;
  for (const std::string& instance : options.instances) rates.push_back(connect_rate(context, instance));
  bench::Report report = run(stage);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const auto now = rates[i] ? connect_rate(context, options.instances[i]) : std::nullopt;
    if (now) warn_of_connect_rate(*rates[i], *now, options.instances[i], report);
  }
  print_report(context, report, options.json);
}

}  // namespace shoal::cli
