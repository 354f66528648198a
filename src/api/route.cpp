#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <optional>
#include <string_view>

#include "api/service.hpp"

namespace shoal::api {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using Answer = std::function<void(Response)>;

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
  std::optional<milliseconds> wait;
  bool bad_wait = false;
};

Target split(std::string_view target) {
  const std::size_t mark = target.find('?');
  Target result{target.substr(0, mark), std::nullopt};
  if (mark == std::string_view::npos) return result;
  std::string_view query = target.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (!pair.starts_with("wait=")) continue;
    const std::string_view digits = pair.substr(5);
    std::uint32_t ms = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ms);
    result.bad_wait = error != std::errc() || end != digits.data() + digits.size();
    result.wait = std::min(milliseconds(ms), kWaitMax);
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

void list(Service& service, Answer answer) {
  service.list(answering<std::vector<Instance>>(std::move(answer), [](const std::vector<Instance>& instances) {
    json::array all;
    for (const Instance& instance : instances) all.push_back(to_json(instance));
    return Response{200, json::serialize(all)};
  }));
}

void route_instance(const Request& request, const Target& target, std::string_view rest, Service& service,
                    Answer answer) {
  const std::size_t slash = rest.find('/');
  const std::string name(rest.substr(0, slash));
  if (slash == std::string_view::npos) {
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET")));
    return service.get(name, answering<Instance>(std::move(answer), [](const Instance& instance) {
                         return Response{200, json::serialize(to_json(instance))};
                       }));
  }
  const auto verb = verb_of(rest.substr(slash + 1));
  if (!verb) return answer(failure(no_such_path(target.path)));
  if (request.method != "POST") return answer(failure(wrong_method(request, "POST")));
  service.act(name, *verb, target.wait.value_or(milliseconds(0)),
              answering<Acted>(std::move(answer), [](const Acted& acted) {
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
  if (target.bad_wait) {
    return answer(failure({400, "bad_request", "wait must be a number of milliseconds, such as ?wait=5000"}));
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
  if (target.path == kInstances) {
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET")));
    return list(service, std::move(answer));
  }
  if (target.path.starts_with(kInstances) && target.path.substr(kInstances.size()).starts_with('/')) {
    return route_instance(request, target, target.path.substr(kInstances.size() + 1), service, std::move(answer));
  }
  answer(failure(no_such_path(target.path)));
}

}  // namespace shoal::api
