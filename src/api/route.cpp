#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <optional>
#include <string_view>

#include "api/applied.hpp"
#include "api/client_list.hpp"
#include "api/service.hpp"
#include "base/log_text.hpp"

namespace shoal::api {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using Answer = std::function<void(Response)>;

constexpr std::uint64_t kClientsDefault = 1'000;

Response failure(const Failure& why) {
  json::object error;
  error["code"] = why.code;
  error["message"] = why.message;
  json::object body;
  body["error"] = std::move(error);
  return {why.status, json::serialize(body)};
}

Failure wrong_method(const Request& request, std::string_view allowed) {
  return {405, "method_not_allowed",
          std::string(request.method) + " is not possible here; use " + std::string(allowed)};
}

Failure no_such_path(std::string_view path, Routes routes = Routes::all) {
  const bool all = routes == Routes::all;
  return {404, "not_found",
          "there is nothing at " + std::string(path) +
              (all ? "; the API begins at /v1" : "; here are /metrics, /healthz and /readyz")};
}

struct Target {
  std::string_view path;
  std::optional<std::uint32_t> wait_ms;
  std::optional<std::uint64_t> limit;
  std::optional<std::uint64_t> after;
  std::optional<std::uint64_t> stats;
  std::string_view bad;  // the name of one that is no number
  Apply apply{};
  bool purge = false;

  milliseconds wait() const { return std::min(milliseconds(wait_ms.value_or(0)), kWaitMax); }
};

Target split(std::string_view target) {
  const std::size_t mark = target.find('?');
  Target result{target.substr(0, mark), {}, {}, {}, {}, {}};
  if (mark == std::string_view::npos) return result;
  std::string_view query = target.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair == "dry_run=1") result.apply.dry_run = true;
    if (pair == "purge=1") result.purge = true;
    if (pair == "restart=1") result.apply.restart = true;
    if (pair.starts_with("instance=")) result.apply.only.emplace_back(pair.substr(9));
    const auto read = [&](std::string_view name, auto& place) {
      if (!pair.starts_with(name) || pair.substr(name.size(), 1) != "=") return;
      const std::string_view digits = pair.substr(name.size() + 1);
      auto& number = place.emplace();
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (error != std::errc() || end != digits.data() + digits.size()) result.bad = name;
    };
    read("wait", result.wait_ms);
    read("limit", result.limit);
    read("after", result.after);
    read("stats", result.stats);
  }
  return result;
}

std::optional<Verb> verb_of(std::string_view word) {
  if (word == "start") return Verb::start;
  if (word == "stop") return Verb::stop;
  if (word == "restart") return Verb::restart;
  if (word == "reload-users") return Verb::reload_users;
  return std::nullopt;
}

/// A reply that serializes with `to_body`, or the failure.
template <class T, class ToResponse>
Reply<T> answering(Answer answer, ToResponse to_response) {
  return [answer = std::move(answer), to_response](std::variant<T, Failure> outcome) {
    if (const auto* why = std::get_if<Failure>(&outcome)) answer(failure(*why));
    else answer(to_response(std::get<T>(outcome)));
  };
}

void list(Service& service, bool with_stats, Answer answer) {
  auto reply = answering<std::vector<Instance>>(std::move(answer), [](const std::vector<Instance>& instances) {
    json::array all;
    for (const Instance& instance : instances) all.push_back(to_json(instance));
    return Response{200, json::serialize(all)};
  });
  if (with_stats) service.list_with_stats(std::move(reply));
  else service.list(std::move(reply));
}

void route_client(const Request& request, const Target& target, const std::string& name, std::string_view encoded_id,
                  Service& service, const Answer& answer) {
  const auto id = percent_decoded(encoded_id);
  if (encoded_id.empty() || encoded_id.find('/') != std::string_view::npos) {
    return answer(failure(no_such_path(target.path)));
  }
  if (!id) return answer(failure({400, "bad_request", id.error().message}));
  if (request.method != "DELETE") return answer(failure(wrong_method(request, "DELETE")));
  service.disconnect(name, *id, answering<Done>(answer, [](const Done&) { return Response{200, "{}"}; }));
}

