#include "controller/requests.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

#include "link/client_list.hpp"
#include "link/fields.hpp"

namespace shoal::controller {
namespace {

using api::Failure;
using api::Verb;
using base::Time;
using fleet::State;

/// `what`: why it cannot be asked that.
Failure external_failure(const std::string& name, const std::string& what) {
  return {422, "external", name + " is an external broker; " + what};
}

const Failure kFleetIsStopping{503, "stopping", "the fleet is stopping"};

/// At most 50 of them, and 64 KiB.
std::vector<std::string> last_lines(const std::string& path) {
  constexpr std::size_t kLines = 50;
  constexpr std::streamoff kBytes = 64 * 1024;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kBytes));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  if (size > kBytes && !lines.empty()) lines.erase(lines.begin());  // a part of one
  if (lines.size() > kLines) lines.erase(lines.begin(), lines.end() - kLines);
  return lines;
}

/// Where a verb leads, or nothing while it is on the way.
std::int64_t wall_ms() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return base::duration_cast<base::milliseconds>(since_1970).count();
}

}  // namespace

Failure Requests::no_such(const std::string& name) {
  return {404, "no_such_instance", "there is no instance " + name + "; `shoal ps` lists them"};
}

Requests::Requests(RunningFleet& fleet, std::string version, Clock now, Acts acts)
    : fleet_(fleet), version_(std::move(version)), now_(std::move(now)), acts_(std::move(acts)) {
  fleet_.watch(*this);
}

void Requests::wait_for_stats(std::set<std::string> names, WaitingForStats::Answer answer) {
  std::erase_if(names, [this](const std::string& name) { return !fleet_.ask_stats(name); });
  waiting_.push_back(std::make_unique<WaitingForStats>(now_() + kStatsLimit, std::move(names), std::move(answer)));
}

std::set<std::string> Requests::all_names() const {
  std::set<std::string> names;
  for (const std::string& name : fleet_.names()) names.insert(name);
  return names;
}

void Requests::list(api::Reply<std::vector<api::Instance>> reply) {
  wait_for_stats(all_names(), [this, reply = std::move(reply)](const std::set<std::string>& silent, Time now) {
    std::vector<api::Instance> all;
    for (const std::string& name : fleet_.names()) {
      api::Instance& view = all.emplace_back(*fleet_.view(name, now));
      if (silent.contains(view.name)) view.clients = std::nullopt, view.cpu_s = std::nullopt;
      if (view.engine != "external" || view.pid == 0) continue;
      if (const auto usage = acts_.usage(view.pid)) view.cpu_s = usage->cpu_seconds;
    }
    reply(std::move(all));
  });
}

void Requests::get(const std::string& name, api::Reply<api::Instance> reply) {
  if (!fleet_.state(name)) return reply(no_such(name));
  wait_for_stats({name}, [this, name, reply = std::move(reply)](const std::set<std::string>& silent, Time now) {
    if (!fleet_.state(name)) return reply(no_such(name));  // removed meanwhile
    const bool down = fleet_.state(name) == State::failed || fleet_.state(name) == State::backoff;
    api::Instance view = detailed(name, silent, now);
    if (down && !view.log.empty()) view.last_lines = last_lines(view.log);
    view.worker_limits = fleet_.worker_limits(name);
    reply(std::move(view));
  });
}

void Requests::list_with_stats(api::Reply<std::vector<api::Instance>> reply) {
  wait_for_stats(all_names(), [this, reply = std::move(reply)](const std::set<std::string>& silent, Time now) {
    std::vector<api::Instance> all;
    for (const auto& config : fleet_.config().instances) all.push_back(detailed(config.name, silent, now));
    reply(std::move(all));
  });
}

// With what its worker told, when it did.
api::Instance Requests::detailed(const std::string& name, const std::set<std::string>& silent, Time now) const {
  api::Instance view = *fleet_.view(name, now);
  if (const auto usage = view.pid > 0 ? acts_.usage(view.pid) : std::nullopt) {
    view.worker_cpu_s = usage->cpu_seconds;
    view.worker_memory_bytes = usage->resident_bytes;
  }
  if (silent.contains(name)) {
    view.clients = std::nullopt;
    view.cpu_s = std::nullopt;
    return view;
  }
  if (fleet_.is_external(name)) {
    view.cpu_s = view.worker_cpu_s;
    return view;
  }
  view.stats = link::named(*fleet_.stats(name));
  view.alarm = fleet_.stats(name)->alarm;
  return view;
}

