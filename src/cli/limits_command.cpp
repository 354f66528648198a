#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.hpp"
#include "cli/limits_table.hpp"
#include "config/document.hpp"
#include "config/edit.hpp"
#include "controller/limit_table.hpp"

namespace shoal::cli {
namespace {

using std::chrono::milliseconds;

struct Pair {
  std::string key;
  std::string value;
};

/// `connections=5` is `limits.connections`.
std::optional<std::vector<Pair>> pairs_of(Context& context, const std::vector<std::string>& words) {
  std::vector<Pair> pairs;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos) {
      context.fail(kUsage, "--set takes KEY=VALUE, not " + config::in_quotes(word));
      return std::nullopt;
    }
    std::string key = word.substr(0, equals);
    if (!key.starts_with("limits.") && !key.starts_with("worker_limits.")) key.insert(0, "limits.");
    pairs.push_back({std::move(key), word.substr(equals + 1)});
  }
  return pairs;
}

void print(Context& context, const std::vector<api::Limit>& limits, bool json) {
  if (json) context.out << boost::json::serialize(api::to_json(limits)) << '\n';
  else print_limits(context.out, limits);
}

/// Without a fleet that runs: as the files say, and nothing is used.
void in_files(Context& context, const LimitsOptions& options, const std::vector<Pair>& pairs) {
  for (const Pair& pair : pairs) {
    const auto done = config::set_key(context.places(), options.name, pair.key, pair.value);
    if (done) continue;
    return context.fail(done.error().code == ErrorCode::not_found ? kNoSuchInstance : kFailed, done.error().message);
  }
  const auto config = context.load_config(config::UsersFiles::may_be_missing);
  const config::InstanceConfig* instance = config ? context.find_instance(*config, options.name) : nullptr;
  if (instance) print(context, controller::limit_table(*instance, nullptr, {}), options.json);
}

}  // namespace

void show_limits(Context& context, const LimitsOptions& options) {
  const auto pairs = pairs_of(context, options.keys);
  if (!pairs) return;
  const auto version = context.request("GET", "/v1/version");
  if (!version && version.error().code == ErrorCode::unavailable) return in_files(context, options, *pairs);
  const auto path = context.instance_path(options.name);
  if (!path) return;
  for (const Pair& pair : *pairs) {
    const std::string body = boost::json::serialize(boost::json::object{{"key", pair.key}, {"value", pair.value}});
    const auto response = context.call("PATCH", *path + "?wait=" + std::to_string(milliseconds(options.limit).count()),
                                       options.limit + std::chrono::seconds(10), body);
    if (!response) return;
    if (!options.json) print_applied(context, response->body, false, false, options.limit);
  }
  const auto response = context.call("GET", *path + "/limits");
  if (!response) return;
  if (options.json) {
    context.out << response->body << '\n';
    return;
  }
  const auto limits = api::limits_from_json(response->body);
  if (!limits) return context.fail(kFailed, limits.error().message);
  print(context, *limits, false);
}

}  // namespace shoal::cli