Reply<Applied> telling_steps(Answer answer) {
  return answering<Applied>(std::move(answer), [](const Applied& applied) {
    return Response{applied.settled ? 200 : 202, json::serialize(to_json(applied))};
  });
}

void apply(const Target& target, Service& service, Answer answer) {
  Apply how = target.apply;
  how.wait = target.wait();
  service.apply(how, telling_steps(std::move(answer)));
}

/// POST of `{"instances":[{"name":…,"template":…,"keys":{…}}]}`.
void create(const Request& request, const Target& target, Service& service, Answer answer) {
  auto instances = new_instances_from_json(request.body);
  if (!instances) return answer(failure({400, "bad_request", instances.error().message}));
  service.edit({.create = std::move(*instances), .wait = target.wait()}, telling_steps(std::move(answer)));
}

/// PATCH of `{"key":…,"value":…}`.
void set_key(const Request& request, const Target& target, const std::string& name, Service& service, Answer answer) {
  boost::system::error_code ignored;
  const json::value body = json::parse(request.body, ignored);
  const auto text = [&](std::string_view member) -> const json::string* {
    const json::value* found = body.is_object() ? body.get_object().if_contains(member) : nullptr;
    return found ? found->if_string() : nullptr;
  };
  if (!text("key") || !text("value")) {
    return answer(failure({400, "bad_request", R"(the body must be {"key":KEY,"value":VALUE}, both strings)"}));
  }
  service.edit(
      {.set = name, .key = std::string(*text("key")), .value = std::string(*text("value")), .wait = target.wait()},
      telling_steps(std::move(answer)));
}

/// PUT of `{"level":"debug"}`.
void set_log_level(const Request& request, const std::string& name, Service& service, Answer answer) {
  boost::system::error_code ignored;
  const json::value body = json::parse(request.body, ignored);
  const json::value* const named = body.is_object() ? body.get_object().if_contains("level") : nullptr;
  const auto level = named && named->is_string() ? base::log_level_from(named->get_string()) : std::nullopt;
  if (!level) {
    return answer(failure(
        {400, "bad_request", R"(the body must be {"level":LEVEL} with "debug", "info", "warn", "error" or "off")"}));
  }
  service.set_log_level(name, *level, answering<LogLevel>(std::move(answer), [](LogLevel set) {
                          return Response{200, json::serialize(json::object{{"level", base::to_string(set)}})};
                        }));
}

void route_instance(const Request& request, const Target& target, std::string_view rest, Service& service,
                    Answer answer) {
  const std::size_t slash = rest.find('/');
  const std::string name(rest.substr(0, slash));
  if (slash == std::string_view::npos) {
    if (request.method == "PATCH") return set_key(request, target, name, service, std::move(answer));
    if (request.method == "DELETE") {
      return service.edit({.remove = name, .purge = target.purge, .wait = target.wait()},
                          telling_steps(std::move(answer)));
    }
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET, PATCH or DELETE")));
    return service.get(name, answering<Instance>(std::move(answer), [](const Instance& instance) {
                         return Response{200, json::serialize(to_json(instance))};
                       }));
  }
  const std::string_view what = rest.substr(slash + 1);
  if (what == "clients") {
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET")));
    return service.clients(name, target.after.value_or(0), target.limit.value_or(kClientsDefault),
                           answering<ClientPage>(std::move(answer), [](const ClientPage& page) {
                             return Response{200, to_json(page)};
                           }));
  }
  constexpr std::string_view kClients = "clients/";
  if (what.starts_with(kClients))
    return route_client(request, target, name, what.substr(kClients.size()), service, answer);
  if (what == "limits") {
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET")));
    return service.limits(name, answering<std::vector<Limit>>(std::move(answer), [](const std::vector<Limit>& all) {
                            return Response{200, json::serialize(to_json(all))};
                          }));
  }
  if (what == "log-level") {
    if (request.method != "PUT") return answer(failure(wrong_method(request, "PUT")));
    return set_log_level(request, name, service, std::move(answer));
  }
  const auto verb = verb_of(what);
  if (!verb) return answer(failure(no_such_path(target.path)));
  if (request.method != "POST") return answer(failure(wrong_method(request, "POST")));
  const auto wait = std::min(milliseconds(target.wait_ms.value_or(0)), kWaitMax);
  service.act(name, *verb, wait, answering<Acted>(std::move(answer), [](const Acted& acted) {
                return Response{acted.settled ? 200 : 202, json::serialize(to_json(acted.instance))};
              }));
}