void Requests::ask(const std::string& name, link::Message question, std::function<void(const link::Message&)> answered,
                   std::function<void(Failure)> failed) {
  const auto state = fleet_.state(name);
  if (!state) return failed(no_such(name));
  if (fleet_.is_external(name)) return failed(external_failure(name, "Shoal does not know what is in it"));
  const std::uint64_t request = ++last_request_;
  question.add("name", std::string_view(name)).add("request", request);
  const bool asked = fleet_.ask(name, question);
  waiting_.push_back(std::make_unique<WaitingForAnswer>(
      now_() + kAnswerLimit, name, request, asked,
      [this, name, answered = std::move(answered), failed = std::move(failed)](const link::Message* told) {
        if (told) return answered(*told);
        const auto now = fleet_.state(name);
        if (!now) return failed(no_such(name));
        if (*now == State::ready) {
          return failed({500, "failed", "the worker of " + name + " does not answer; the machine may be overloaded"});
        }
        failed({503, "not_ready", name + " is " + std::string(fleet::to_string(*now))});
      }));
}

void Requests::clients(const std::string& name, std::uint64_t from, std::uint64_t most, api::Reply<ClientPage> reply) {
  link::Message question(link::type::kClients);
  question.add("from", from).add("most", most);
  ask(
      name, std::move(question), [reply](const link::Message& answer) { reply(link::client_page_from(answer)); },
      [reply](Failure why) { reply(std::move(why)); });
}

void Requests::disconnect(const std::string& name, const std::string& client_id, api::Reply<api::Done> reply) {
  const Failure no_client{404, "no_such_client",
                          "no client of that id is connected to " + name + "; `shoal clients " + name + "` lists them"};
  if (client_id.size() > 0xffff) return reply(no_client);
  link::Message question(link::type::kDisconnect);
  question.add("client", std::string_view(client_id));
  ask(
      name, std::move(question),
      [reply, no_client](const link::Message& answer) {
        if (answer.has("error")) reply(no_client);
        else reply(api::Done{});
      },
      [reply](Failure why) { reply(std::move(why)); });
}

void Requests::events(std::uint64_t after, std::chrono::milliseconds wait, api::Reply<api::EventPage> reply) {
  const Time now = now_();
  const bool there = wait.count() == 0 || events_.last() != after;
  ++wait_for_events_;
  waiting_.push_back(std::make_unique<WaitingForEvents>(now + wait, there, [this, after, reply = std::move(reply)] {
    --wait_for_events_;
    reply(events_.since(after));
  }));
  if (!there && look_at_ == base::kNever) look_at_ = now;
}

// Whatever it adds is told to who waits.
void Requests::happened(const std::function<void()>& add) {
  const std::uint64_t before = events_.last();
  add();
  if (events_.last() != before) tell([](Waiting& waiting) { waiting.on_event(); });
}

// Bounds and alarms are in the counters: somebody has to ask.
void Requests::look(Time now) {
  if (look_at_ > now) return;
  look_at_ = wait_for_events_ != 0 ? now + kLookEvery : base::kNever;
  if (look_at_ == base::kNever) return;
  for (const auto& config : fleet_.config().instances) fleet_.ask_stats(config.name);
}

void Requests::metrics(api::Reply<std::string> reply) {
  page_wanted_.push_back(std::move(reply));
  if (page_wanted_.size() > 1) return;  // the one that is on its way is for all
  wait_for_stats(all_names(), [this](const std::set<std::string>& silent, Time now) {
    const std::string page = metrics_page(observe(silent, now));
    for (const auto& each : std::exchange(page_wanted_, {})) each(page);
  });
}

// `silent`: instances whose worker did not answer.
Observed Requests::observe(const std::set<std::string>& silent, Time now) {
  Observed observed{.version = version_, .instances = {}, .workers = {}};
  std::set<std::int64_t> seen;
  for (const auto& config : fleet_.config().instances) {
    const api::Instance view = *fleet_.view(config.name, now);
    const State state = *fleet_.state(config.name);
    observed.instances.push_back({.name = config.name,
                                  .state = state,
                                  .up = state == State::ready && !silent.contains(config.name),
                                  .restarts = totals_.restarts(config.name),
                                  .uptime_s = view.uptime_s,
                                  .stats = totals_.of(config.name),
                                  .external = fleet_.is_external(config.name)});
    if (view.pid <= 0 || !seen.insert(view.pid).second) continue;
    const auto usage = acts_.usage(view.pid);
    if (!usage) continue;
    const bool shared = view.worker != "own";
    const std::string& worker = shared ? view.worker : view.name;
    const double cpu_seconds = cpu_.add((shared ? "group " : "own ") + worker, view.pid, usage->cpu_seconds);
    observed.workers.push_back(
        {.name = worker, .shared = shared, .cpu_seconds = cpu_seconds, .resident_bytes = usage->resident_bytes});
  }
  return observed;
}

