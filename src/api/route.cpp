#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <optional>
#include <string_view>

#include "api/applied.hpp"
#include "api/service.hpp"
#include "base/log_text.hpp"

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

Failure no_such_path(std::string_view path) {
  return {404, "not_found", "there is nothing at " + std::string(path) + "; the API begins at /v1"};
}

struct Target {
  std::string_view path;
  std::optional<milliseconds> wait;
  bool bad_wait = false;
  Apply apply{};
  bool purge = false;
};

Target split(std::string_view target) {
  const std::size_t mark = target.find('?');
  Target result{target.substr(0, mark), std::nullopt};
  if (mark == std::string_view::npos) return result;
  std::string_view query = target.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair == "dry_run=1") result.apply.dry_run = true;
    if (pair == "purge=1") result.purge = true;
    if (pair == "restart=1") result.apply.restart = true;
    if (pair.starts_with("instance=")) result.apply.only.emplace_back(pair.substr(9));
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

Reply<Applied> telling_steps(Answer answer) {
  return answering<Applied>(std::move(answer), [](const Applied& applied) {
    return Response{applied.settled ? 200 : 202, json::serialize(to_json(applied))};
  });
}

void apply(const Target& target, Service& service, Answer answer) {
  Apply how = target.apply;
  how.wait = target.wait.value_or(milliseconds(0));
  service.apply(how, telling_steps(std::move(answer)));
}

/// POST of `{"instances":[{"name":…,"template":…,"keys":{…}}]}`.
void create(const Request& request, const Target& target, Service& service, Answer answer) {
  auto instances = new_instances_from_json(request.body);
  if (!instances) return answer(failure({400, "bad_request", instances.error().message}));
  service.edit({.create = std::move(*instances), .wait = target.wait.value_or(milliseconds(0))},
               telling_steps(std::move(answer)));
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
  service.edit({.set = name,
                .key = std::string(*text("key")),
                .value = std::string(*text("value")),
                .wait = target.wait.value_or(milliseconds(0))},
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
      return service.edit(
          {.remove = name, .purge = target.purge, .wait = target.wait.value_or(milliseconds(0))},
          telling_steps(std::move(answer)));
    }
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET, PATCH or DELETE")));
    return service.get(name, answering<Instance>(std::move(answer), [](const Instance& instance) {
                         return Response{200, json::serialize(to_json(instance))};
                       }));
  }
  if (rest.substr(slash + 1) == "log-level") {
    if (request.method != "PUT") return answer(failure(wrong_method(request, "PUT")));
    return set_log_level(request, name, service, std::move(answer));
  }
  const auto verb = verb_of(rest.substr(slash + 1));
  if (!verb) return answer(failure(no_such_path(target.path)));
  if (request.method != "POST") return answer(failure(wrong_method(request, "POST")));
  service.act(name, *verb, target.wait.value_or(milliseconds(0)),
              answering<Acted>(std::move(answer), [](const Acted& acted) {
                return Response{acted.settled ? 200 : 202, json::serialize(to_json(acted.instance))};
              }));
}

}  // namespace

void route(const Request& request, Service& service, std::function<void(Response)> answer) {
  constexpr std::string_view kInstances = "/v1/instances";
  const Target target = split(request.target);
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
  if (target.path == "/v1/apply") {
    if (request.method != "POST") return answer(failure(wrong_method(request, "POST")));
    return apply(target, service, std::move(answer));
  }
  if (target.path == kInstances) {
    if (request.method == "POST") return create(request, target, service, std::move(answer));
    if (request.method != "GET") return answer(failure(wrong_method(request, "GET or POST")));
    return list(service, std::move(answer));
  }
  if (target.path.starts_with(kInstances) && target.path.substr(kInstances.size()).starts_with('/')) {
    return route_instance(request, target, target.path.substr(kInstances.size() + 1), service, std::move(answer));
  }
  answer(failure(no_such_path(target.path)));
}

}  // namespace shoal::api
