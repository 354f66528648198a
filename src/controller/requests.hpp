#pragma once

#include <functional>
#include <list>
#include <set>
#include <string>
#include <vector>

#include "api/service.hpp"
#include "base/time.hpp"
#include "controller/metrics_page.hpp"
#include "controller/process_usage.hpp"
#include "controller/running_fleet.hpp"
#include "controller/totals.hpp"

namespace shoal::controller {

/// What the API asks of the running fleet, and the requests that wait for an outcome. Replies are given
/// by `on_time`, so that one call never runs inside another. One thread.
class Requests : public api::Service, public Watcher {
 public:
  using Clock = std::function<base::Time()>;

  using Usage = std::function<std::optional<ProcessUsage>(std::int64_t pid)>;

  /// `shutdown`: what POST /v1/shutdown does. `usage`: what worker processes take.
  Requests(
      RunningFleet& fleet, std::string version, Clock now, std::function<void()> shutdown,
      Usage usage = [](std::int64_t pid) { return read_usage(pid); });

  std::string version() const override { return version_; }
  void list(api::Reply<std::vector<api::Instance>> reply) override;
  void get(const std::string& name, api::Reply<api::Instance> reply) override;
  void act(const std::string& name, api::Verb verb, std::chrono::milliseconds wait,
           api::Reply<api::Acted> reply) override;
  void metrics(api::Reply<std::string> reply) override;
  std::vector<api::NotReady> not_ready() const override;
  void shutdown() override { shutdown_(); }

  void on_state(const std::string& name, fleet::State state) override;
  void on_stats(const std::string& name) override;
  void on_users_reloaded(const std::string& name, const std::string& error) override;

  /// Answers what can be answered.
  void on_time(base::Time now);
  /// When something waits no longer; in the past when an answer is due now.
  base::Time deadline() const;

  /// Workers have this long to tell their counters.
  static constexpr base::milliseconds kStatsLimit{500};

 private:
  struct Waiting {
    base::Time until;
    bool over = false;              // answer now
    std::set<std::string> names;    // stats: still missing; verbs: the instance
    std::optional<api::Verb> verb;  // none: stats
    std::string error;              // of a reload
    std::function<void(Waiting&, base::Time)> answer;
  };

  void wait_for_stats(std::set<std::string> names, std::function<void(Waiting&, base::Time)> answer);
  std::set<std::string> all_names() const;
  Observed observe(const std::set<std::string>& silent, base::Time now);
  void answer_verb(const std::string& name, Waiting& waiting, base::Time now, const api::Reply<api::Acted>& reply);

  RunningFleet& fleet_;
  std::string version_;
  Clock now_;
  std::function<void()> shutdown_;
  Usage usage_;
  Totals totals_;
  CpuTotals cpu_;
  std::set<std::string> stop_asked_;  // instances that are not wanted to run
  std::list<Waiting> waiting_;
};

}  // namespace shoal::controller
