#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "api/service.hpp"
#include "base/time.hpp"
#include "fleet/supervisor.hpp"
#include "link/message.hpp"

namespace shoal::controller {

/// A request that waits for something in the fleet. It hears what happens until it is over, or until its time has come;
/// then it is answered, once. One thread.
class Waiting {
 public:
  explicit Waiting(base::Time until) : until_(until) {}
  virtual ~Waiting() = default;
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  base::Time until() const { return until_; }
  /// What it waits for has come, or cannot come any more.
  bool over() const { return over_; }

  virtual void on_state(const std::string& /*name*/, fleet::State /*state*/) {}
  virtual void on_stats(const std::string& /*name*/) {}
  virtual void on_changed(const std::string& /*name*/, const std::string& /*error*/) {}
  /// True: that was for this one. A worker answers each question once.
  virtual bool on_users_reloaded(const std::string& /*name*/, const std::string& /*error*/) { return false; }
  virtual void on_answer(const link::Message& /*answer*/) {}
  virtual void on_event() {}

  virtual void answer(base::Time now) = 0;

 protected:
  bool over_ = false;

 private:
  base::Time until_;
};

/// For counters of some instances.
class WaitingForStats final : public Waiting {
 public:
  /// Gets the instances whose counters did not come.
  using Answer = std::function<void(const std::set<std::string>& silent, base::Time now)>;
  WaitingForStats(base::Time until, std::set<std::string> names, Answer answer);

  void on_state(const std::string& name, fleet::State state) override;
  void on_stats(const std::string& name) override;
  void answer(base::Time now) override { answer_(missing_, now); }

 private:
  void has_come(const std::string& name);

  std::set<std::string> missing_;
  Answer answer_;
};

/// What became of an instance that was started, stopped or restarted.
enum class Outcome { pending, done, failed };
Outcome outcome_of(api::Verb verb, fleet::State state);

/// For the outcome of a verb.
class WaitingForOutcome final : public Waiting {
 public:
  using Answer = std::function<void(bool over, base::Time now)>;
  WaitingForOutcome(base::Time until, std::string name, api::Verb verb, fleet::State state, Answer answer);

  void on_state(const std::string& name, fleet::State state) override;
  void answer(base::Time now) override { answer_(over_, now); }

 private:
  std::string name_;
  api::Verb verb_;
  Answer answer_;
};

/// For users to be read again.
class WaitingForUsers final : public Waiting {
 public:
  /// `error` is empty when they were.
  using Answer = std::function<void(bool over, const std::string& error, base::Time now)>;
  WaitingForUsers(base::Time until, std::string name, Answer answer);

  void on_state(const std::string& name, fleet::State state) override;
  bool on_users_reloaded(const std::string& name, const std::string& error) override;
  void answer(base::Time now) override { answer_(over_, error_, now); }

 private:
  std::string name_;
  std::string error_;
  Answer answer_;
};

/// For everything that an `apply` has begun.
class WaitingForApply final : public Waiting {
 public:
  /// Is it neither where it shall be, nor where it stays?
  using OnItsWay = std::function<bool(const std::string& name)>;
  /// Gets the errors of instances that did not go over.
  using Answer = std::function<void(bool over, const std::map<std::string, std::string>& errors)>;
  WaitingForApply(base::Time until, std::set<std::string> names, OnItsWay is_on_its_way, Answer answer);

  void on_state(const std::string& name, fleet::State state) override;
  void on_changed(const std::string& name, const std::string& error) override;
  void answer(base::Time) override { answer_(over_, errors_); }

 private:
  std::set<std::string> names_;
  std::map<std::string, std::string> errors_;
  OnItsWay is_on_its_way_;
  Answer answer_;
};

/// For a worker's answer to a question.
class WaitingForAnswer final : public Waiting {
 public:
  /// Gets the answer, or null.
  using Answer = std::function<void(const link::Message* told)>;
  /// `request`: the number that the answer will have. `asked`: false when there is nobody to ask.
  WaitingForAnswer(base::Time until, std::string name, std::uint64_t request, bool asked, Answer answer);

  void on_state(const std::string& name, fleet::State state) override;
  void on_answer(const link::Message& answer) override;
  void answer(base::Time) override { answer_(told_ ? &*told_ : nullptr); }

 private:
  std::string name_;
  std::uint64_t request_;
  std::optional<link::Message> told_{};
  Answer answer_;
};

/// For the next event.
class WaitingForEvents final : public Waiting {
 public:
  using Answer = std::function<void()>;
  /// `there`: there are some already.
  WaitingForEvents(base::Time until, bool there, Answer answer);

  void on_event() override { over_ = true; }
  void answer(base::Time) override { answer_(); }

 private:
  Answer answer_;
};

}  // namespace shoal::controller
