#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/service.hpp"
#include "base/time.hpp"
#include "controller/events.hpp"
#include "controller/metrics_page.hpp"
#include "controller/process_usage.hpp"
#include "controller/running_fleet.hpp"
#include "controller/totals.hpp"
#include "controller/waiting.hpp"

namespace shoal::controller {

/// What the API asks of the running fleet, and the requests that wait for an outcome. Replies are given
/// by `on_time`, so that one call never runs inside another. One thread.
class Requests : public api::Service, public Watcher {
 public:
  using Clock = std::function<base::Time()>;

  using Usage = std::function<std::optional<ProcessUsage>(std::int64_t pid)>;

  /// What only the process can do.
  struct Acts {
    std::function<void()> shutdown{};  ///< POST /v1/shutdown
    /// Reads the configuration again; with names only these instances, the others are as in `known`.
    std::function<config::Loaded(const std::vector<std::string>& names, const config::FleetConfig& known)> load{};
    config::Places places{};  ///< where its files are
    /// Before it is gone over to: makes folders, of the instances named or of all.
    std::function<Result<void>(const config::FleetConfig&, const std::vector<std::string>& names)> prepare =
        [](const auto&, const auto&) { return Result<void>(); };
    /// What worker processes take.
    Usage usage = [](std::int64_t pid) { return read_usage(pid); };
  };
  Requests(RunningFleet& fleet, std::string version, Clock now, Acts acts);

  std::string version() const override { return version_; }
  void list(api::Reply<std::vector<api::Instance>> reply) override;
  void list_with_stats(api::Reply<std::vector<api::Instance>> reply) override;
  void get(const std::string& name, api::Reply<api::Instance> reply) override;
  void act(const std::string& name, api::Verb verb, std::chrono::milliseconds wait,
           api::Reply<api::Acted> reply) override;
  void apply(const api::Apply& how, api::Reply<api::Applied> reply) override;
  void edit(const api::Edit& edit, api::Reply<api::Applied> reply) override;
  void set_log_level(const std::string& name, LogLevel level, api::Reply<LogLevel> reply) override;
  void shutdown() override { acts_.shutdown(); }
  /// The configuration as it is in the files now.
  config::Loaded load() const { return acts_.load({}, fleet_.config()); }
  void clients(const std::string& name, std::uint64_t from, std::uint64_t most, api::Reply<ClientPage> reply) override;
  void limits(const std::string& name, api::Reply<std::vector<api::Limit>> reply) override;
  void disconnect(const std::string& name, const std::string& client_id, api::Reply<api::Done> reply) override;
  void events(std::uint64_t after, std::chrono::milliseconds wait, api::Reply<api::EventPage> reply) override;
  void metrics(api::Reply<std::string> reply) override;
  std::vector<api::NotReady> not_ready() const override;

  void on_state(const std::string& name, fleet::State state) override;
  void on_stats(const std::string& name) override;
  void on_users_reloaded(const std::string& name, const std::string& error) override;
  void on_changed(const std::string& name, const std::string& error) override;
  void on_answer(const std::string& name, const link::Message& answer) override;

  /// Answers what can be answered.
  void on_time(base::Time now);
  /// When something waits no longer; in the past when an answer is due now.
  base::Time deadline() const;

  /// Workers have this long to tell their counters.
  static constexpr base::milliseconds kStatsLimit{500};
  /// And this long for other questions.
  static constexpr base::milliseconds kAnswerLimit{5'000};
  /// How often workers are asked for counters while somebody waits for events.
  static constexpr base::milliseconds kLookEvery{2'000};

 private:
  static api::Failure no_such(const std::string& name);
  void wait_for_stats(std::set<std::string> names, WaitingForStats::Answer answer);
  /// Tells all that wait.
  template <class Tell>
  void tell(Tell each) {
    for (const auto& waiting : waiting_) each(*waiting);
  }
  void purge(const std::string& name) const;
  bool is_on_its_way(const std::string& name) const;
  api::Applied outcome_of_apply(api::Applied begun, bool over, const std::map<std::string, std::string>& errors) const;
  void happened(const std::function<void()>& add);
  void look(base::Time now);
  std::set<std::string> all_names() const;
  api::Instance detailed(const std::string& name, const std::set<std::string>& silent, base::Time now) const;
  Observed observe(const std::set<std::string>& silent, base::Time now);
  /// Adds the name and a number to the question. `answered` gets the worker's answer, `failed` why there is none.
  void ask(const std::string& name, link::Message question, std::function<void(const link::Message&)> answered,
           std::function<void(api::Failure)> failed);
  void answer_verb(const std::string& name, api::Verb verb, bool over, base::Time now,
                   const api::Reply<api::Acted>& reply);

  RunningFleet& fleet_;
  std::string version_;
  Clock now_;
  Acts acts_;
  Totals totals_;
  CpuTotals cpu_;
  std::vector<api::Reply<std::string>> page_wanted_;
  Events events_;
  std::size_t wait_for_events_ = 0;    // so many
  base::Time look_at_ = base::kNever;  // workers are asked then
  std::uint64_t last_request_ = 0;
  std::list<std::unique_ptr<Waiting>> waiting_;
};

}  // namespace shoal::controller
