#include <filesystem>

#include "config/edit.hpp"
#include "controller/requests.hpp"

// Changes of the configuration's files, each followed by an apply of what it is about.

namespace shoal::controller {
namespace {

using api::Failure;

Failure failure_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::invalid_argument: return {400, "bad_request", error.message};
    case ErrorCode::not_found: return {404, "no_such_instance", error.message};
    case ErrorCode::unavailable: return {409, "refused", error.message};
    default: return {500, "failed", error.message};
  }
}

Result<void> write(const config::Places& places, const config::FleetConfig& known, const api::Edit& edit) {
  if (!edit.remove.empty()) return config::remove_instance(places, edit.remove);
  if (!edit.set.empty()) return config::set_key(places, edit.set, edit.key, edit.value, &known);
  std::vector<config::NewInstance> instances;
  for (const api::Edit::NewInstance& one : edit.create) instances.push_back({one.name, one.template_name, one.keys});
  return config::create_instances(places, instances, known);
}

}  // namespace

void Requests::edit(const api::Edit& edit, api::Reply<api::Applied> reply) {
  if (!edit.remove.empty() && !fleet_.state(edit.remove)) return reply(no_such(edit.remove));
  if (auto written = write(acts_.places, fleet_.config(), edit); !written) return reply(failure_of(written.error()));
  api::Apply how{.wait = edit.wait};
  for (const api::Edit::NewInstance& one : edit.create) how.only.push_back(one.name);
  if (!edit.remove.empty()) how.only.push_back(edit.remove);
  if (!edit.set.empty()) how.only.push_back(edit.set);
  apply(how, [this, edit, reply = std::move(reply)](std::variant<api::Applied, Failure> outcome) {
    if (std::holds_alternative<Failure>(outcome)) {
      for (const api::Edit::NewInstance& one : edit.create) (void)config::remove_instance(acts_.places, one.name);
    } else if (edit.purge && !fleet_.state(edit.remove)) {
      purge(edit.remove);
    }
    reply(std::move(outcome));
  });
}

void Requests::purge(const std::string& name) const {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::remove_all(fs::path(fleet_.config().state_dir) / name, ignored);
  const std::string log = name + ".log";
  for (const auto& entry : fs::directory_iterator(fleet_.config().log_dir, ignored)) {
    const std::string file = entry.path().filename();
    if (file == log ||
        (file.starts_with(log + '.') && file.find_first_not_of("0123456789", log.size() + 1) == std::string::npos))
      fs::remove(entry.path(), ignored);
  }
}

}  // namespace shoal::controller
