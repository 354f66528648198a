#include <benchmark/benchmark.h>

#include <memory>

#include "bench/filter_cells.hpp"
#include "bench/scatter.hpp"
#include "topic/subscription_tree.hpp"

// Who gets a message.

namespace shoal {
namespace {

struct Filters {
  explicit Filters(std::uint32_t count) : cells("plant", count, {}) {
    for (std::uint32_t i = 0; i < count; ++i) tree.subscribe(cells.filter(i), &subscribers[i % 100], {}, 0);
  }
  bench::FilterCells cells;
  std::array<topic::Subscriber, 100> subscribers;
  topic::SubscriptionTree tree;
};

/// Filters as `shoal bench throughput --filters` has them; every topic is matched by one and comes by chance.
void match(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const auto filters = std::make_unique<Filters>(count);
  std::vector<std::string> topics(std::min<std::uint32_t>(count, 1 << 16));
  for (std::uint32_t i = 0; i < topics.size(); ++i) {
    filters->cells.topic(static_cast<std::uint32_t>(bench::scatter(i) % count), topics[i]);
  }
  std::size_t next = 0;
  for (auto _ : state) {
    if (filters->tree.match(topics[next]).list.empty()) return state.SkipWithError("no match");
    if (++next == topics.size()) next = 0;
  }
}
BENCHMARK(match)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

/// A publisher that stays with its topic.
void match_again(benchmark::State& state) {
  const auto filters = std::make_unique<Filters>(100'000);
  std::string topic;
  filters->cells.topic(7, topic);
  for (auto _ : state) benchmark::DoNotOptimize(filters->tree.match(topic).list.size());
}
BENCHMARK(match_again);

/// Every mix of `+` and the name itself: as many branches as there can be for one topic.
void match_hostile(benchmark::State& state) {
  const auto levels = static_cast<unsigned>(state.range(0));
  topic::SubscriptionTree tree;
  topic::Subscriber subscriber;
  for (unsigned mix = 0; mix < 1u << levels; ++mix) {
    std::string filter;
    for (unsigned level = 0; level < levels; ++level) {
      filter += level == 0 ? "" : "/";
      filter += (mix >> level & 1) != 0 ? "+" : "a";
    }
    tree.subscribe(filter, &subscriber, {}, 0);
  }
  std::string topic = "a";
  for (unsigned level = 1; level < levels; ++level) topic += "/a";
  // One subscription that comes and goes, so that the last result does not count.
  for (auto _ : state) {
    tree.unsubscribe(tree.subscribe("b", &subscriber, {}, 0));
    benchmark::DoNotOptimize(tree.match(topic).list.size());
  }
}
BENCHMARK(match_hostile)->Arg(4)->Arg(12);

}  // namespace
}  // namespace shoal
