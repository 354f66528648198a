#include <boost/json.hpp>
#include <ostream>
#include <set>

#include "api/client_list.hpp"
#include "cli/commands.hpp"
#include "cli/printable.hpp"
#include "cli/table.hpp"

namespace shoal::cli {
namespace {

// All pages. Clients that come in two of them, because others went meanwhile, are there once.
std::optional<std::vector<ClientInfo>> fetch(Context& context, const std::string& path) {
  std::vector<ClientInfo> all;
  std::set<std::string> seen;
  std::uint64_t next = 0;
  do {
    const auto response = context.call("GET", path + "/clients?after=" + std::to_string(next));
    if (!response) return std::nullopt;
    auto page = api::client_page_from_json(response->body);
    if (!page) {
      context.fail(kFailed, page.error().message);
      return std::nullopt;
    }
    for (ClientInfo& client : page->clients) {
      if (seen.insert(client.client_id).second) all.push_back(std::move(client));
    }
    next = page->next;
  } while (next != 0);
  return all;
}

}  // namespace

void list_clients(Context& context, const std::string& name, bool json) {
  const auto path = context.instance_path(name);
  if (!path) return;
  auto clients = fetch(context, *path);
  if (!clients) return;
  if (json) {
    const boost::json::value page = boost::json::parse(api::to_json({.clients = std::move(*clients)}));
    context.out << boost::json::serialize(page.at("clients")) << '\n';
    return;
  }
  std::vector<std::vector<std::string>> rows{
      {"CLIENT", "USER", "ADDRESS", "MQTT", "CONNECTED", "KEEP ALIVE", "SUBS", "QUEUED", "IN FLIGHT"}};
  for (const ClientInfo& client : *clients) {
    rows.push_back({printable(client.client_id), client.user.empty() ? "-" : printable(client.user), client.address,
                    client.protocol, duration_text(client.connected_s),
                    client.keep_alive_s == 0 ? "-" : duration_text(client.keep_alive_s),
                    std::to_string(client.subscriptions), std::to_string(client.queued_messages),
                    std::to_string(client.in_flight)});
  }
  print_table(context.out, rows);
}

void kick_client(Context& context, const std::string& name, const std::string& client_id) {
  const auto path = context.instance_path(name);
  if (!path || !context.call("DELETE", *path + "/clients/" + api::percent_encoded(client_id))) return;
  context.out << printable(client_id) << " is disconnected\n";
}

}  // namespace shoal::cli
