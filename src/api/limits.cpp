#include "api/limits.hpp"

#include <boost/json.hpp>

#include "api/json_members.hpp"

namespace shoal::api {
namespace {

namespace json = boost::json;

json::value or_null(const std::optional<std::uint64_t>& number) {
  return number ? json::value(*number) : json::value();
}

}  // namespace

json::array to_json(const std::vector<Limit>& limits) {
  json::array all;
  for (const Limit& limit : limits) {
    json::object object{{"key", limit.key},          {"limit", or_null(limit.limit)}, {"unit", limit.unit},
                        {"use", or_null(limit.use)}, {"peak", or_null(limit.peak)},   {"hits", or_null(limit.hits)}};
    if (!limit.counter.empty()) object["counter"] = limit.counter;
    if (!limit.in_force.empty()) object["in_force"] = limit.in_force;
    all.push_back(std::move(object));
  }
  return all;
}

std::vector<Limit> limits_from(const json::value& array) {
  std::vector<Limit> limits;
  if (!array.is_array()) return limits;
  for (const json::value& one : array.get_array()) {
    if (!one.is_object()) continue;
    const json::object& object = one.get_object();
    limits.push_back({.key = text_of(object, "key"),
                      .limit = number_of(object, "limit"),
                      .unit = text_of(object, "unit"),
                      .use = number_of(object, "use"),
                      .peak = number_of(object, "peak"),
                      .hits = number_of(object, "hits"),
                      .counter = text_of(object, "counter"),
                      .in_force = text_of(object, "in_force")});
  }
  return limits;
}

Result<std::vector<Limit>> limits_from_json(std::string_view text) {
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  if (error || !parsed.is_array()) return Error{ErrorCode::io, "the controller's answer makes no sense"};
  return limits_from(parsed);
}

}  // namespace shoal::api