std::vector<api::NotReady> Requests::not_ready() const {
  std::vector<api::NotReady> all;
  for (const auto& config : fleet_.config().instances) {
    const State state = *fleet_.state(config.name);
    if (state == State::ready || state == State::stopped) continue;
    if (state == State::stopping && !fleet_.is_wanted(config.name)) continue;
    const api::Instance view = *fleet_.view(config.name, now_());
    const bool on_the_way = state == State::starting || state == State::stopping;
    all.push_back({config.name, view.state, on_the_way ? "it is " + view.state : view.last_exit});
  }
  return all;
}

void Requests::act(const std::string& name, Verb verb, std::chrono::milliseconds wait, api::Reply<api::Acted> reply) {
  const Time now = now_();
  RunningFleet::Answer answer{};
  switch (verb) {
    case Verb::start: answer = fleet_.start(name, now); break;
    case Verb::stop: answer = fleet_.stop(name, now); break;
    case Verb::restart: answer = fleet_.restart(name, now); break;
    case Verb::reload_users: answer = fleet_.reload_users(name); break;
  }
  switch (answer) {
    case RunningFleet::Answer::no_such_instance: return reply(no_such(name));
    case RunningFleet::Answer::ending: return reply(kFleetIsStopping);
    case RunningFleet::Answer::external:
      return reply(external_failure(name, "its users are where its own configuration says"));
    case RunningFleet::Answer::already:
      if (verb == Verb::reload_users) return reply(api::Acted{*fleet_.view(name, now), true});
      return reply(
          Failure{409, "already_so", name + " is " + std::string(fleet::to_string(*fleet_.state(name))) + " already"});
    case RunningFleet::Answer::done: break;
  }
  if (verb == Verb::reload_users) {
    waiting_.push_back(std::make_unique<WaitingForUsers>(
        now + wait, name, [this, name, reply = std::move(reply)](bool over, const std::string& error, Time at) {
          if (!fleet_.state(name)) return reply(no_such(name));
          if (!error.empty()) return reply(Failure{500, "failed", error});
          reply(api::Acted{*fleet_.view(name, at), over});
        }));
    return;
  }
  waiting_.push_back(std::make_unique<WaitingForOutcome>(
      now + wait, name, verb, *fleet_.state(name), [this, name, verb, reply = std::move(reply)](bool over, Time at) {
        if (!fleet_.state(name)) return reply(no_such(name));
        answer_verb(name, verb, over, at, reply);
      }));
}

bool Requests::is_on_its_way(const std::string& name) const {
  const auto state = fleet_.state(name);
  if (!state) return false;
  return *state == State::starting || *state == State::stopping || fleet_.is_changing(name);
}

void Requests::apply(const api::Apply& how, api::Reply<api::Applied> reply) {
  const auto refuse = [&](const std::vector<config::Problem>& problems) {
    std::string lines;
    for (const config::Problem& problem : problems) (lines += lines.empty() ? "" : "\n") += problem.text();
    reply(Failure{400, "bad_configuration", std::move(lines)});
  };
  config::Loaded loaded = acts_.load(how.only, fleet_.config());
  for (const std::string& name : how.only) {
    if (loaded.config && !loaded.config->find(name) && !fleet_.config().find(name))
      loaded.problems.push_back({{loaded.config->file}, "there is no instance " + name});
  }
  if (!loaded.problems.empty()) return refuse(loaded.problems);
  if (!how.dry_run) {
    if (auto prepared = acts_.prepare(*loaded.config, how.only); !prepared)
      return refuse({{{}, prepared.error().message}});
  }
  const RunningFleet::Applied applied =
      fleet_.apply(std::move(*loaded.config), {.only_try = how.dry_run, .restart = how.restart}, now_());
  if (!applied.problems.empty()) return refuse(applied.problems);

  api::Applied begun{.steps = {}, .notes = applied.notes};
  std::set<std::string> names;
  const auto add = [&](const fleet::Step& step, std::string_view action) {
    api::Applied::Step& one = begun.steps.emplace_back(api::Applied::Step{std::string(action), step.name});
    for (const config::Change& change : step.changes)
      one.changes.push_back({change.key, change.before, change.after, change.needs_restart && !step.restarts});
    if (action != "due" && !how.dry_run && is_on_its_way(step.name)) names.insert(step.name);
  };
  for (const fleet::Step& step : applied.plan.steps) add(step, fleet::to_string(step.kind));
  for (const fleet::Step& step : applied.plan.due) add(step, "due");
  // No instance can have that name.
  const auto add_own = [&](const std::vector<config::Change>& changes, std::string_view action) {
    if (changes.empty()) return;
    api::Applied::Step& one = begun.steps.emplace_back(api::Applied::Step{std::string(action), "controller"});
    for (const config::Change& change : changes)
      one.changes.push_back({change.key, change.before, change.after, change.needs_restart});
  };
  add_own(applied.controller, "change");
  add_own(applied.controller_due, "due");
  if (how.dry_run) return reply(std::move(begun));
  waiting_.push_back(std::make_unique<WaitingForApply>(
      now_() + how.wait, std::move(names), [this](const std::string& name) { return is_on_its_way(name); },
      [this, begun = std::move(begun), reply = std::move(reply)](bool over, const auto& errors) {
        reply(outcome_of_apply(begun, over, errors));
      }));
}

