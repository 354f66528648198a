#include "controller/limit_table.hpp"
#include "controller/requests.hpp"

namespace shoal::controller {

void Requests::limits(const std::string& name, api::Reply<std::vector<api::Limit>> reply) {
  const api::Failure no_such{404, "no_such_instance", "there is no instance " + name + "; `shoal ps` lists them"};
  if (!fleet_.state(name)) return reply(no_such);
  wait_for_stats({name},
                 [this, name, no_such, reply = std::move(reply)](const std::set<std::string>& silent, base::Time) {
                   const config::InstanceConfig* const config = fleet_.config().find(name);
                   if (config == nullptr) return reply(no_such);  // removed, or on its way out
                   const auto stats = fleet_.stats(name);
                   const bool known = fleet_.state(name) == fleet::State::ready && !silent.contains(name);
                   reply(limit_table(*config, known && stats ? &*stats : nullptr, fleet_.worker_limits(name)));
                 });
}

}  // namespace shoal::controller
