#include "controller/limit_table.hpp"
#include "controller/requests.hpp"

namespace shoal::controller {

void Requests::limits(const std::string& name, api::Reply<std::vector<api::Limit>> reply) {
  if (!fleet_.state(name)) return reply(no_such(name));
  wait_for_stats({name}, [this, name, reply = std::move(reply)](const std::set<std::string>& silent, base::Time) {
    const config::InstanceConfig* const config = fleet_.config().find(name);
    if (config == nullptr) return reply(no_such(name));  // removed, or on its way out
    const auto stats = fleet_.stats(name);
    const bool known = fleet_.state(name) == fleet::State::ready && !silent.contains(name);
    reply(limit_table(*config, known && stats ? &*stats : nullptr, fleet_.worker_limits(name)));
  });
}

}  // namespace shoal::controller
