#include "api/events.hpp"

#include <boost/json.hpp>
#include <cstdio>
#include <ctime>

namespace shoal::api {
namespace {

namespace json = boost::json;

std::string time_text(std::int64_t time_ms) {
  const std::time_t seconds = time_ms / 1'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(time_ms % 1'000));
  return text;
}

json::object object_of(const Event& event) {
  json::object object;
  object["number"] = event.number;
  object["time"] = time_text(event.time_ms);
  object["instance"] = event.instance;
  object["kind"] = event.kind;
  for (const auto& [key, text] : event.texts) {
    if (!text.empty()) object[key] = text;
    else if (key == event.kind) object[key] = nullptr;
  }
  if (event.times) object["times"] = *event.times;
  return object;
}

}  // namespace

std::string to_json(const Event& event) { return json::serialize(object_of(event)); }

std::string to_json(const EventPage& page) {
  json::array events;
  for (const Event& event : page.events) events.push_back(object_of(event));
  json::object body;
  body["events"] = std::move(events);
  body["next"] = page.next;
  body["missed"] = page.missed;
  return json::serialize(body);
}

}  // namespace shoal::api
