#include "cli/table.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace shoal::cli {
namespace {

TEST(Table, ColumnsAreAlignedAndTheLastHasNoBlanks) {
  std::ostringstream out;
  print_table(out, {{"NAME", "STATE"}, {"plant-a", "ready"}, {"x"}});
  EXPECT_EQ(out.str(), "NAME     STATE\nplant-a  ready\nx\n");
}

TEST(Table, InstancesShowOnlyWhatIsTrueNow) {
  api::Instance ready;
  ready.name = "lab";
  ready.state = "ready";
  ready.pid = 812;
  ready.worker = "small";
  ready.listeners = {"mqtt://127.0.0.1:18000", "mqtt://[::1]:18000"};
  ready.clients = 3;
  ready.cpu_s = 12.54;
  ready.uptime_s = 61;
  api::Instance stopped;
  stopped.name = "plant-a";
  stopped.state = "stopped";
  stopped.worker = "own";
  stopped.clients = 0;
  stopped.restarts = 2;
  api::Instance silent = ready;
  silent.name = "silent";
  silent.clients.reset();
  silent.cpu_s.reset();
  std::ostringstream out;
  print_instances(out, {ready, stopped, silent});
  EXPECT_EQ(
      out.str(),
      "NAME     STATE    PID  WORKER  CLIENTS  CPU    RESTARTS  UPTIME  LISTENERS\n"
      "lab      ready    812  small   3        12.5s  0         1m 01s  mqtt://127.0.0.1:18000 mqtt://[::1]:18000\n"
      "plant-a  stopped  -    own     -        -      2         -\n"
      "silent   ready    812  small   -        -      0         1m 01s  mqtt://127.0.0.1:18000 mqtt://[::1]:18000\n");
}

TEST(Table, DurationsAreShort) {
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(duration_text(59), "59s");
  EXPECT_EQ(duration_text(302), "5m 02s");
  EXPECT_EQ(duration_text(3600), "1h 00m");
  EXPECT_EQ(duration_text(86'399), "23h 59m");
  EXPECT_EQ(duration_text(86'400 * 12 + 4 * 3600), "12d 4h");
}

}  // namespace
}  // namespace shoal::cli
