#include "controller/metrics_page.hpp"

#include <algorithm>
#include <map>

#include "controller/metric_families.hpp"
#include "link/fields.hpp"

namespace shoal::controller {
namespace {

using fleet::State;
using metrics::Exposition;

constexpr State kStates[] = {State::stopped,  State::starting, State::ready,
                             State::stopping, State::backoff,  State::failed};

template <class Value>
void of_instances(Exposition& page, const metrics::Family& family, const Observed& observed, Value value) {
  page.family(family);
  for (const Observed::Instance& instance : observed.instances) {
    page.sample({{"instance", instance.name}}, std::uint64_t{value(instance)});
  }
}

void write_fleet(Exposition& page, const Observed& observed) {
  page.family(family::kBuildInfo);
  page.sample({{"version", observed.version}}, std::uint64_t{1});
  page.family(family::kInstances);
  for (const State state : kStates) {
    const auto count = std::count_if(observed.instances.begin(), observed.instances.end(),
                                     [&](const auto& instance) { return instance.state == state; });
    page.sample({{"state", fleet::to_string(state)}}, static_cast<std::uint64_t>(count));
  }
  using One = Observed::Instance;
  of_instances(page, family::kUp, observed, [](const One& one) { return one.up ? 1u : 0u; });
  of_instances(page, family::kRestarts, observed, [](const One& one) { return one.restarts; });
  of_instances(page, family::kUptime, observed, [](const One& one) { return one.uptime_s; });
  page.family(family::kAlarm);
  for (const One& one : observed.instances)
    if (!one.external) page.sample({{"instance", one.name}}, std::uint64_t{one.stats.alarm.empty() ? 0u : 1u});
}

void write_workers(Exposition& page, const Observed& observed) {
  const auto shared = [](const Observed::Worker& worker) { return worker.shared ? "true" : "false"; };
  page.family(family::kWorkerCpu);
  for (const auto& worker : observed.workers) {
    page.sample({{"worker", worker.name}, {"shared", shared(worker)}}, worker.cpu_seconds);
  }
  page.family(family::kWorkerResident);
  for (const auto& worker : observed.workers) {
    page.sample({{"worker", worker.name}, {"shared", shared(worker)}}, worker.resident_bytes);
  }
}

void write_latency(Exposition& page, const Observed& observed, const metrics::Family& family,
                   Histogram Stats::*latency) {
  page.family(family);
  for (const auto& instance : observed.instances) {
    if (instance.external) continue;
    page.histogram({{"instance", instance.name}}, instance.stats.*latency);
  }
}

// Where the numbers of the families are in `link::named`.
std::vector<std::vector<std::size_t>> places() {
  std::map<std::string, std::size_t> place;
  for (const auto& [name, value] : link::named(Stats{})) place.emplace(name, place.size());
  std::vector<std::vector<std::size_t>> all;
  for (const StatFamily& family : stat_families()) {
    auto& of_family = all.emplace_back();
    for (const auto& source : family.sources) of_family.push_back(place.at(source.stat));
  }
  return all;
}

void write_stats(Exposition& page, const Observed& observed) {
  static const auto kPlaces = places();
  std::vector<std::vector<std::uint64_t>> values;
  std::vector<std::string_view> names;
  for (const auto& instance : observed.instances) {
    if (instance.external) continue;
    names.push_back(instance.name);
    auto& of_instance = values.emplace_back();
    for (const auto& [name, value] : link::named(instance.stats)) of_instance.push_back(value);
  }
  const auto families = stat_families();
  for (std::size_t f = 0; f < families.size(); ++f) {
    const StatFamily& family = families[f];
    page.family(family.family);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::string_view name = names[i];
      for (std::size_t s = 0; s < family.sources.size(); ++s) {
        const std::uint64_t value = values[i][kPlaces[f][s]];
        if (family.unit != 1) page.sample({{"instance", name}}, static_cast<double>(value) * family.unit);
        else if (family.label.empty()) page.sample({{"instance", name}}, value);
        else page.sample({{"instance", name}, {family.label, family.sources[s].value}}, value);
      }
    }
  }
}

}  // namespace

std::string metrics_page(const Observed& observed) {
  Exposition page;
  write_fleet(page, observed);
  write_workers(page, observed);
  write_latency(page, observed, family::kDeliveryLatency, &Stats::delivery_latency);
  write_latency(page, observed, family::kAckLatency, &Stats::ack_latency);
  write_stats(page, observed);
  return page.take();
}

}  // namespace shoal::controller
