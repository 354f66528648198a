#include "cli/limits_table.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace shoal::cli {
namespace {

TEST(LimitsTable, SaysWhatIsKnown) {
  std::ostringstream out;
  print_limits(out,
               {{.key = "limits.connections",
                 .limit = 10'000,
                 .unit = "count",
                 .use = 3,
                 .peak = 12,
                 .hits = 0,
                 .counter = "connections"},
                {.key = "limits.queued_bytes", .limit = 16ull << 20, .unit = "bytes", .hits = 7, .counter = "queue"},
                {.key = "limits.retained_bytes", .limit = 1'000'001, .unit = "bytes", .use = 1'500, .peak = 1ull << 20},
                {.key = "limits.connect_timeout", .limit = 10, .unit = "seconds"},
                {.key = "limits.bytes_in_per_second", .limit = 0, .unit = "bytes"},
                {.key = "worker_limits.cpu_percent", .limit = 150, .unit = "percent", .in_force = "none: why"}});
  EXPECT_EQ(out.str(),
            "KEY                         LIMIT      USE      PEAK     HITS       IN FORCE BY\n"
            "limits.connections          10000      3        12       0\n"
            "limits.queued_bytes         16 MiB     -        -        7 (queue)\n"
            "limits.retained_bytes       1000001 B  1.5 KiB  1.0 MiB  -\n"
            "limits.connect_timeout      10s        -        -        -\n"
            "limits.bytes_in_per_second  -          -        -        -\n"
            "worker_limits.cpu_percent   150%       -        -        -          none: why\n");
}

TEST(LimitsTable, StatusHasOneLine) {
  EXPECT_EQ(limit_text({.key = "worker_limits.memory", .limit = 64ull << 20, .unit = "bytes", .in_force = "rlimit"}),
            "64 MiB, rlimit");
  EXPECT_EQ(limit_text({.key = "worker_limits.memory", .limit = {}, .unit = "bytes"}), "");
}

}  // namespace
}  // namespace shoal::cli