api::Applied Requests::outcome_of_apply(api::Applied begun, bool over,
                                        const std::map<std::string, std::string>& errors) const {
  begun.settled = over;
  for (api::Applied::Step& step : begun.steps) {
    const auto view = fleet_.view(step.instance, now_());
    if (view) step.state = view->state;
    const auto error = errors.find(step.instance);
    if (error != errors.end()) step.error = error->second;
    else if (view && (view->state == "backoff" || view->state == "failed")) step.error = view->last_exit;
  }
  return begun;
}

void Requests::set_log_level(const std::string& name, LogLevel level, api::Reply<LogLevel> reply) {
  switch (fleet_.set_log_level(name, level)) {
    case RunningFleet::Answer::no_such_instance: return reply(no_such(name));
    case RunningFleet::Answer::ending: return reply(kFleetIsStopping);
    case RunningFleet::Answer::external:
      return reply(external_failure(name, "what it logs is in its own configuration"));
    case RunningFleet::Answer::already:
    case RunningFleet::Answer::done: return reply(level);
  }
}

void Requests::answer_verb(const std::string& name, Verb verb, bool over, Time now,
                           const api::Reply<api::Acted>& reply) {
  api::Instance view = *fleet_.view(name, now);
  const Outcome outcome = over ? outcome_of(verb, *fleet_.state(name)) : Outcome::pending;
  if (outcome == Outcome::failed) {
    return reply(
        Failure{500, "failed", name + " is not ready: " + (view.last_exit.empty() ? view.state : view.last_exit)});
  }
  reply(api::Acted{std::move(view), outcome == Outcome::done});
}

void Requests::on_state(const std::string& name, State state) {
  totals_.changed(name, state);
  happened([&] {
    const bool ended = state == State::backoff || state == State::failed || state == State::stopped;
    events_.changed(name, state, ended ? fleet_.view(name, now_())->last_exit : std::string(), wall_ms());
  });
  tell([&](Waiting& waiting) { waiting.on_state(name, state); });
}

void Requests::on_stats(const std::string& name) {
  totals_.heard(name, *fleet_.stats(name));
  happened([&] { events_.heard(name, *fleet_.stats(name), wall_ms()); });
  tell([&](Waiting& waiting) { waiting.on_stats(name); });
}

void Requests::on_changed(const std::string& name, const std::string& error) {
  tell([&](Waiting& waiting) { waiting.on_changed(name, error); });
}

void Requests::on_answer(const std::string&, const link::Message& answer) {
  tell([&](Waiting& waiting) { waiting.on_answer(answer); });
}

void Requests::on_users_reloaded(const std::string& name, const std::string& error) {
  for (const auto& waiting : waiting_)
    if (waiting->on_users_reloaded(name, error)) return;
}

void Requests::on_time(Time now) {
  std::list<std::unique_ptr<Waiting>> due;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto next = std::next(at);
    if ((*at)->over() || (*at)->until() <= now) due.splice(due.end(), waiting_, at);
    at = next;
  }
  for (const auto& waiting : due) waiting->answer(now);
  look(now);
}

Time Requests::deadline() const {
  Time first = look_at_;
  for (const auto& waiting : waiting_) first = std::min(first, waiting->over() ? Time::min() : waiting->until());
  return first;
}

}  // namespace shoal::controller
