#include "cli/top_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace shoal::cli {
namespace {

using testing::ElementsAre;

api::Instance lab(std::uint64_t received, std::uint64_t cpu_us) {
  api::Instance instance;
  instance.name = "lab";
  instance.state = "ready";
  instance.pid = 7;
  instance.clients = 3;
  instance.stats = {
      {"messages_received", received}, {"bytes_sent", 2 * received}, {"queued_messages_now", 5}, {"cpu_us", cpu_us}};
  instance.worker_memory_bytes = 3u << 20;
  return instance;
}

std::vector<std::string> names(const std::vector<TopRow>& rows) {
  std::vector<std::string> all;
  for (const TopRow& row : rows) all.push_back(row.name);
  return all;
}

TEST(Top, RatesAreBetweenTwoLooks) {
  const auto first = top_rows({}, {lab(100, 1'000'000)}, 0);
  EXPECT_FALSE(first[0].in || first[0].cpu);
  EXPECT_EQ(first[0].memory, 3u << 20);
  const auto rows = top_rows({lab(100, 1'000'000)}, {lab(300, 1'500'000)}, 2);
  EXPECT_EQ(rows[0].clients, 3);
  EXPECT_EQ(rows[0].in, 100);
  EXPECT_EQ(rows[0].bytes_out, 200);
  EXPECT_FALSE(rows[0].out) << "its worker said nothing of that";
  EXPECT_EQ(rows[0].queued, 5);
  EXPECT_EQ(rows[0].cpu, 25);
}

TEST(Top, AWorkerThatIsNewCountsFromZero) {
  api::Instance after = lab(50, 100'000);
  after.pid = 8;
  const auto rows = top_rows({lab(1000, 9'000'000)}, {after}, 1);
  EXPECT_EQ(rows[0].in, 50);
  EXPECT_EQ(rows[0].cpu, 10);
}

TEST(Top, SortsNumbersFromTheLargestAndWordsFromA) {
  std::vector<TopRow> rows{{.name = "b", .state = "ready", .cpu = 1},
                           {.name = "c", .state = "failed"},
                           {.name = "a", .state = "ready", .cpu = 7},
                           {.name = "d", .state = "ready", .cpu = 1}};
  sort_rows(rows, "cpu");
  EXPECT_THAT(names(rows), ElementsAre("a", "b", "d", "c"));
  sort_rows(rows, "state");
  EXPECT_THAT(names(rows), ElementsAre("c", "a", "b", "d"));
  sort_rows(rows, "name");
  EXPECT_THAT(names(rows), ElementsAre("a", "b", "c", "d"));
}

TEST(Top, FitsTheTerminal) {
  const std::vector<TopRow> rows{{.name = "lab", .state = "ready", .clients = 12'345, .in = 999, .bytes_in = 2048},
                                 {.name = "lab2", .state = "ready"}};
  std::ostringstream out;
  print_top(out, rows);
  EXPECT_EQ(out.str(),
            "NAME  STATE  CLIENTS  IN/S  OUT/S  BYTES IN/S  BYTES OUT/S  QUEUED  CPU %  MEMORY\n"
            "lab   ready  12.3k    999   -      2.0 KiB     -            -       -      -\n"
            "lab2  ready  -        -     -      -           -            -       -      -\n");
  std::ostringstream small;
  print_top(small, rows, 2, 12);
  EXPECT_EQ(small.str(), "NAME  STATE \nlab   ready \n");
}

}  // namespace
}  // namespace shoal::cli
