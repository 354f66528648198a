#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "api/events.hpp"
#include "api/http.hpp"
#include "api/instance.hpp"
#include "api/limits.hpp"
#include "shoal/client_info.hpp"
#include "shoal/options.hpp"

namespace shoal::api {

/// What can be asked of an instance.
enum class Verb { start, stop, restart, reload_users };

/// Why a request was not done.
struct Failure {
  int status = 500;  ///< HTTP
  std::string code;  ///< stable, for programs: no_such_instance, already_so, failed, stopping, ...
  std::string message;
};

/// Called once with the answer; now or later, on the service's thread.
template <class T>
using Reply = std::function<void(std::variant<T, Failure>)>;

/// Outcome of a verb.
struct Acted {
  Instance instance;
  bool settled = true;  ///< false: not there yet when the waiting time was over
};

/// How the configuration is to be read again.
struct Apply {
  bool dry_run = false;               ///< say what would be done
  bool restart = false;               ///< restart what needs it
  std::vector<std::string> only{};    ///< these instances; empty: all
  std::chrono::milliseconds wait{0};  ///< for the outcome
};

/// A change of the configuration's files, which the fleet goes over to at once.
struct Edit {
  struct NewInstance {
    std::string name;
    std::string template_name{};
    std::vector<std::pair<std::string, std::string>> keys{};  ///< dotted, values as text
  };
  std::vector<NewInstance> create{};
  std::string remove{};  ///< an instance that was made by `create`
  bool purge = false;    ///< with its state folder and logs
  /// Of the instance `set`: this key gets that value.
  std::string set{};
  std::string key{};
  std::string value{};
  std::chrono::milliseconds wait{0};
};

/// What that came to.
struct Applied {
  struct Change {
    std::string key;
    std::string before;
    std::string after;
    bool needs_restart = false;
  };
  struct Step {
    std::string action;  ///< create change start restart remove; `due`: a restart that waits for somebody
    std::string instance;
    std::vector<Change> changes{};
    std::string state{};  ///< of the instance afterwards; empty: it is gone
    std::string error{};  ///< why it is not as it should be
  };
  std::vector<Step> steps;
  std::vector<std::string> notes;  ///< lines for a person
  bool settled = true;             ///< false: not there yet when the waiting time was over
};

/// Something was done, and there is nothing to tell of it.
struct Done {};

/// An instance that should run and is not ready.
struct NotReady {
  std::string name;
  std::string state;
  std::string why;  ///< one line
};

/// What `/v1` offers, without HTTP. The controller implements it. One thread.
class Service {
 public:
  virtual ~Service() = default;
  virtual std::string version() const = 0;
  virtual void list(Reply<std::vector<Instance>> reply) = 0;
  /// Each as `get` shows it.
  virtual void list_with_stats(Reply<std::vector<Instance>> reply) = 0;
  /// With its counters. Failure: no_such_instance.
  virtual void get(const std::string& name, Reply<Instance> reply) = 0;
  /// Answers when the outcome is known or `wait` is over. Failures: no_such_instance, already_so,
  /// failed (the message says why), stopping (the fleet is ending).
  virtual void act(const std::string& name, Verb verb, std::chrono::milliseconds wait, Reply<Acted> reply) = 0;
  /// Reads the configuration again and goes over to it. Failure: bad_configuration (nothing was changed; the message
  /// has a line for each problem).
  virtual void apply(const Apply& how, Reply<Applied> reply) = 0;
  /// Failures: bad_request, bad_configuration (nothing was changed), no_such_instance, refused (a person's file would
  /// have to be changed: the message has the place).
  virtual void edit(const Edit& edit, Reply<Applied> reply) = 0;
  /// From which level on lines are written, of an instance or of `controller`. Failures: no_such_instance, stopping.
  virtual void set_log_level(const std::string& name, LogLevel level, Reply<LogLevel> reply) = 0;
  /// Some of the clients connected to it, as `shoal::Broker::clients`; also fewer than `most`. Failures:
  /// no_such_instance, not_ready.
  virtual void clients(const std::string& name, std::uint64_t from, std::uint64_t most, Reply<ClientPage> reply) = 0;
  /// Ends a client's connection. Failures: no_such_instance, no_such_client, not_ready.
  virtual void disconnect(const std::string& name, const std::string& client_id, Reply<Done> reply) = 0;
  /// Every limit of an instance and of its worker. Failure: no_such_instance.
  virtual void limits(const std::string& name, Reply<std::vector<Limit>> reply) = 0;
  /// What happened behind number `after`; when nothing did, answers when something does or `wait` is over.
  virtual void events(std::uint64_t after, std::chrono::milliseconds wait, Reply<EventPage> reply) = 0;
  /// A page for Prometheus; workers that do not answer in time are in it with what was last heard.
  virtual void metrics(Reply<std::string> reply) = 0;
  /// Empty: all instances that should run are ready.
  virtual std::vector<NotReady> not_ready() const = 0;
  /// Begins to drain and stop everything; the process ends by itself.
  virtual void shutdown() = 0;
};

/// Longest `?wait=` in milliseconds; more is cut.
inline constexpr std::chrono::milliseconds kWaitMax{600'000};

/// The same for events.
inline constexpr std::chrono::milliseconds kEventsWaitMax{30'000};

/// What a listener serves.
enum class Routes {
  all,
  monitoring,  ///< `GET /metrics`, `/healthz` and `/readyz` only
};

/// Answers a request by asking `service`. `reply` is called once, now or later.
void route(const Request& request, Routes routes, Service& service, std::function<void(Response)> reply);

}  // namespace shoal::api
