#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.hpp"

namespace shoal::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kWait{20'000};

}  // namespace

void show_events(Context& context, bool follow) {
  std::uint64_t after = 0;
  for (bool first = true;; first = false) {
    const auto wait = follow && !first ? kWait : std::chrono::milliseconds(0);
    const auto response =
        context.call("GET", "/v1/events?after=" + std::to_string(after) + "&wait=" + std::to_string(wait.count()),
                     wait + std::chrono::seconds(10));
    if (!response) return;
    boost::system::error_code error;
    const json::value page = json::parse(response->body, error);
    const json::object* const object = error ? nullptr : page.if_object();
    const json::value* const events = object ? object->if_contains("events") : nullptr;
    const json::value* const next = object ? object->if_contains("next") : nullptr;
    if (!events || !events->is_array() || !next || !next->is_number()) {
      return context.fail(kFailed, "the controller's answer is not understood");
    }
    after = next->to_number<std::uint64_t>(error);
    for (const json::value& event : events->get_array()) context.out << json::serialize(event) << '\n';
    if (!context.out.flush() || !follow) return;
  }
}

}  // namespace shoal::cli
