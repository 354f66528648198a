#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <ostream>

#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "config/listener.hpp"
#include "fleet/port_book.hpp"
#include "fleet/port_holder.hpp"

namespace shoal::cli {
namespace {

/// A foreign broker binds it where it likes.
std::string address_of(const config::ListenerConfig& listener) { return listener.foreign ? "*" : listener.host; }

struct PortRow {
  config::ListenerConfig listener;
  std::string instance;
  std::string state;  // of the instance; `-` when no fleet runs
  std::string from;   // `fixed (FILE:LINE)` or `auto`
  std::string note{};
};

/// From which the kernel takes ports for outgoing connections.
config::PortRange ephemeral() {
  config::PortRange range{0, 0};
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> range.first >> range.last;
  return range;
}

/// What stands in the way of a port that is not open now, or may some day.
std::string note_on(const PortRow& row, config::PortRange kernel) {
  const std::uint16_t port = row.listener.port.value_or(0);
  if (port == 0) return "none yet";
  if (row.state != "ready" && row.state != "starting" && row.state != "backoff") {
    const auto holder = fleet::find_port_holder(row.listener);
    if (holder) return "held by " + holder->program + " (pid " + std::to_string(holder->pid) + ')';
  }
  if (port >= kernel.first && port <= kernel.last) {
    return "within " + std::to_string(kernel.first) + '-' + std::to_string(kernel.last) +
           ", where the kernel takes ports for outgoing connections: one may have it before the fleet does";
  }
  return "";
}

}  // namespace

void list_ports(Context& context, bool json) {
  const auto config = context.load_config(config::UsersFiles::may_be_missing);
  if (!config) return;
  std::vector<api::Instance> running;
  const auto response = context.request("GET", "/v1/instances");
  if (response && response->status == 200) {
    if (auto parsed = api::instances_from_json(response->body)) running = std::move(*parsed);
  }
  const fleet::PortBook book(*config);
  const config::PortRange kernel = ephemeral();
  std::vector<PortRow> rows;
  const auto state_of = [&](const std::string& name) -> std::string {
    const auto found = std::find_if(running.begin(), running.end(), [&](const auto& one) { return one.name == name; });
    return found == running.end() ? "-" : found->state;
  };
  for (const config::InstanceConfig& instance : config->instances) {
    for (std::size_t i = 0; i < instance.listeners.size(); ++i) {
      PortRow row{instance.listeners[i], instance.name, state_of(instance.name), "auto"};
      if (row.listener.port) row.from = "fixed (" + row.listener.at.line_text() + ')';
      else row.listener.port = book.remembered(instance.name, i);
      row.note = note_on(row, kernel);
      rows.push_back(std::move(row));
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [](const PortRow& a, const PortRow& b) {
    return std::pair(a.listener.port.value_or(0), a.listener.host) <
           std::pair(b.listener.port.value_or(0), b.listener.host);
  });
  if (json) {
    boost::json::array all;
    for (const PortRow& row : rows) {
      boost::json::object one{{"port", row.listener.port.value_or(0)},
                              {"address", address_of(row.listener)},
                              {"instance", row.instance},
                              {"state", row.state},
                              {"from", row.from}};
      if (!row.note.empty()) one["note"] = row.note;
      all.push_back(std::move(one));
    }
    context.out << boost::json::serialize(all) << '\n';
    return;
  }
  std::vector<std::vector<std::string>> table{{"PORT", "ADDRESS", "INSTANCE", "STATE", "FROM", "NOTE"}};
  for (const PortRow& row : rows) {
    table.push_back({row.listener.port ? std::to_string(*row.listener.port) : "-", address_of(row.listener),
                     row.instance, row.state, row.from, row.note});
  }
  print_table(context.out, table);
}

}  // namespace shoal::cli