void metrics(Service& service, Answer answer) {
  service.metrics(answering<std::string>(std::move(answer), [](const std::string& page) {
    return Response{200, page, "text/plain; version=0.0.4; charset=utf-8"};
  }));
}

Response readiness(const Service& service) {
  json::array list;
  for (const NotReady& one : service.not_ready()) {
    json::object object;
    object["name"] = one.name;
    object["state"] = one.state;
    object["why"] = one.why;
    list.push_back(std::move(object));
  }
  return {list.empty() ? 200 : 503, json::serialize(list)};
}

/// False: it is none of these.
bool route_monitoring(const Request& request, std::string_view path, Service& service, Answer& answer) {
  if (path != "/metrics" && path != "/healthz" && path != "/readyz") return false;
  if (request.method != "GET") answer(failure(wrong_method(request, "GET")));
  else if (path == "/metrics") metrics(service, std::move(answer));
  else if (path == "/healthz") answer({200, "ok", "text/plain"});
  else answer(readiness(service));
  return true;
}

}  // namespace

void route(const Request& request, Routes routes, Service& service, std::function<void(Response)> answer) {
  constexpr std::string_view kInstances = "/v1/instances";
  const Target target = split(request.target);
  if (route_monitoring(request, target.path, service, answer)) return;
  if (routes == Routes::monitoring) return answer(failure(no_such_path(target.path, routes)));
  if (target.bad == "wait") {
    return answer(failure({400, "bad_request", "wait must be a number of milliseconds, such as ?wait=5000"}));
  }
  if (!target.bad.empty()) {
    return answer(failure({400, "bad_request", std::string(target.bad) + " must be a number"}));
  }
  if (target.path == "/v1/version") {
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET")));
    json::object body;
    body["version"] = service.version();
    body["api"] = 1;
    return answer({200, json::serialize(body)});
  }
  if (target.path == "/v1/shutdown") {
    if (request.method != "POST") return answer(failure(wrong_method(request, "POST")));
    service.shutdown();
    return answer({202, "{}"});
  }
  if (target.path == "/v1/apply") {
    if (request.method != "POST") return answer(failure(wrong_method(request, "POST")));
    return apply(target, service, std::move(answer));
  }
  if (target.path == "/v1/events") {
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET")));
    return service.events(target.after.value_or(0), std::min(milliseconds(target.wait_ms.value_or(0)), kEventsWaitMax),
                          answering<EventPage>(std::move(answer), [](const EventPage& page) {
                            return Response{200, to_json(page)};
                          }));
  }
  if (target.path == kInstances) {
    if (request.method == "POST") return create(request, target, service, std::move(answer));
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET or POST")));
    return list(service, target.stats.value_or(0) != 0, std::move(answer));
  }
  if (target.path.starts_with(kInstances) && target.path.substr(kInstances.size()).starts_with('/')) {
    return route_instance(request, target, target.path.substr(kInstances.size() + 1), service, std::move(answer));
  }
  answer(failure(no_such_path(target.path)));
}

}  // namespace shoal::api
