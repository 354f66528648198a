#include "controller/metrics_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "controller/metric_families.hpp"
#include "link/fields.hpp"

namespace shoal::controller {
namespace {

using fleet::State;
using testing::HasSubstr;

TEST(MetricsReference, TheCommittedPageIsTheGeneratedOne) {
  const auto page = std::filesystem::path(__FILE__).parent_path() / "../../docs/reference/metrics.md";
  if (std::getenv("SHOAL_WRITE_REFERENCE")) std::ofstream(page) << metrics_reference();
  std::stringstream committed;
  committed << std::ifstream(page).rdbuf();
  EXPECT_EQ(committed.str(), metrics_reference()) << "write it again, see the comment in " << page;
}

TEST(MetricFamilies, EveryNumberOfAnInstanceIsInOneOfThem) {
  std::multiset<std::string> shown;
  for (const StatFamily& family : stat_families()) {
    EXPECT_EQ(family.label.empty(), family.sources.size() == 1) << family.family.name;
    for (const auto& source : family.sources) {
      shown.insert(source.stat);
      EXPECT_EQ(link::is_gauge(source.stat), family.family.kind == metrics::Kind::gauge) << source.stat;
    }
  }
  std::multiset<std::string> there;
  for (const auto& [name, value] : link::named(Stats{})) there.insert(name);
  EXPECT_EQ(shown, there);
}

TEST(MetricFamilies, AreOnThePageOnceEach) {
  std::multiset<std::string> names;
  for (const StatFamily& family : stat_families()) names.insert(std::string(family.family.name));
  for (const metrics::Family* family : fleet_families()) names.insert(std::string(family->name));
  const std::string page = metrics_page({.version = "1", .instances = {{.name = "a"}}, .workers = {{.name = "a"}}});
  for (const std::string& name : names) {
    EXPECT_EQ(names.count(name), 1u) << name;
    const std::string head = "# TYPE " + name + ' ';
    EXPECT_NE(page.find(head), std::string::npos) << name;
    EXPECT_EQ(page.find(head), page.rfind(head)) << name;
  }
}

TEST(MetricsPage, ShowsWhatWasObserved) {
  Stats stats;
  stats.connections_now = 3;
  stats.bytes_sent = 4'000'000'000'000;
  stats.messages_dropped_queue = 7;
  stats.limit_hits[static_cast<std::size_t>(Bound::packet_size)] = 2;
  stats.alarm = "no space left";
  stats.delivery_latency.observe(std::chrono::microseconds(70), 5);
  const std::string page = metrics_page(
      {.version = "1.2.3",
       .instances = {{.name = "lab", .state = State::ready, .up = true, .restarts = 2, .uptime_s = 9, .stats = stats},
                     {.name = "gone", .state = State::failed}},
       .workers = {{.name = "lab", .shared = true, .cpu_seconds = 1.25, .resident_bytes = 4096}}});
  for (const char* line :
       {"shoal_build_info{version=\"1.2.3\"} 1", "shoal_instances{state=\"ready\"} 1",
        "shoal_instances{state=\"stopping\"} 0", "shoal_instance_up{instance=\"lab\"} 1",
        "shoal_instance_up{instance=\"gone\"} 0", "shoal_instance_restarts_total{instance=\"lab\"} 2",
        "shoal_instance_uptime_seconds{instance=\"lab\"} 9", "shoal_instance_alarm{instance=\"lab\"} 1",
        "shoal_instance_alarm{instance=\"gone\"} 0", "shoal_connections{instance=\"lab\"} 3",
        "shoal_sent_bytes_total{instance=\"lab\"} 4000000000000",
        "shoal_messages_dropped_total{instance=\"lab\",reason=\"queue\"} 7",
        "shoal_limit_hits_total{instance=\"lab\",limit=\"packet_size\"} 2",
        "shoal_delivery_latency_seconds_bucket{instance=\"lab\",le=\"0.0001\"} 5",
        "shoal_delivery_latency_seconds_sum{instance=\"lab\"} 0.00035",
        "shoal_ack_latency_seconds_count{instance=\"gone\"} 0",
        "shoal_worker_cpu_seconds_total{worker=\"lab\",shared=\"true\"} 1.25",
        "shoal_worker_resident_memory_bytes{worker=\"lab\",shared=\"true\"} 4096"}) {
    EXPECT_THAT(page, HasSubstr('\n' + std::string(line) + '\n'));
  }
}

}  // namespace
}  // namespace shoal::controller
