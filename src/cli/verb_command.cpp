#include <algorithm>
#include <atomic>
#include <ostream>
#include <thread>

#include "api/client.hpp"
#include "cli/commands.hpp"

namespace shoal::cli {
namespace {

constexpr std::size_t kAtOnce = 16;

struct Outcome {
  ExitCode code = kDone;
  std::string line{};  // what to print, to `err` unless done
};

Outcome outcome_of(const std::string& verb, const std::string& name, const Result<api::Response>& response,
                   const VerbOptions& options) {
  if (!response) {
    const bool running = response.error().code != ErrorCode::unavailable;
    return {running ? kFailed : kNotRunning, response.error().message};
  }
  if (response->status / 100 != 2) return {exit_code_of(response->status), api::error_message(response->body)};
  const auto instance = api::instance_from_json(response->body);
  if (!instance) return {kFailed, instance.error().message};
  if (response->status == 202 && options.wait) {
    return {kFailed, name + " is " + instance->state + " after " + std::to_string(options.limit.count()) +
                         " s and goes on to " + verb + "; see `shoal status " + name + "`"};
  }
  return {kDone, name + " is " + instance->state};
}

/// Exit codes from harmless to bad; `already so` is one only when nothing was done.
int badness(ExitCode code) {
  switch (code) {
    case kAlreadySo: return 0;
    case kDone: return 1;
    case kNoSuchInstance: return 2;
    case kFailed: return 3;
    default: return 4;
  }
}

/// Rolling: the rest stays as it is when one does not come back.
void act_in_batches(Context& context, const std::string& verb, const VerbOptions& options,
                    const std::vector<std::string>& names) {
  for (std::size_t at = 0; at < names.size(); at += options.batch) {
    VerbOptions some = options;
    some.all = false;
    some.batch = 0;
    some.wait = true;
    const std::size_t end = std::min<std::size_t>(names.size(), at + options.batch);
    some.names.assign(names.begin() + static_cast<std::ptrdiff_t>(at),
                      names.begin() + static_cast<std::ptrdiff_t>(end));
    act_on_instances(context, verb, some);
    if (context.exit_code == kDone) continue;
    if (end < names.size()) {
      context.fail(static_cast<ExitCode>(context.exit_code),
                   std::to_string(names.size() - end) + " instances were left as they are, from " + names[end] + " on");
    }
    return;
  }
}

}  // namespace

void act_on_instances(Context& context, const std::string& verb, const VerbOptions& options) {
  std::vector<std::string> names = options.names;
  if (options.all) {
    const auto all = context.running_instances();
    if (!all) return;
    for (const api::Instance& instance : *all) names.push_back(instance.name);
  }
  auto matching = matching_names(context, names);
  if (!matching) return;
  names = std::move(*matching);
  if (names.empty()) return;
  for (const std::string& name : names)
    if (!context.instance_path(name)) return;
  if (options.batch > 0) return act_in_batches(context, verb, options, names);

  const std::string socket = context.control_socket();
  const auto wait = options.wait ? std::chrono::milliseconds(options.limit) : std::chrono::milliseconds(0);
  std::vector<Outcome> outcomes(names.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i; (i = next++) < names.size();) {
      const std::string target = "/v1/instances/" + names[i] + '/' + verb + "?wait=" + std::to_string(wait.count());
      outcomes[i] =
          outcome_of(verb, names[i],
                     api::call(socket, {.method = "POST", .target = target}, wait + std::chrono::seconds(5)), options);
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < std::min(names.size(), kAtOnce); ++i) threads.emplace_back(work);
    work();
  }

  ExitCode worst = kAlreadySo;
  for (const Outcome& outcome : outcomes) {
    if (badness(outcome.code) > badness(worst)) worst = outcome.code;
    if (outcome.code == kNotRunning) {  // it is the same for all
      context.fail(kNotRunning, outcome.line + "; " + context.how_to_start());
      break;
    }
    if (outcome.code == kDone) context.out << outcome.line << '\n';
    else context.fail(outcome.code, outcome.line);
  }
  context.exit_code = worst;
}

}  // namespace shoal::cli
