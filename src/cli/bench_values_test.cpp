#include "cli/bench_values.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/app.hpp"
#include "cli/bench_session.hpp"

namespace shoal::cli {
namespace {

TEST(BenchValues, CountsHaveThousandsAndMillions) {
  EXPECT_EQ(parse_count("1"), 1u);
  EXPECT_EQ(parse_count("100k"), 100'000u);
  EXPECT_EQ(parse_count("2m"), 2'000'000u);
  for (const char* wrong :
       {"", "0", "k", "-1", "1.5", "10K", "1kk", "1 ", "99999999999999999999", "18446744073709551615m"}) {
    EXPECT_FALSE(parse_count(wrong)) << wrong;
  }
}

TEST(BenchValues, PortsAreAListOfPortsAndRanges) {
  using Ports = std::vector<std::uint16_t>;
  EXPECT_EQ(parse_ports("1883"), Ports{1883});
  EXPECT_EQ(parse_ports("3,1,20-22"), (Ports{3, 1, 20, 21, 22}));
  EXPECT_EQ(parse_ports("65535-65535"), Ports{65535});
  for (const char* wrong : {"", "0", "1,", ",1", "1-", "-1", "5-3", "65536", "a", "1-20000"}) {
    EXPECT_FALSE(parse_ports(wrong)) << wrong;
  }
}

TEST(BenchValues, AMixIsAHundred) {
  const auto mix = parse_mix("70,20,10");
  ASSERT_TRUE(mix);
  EXPECT_EQ(mix->exact, 70u);
  EXPECT_EQ(mix->hash, 10u);
  for (const char* wrong : {"", "70,20", "70,20,11", "70,20,10,", "70,20,10,0", "100,-1,1"}) {
    EXPECT_FALSE(parse_mix(wrong)) << wrong;
  }
}

TEST(BenchJson, HasEveryFigureAndWhatIsWrong) {
  bench::Report report;
  report.add("sent", std::uint64_t{3});
  report.add("map", std::string("pairs"));
  report.fault("1 messages lost");
  EXPECT_EQ(to_json_object(report),
            R"({"sent":3,"map":"pairs","warnings":[],"faults":["1 messages lost"],"ok":false})");
}

TEST(BenchCommand, WhatIsWrongOnTheCommandLineIsUsage) {
  const std::vector<const char*> wrong[] = {
      {"bench"},
      {"bench", "everything"},
      {"bench", "throughput", "--map", "circle"},
      {"bench", "throughput", "--window", "0"},
      {"bench", "throughput", "--window", "20k"},
      {"bench", "throughput", "--payload", "23"},
      {"bench", "throughput", "--qos", "3"},
      {"bench", "throughput", "--port", "1-"},
      {"bench", "throughput", "--mix", "70,20,10"},
      {"bench", "throughput", "--filters", "10", "--mix", "70,20,20"},
      {"bench", "throughput", "--filters", "10", "--map", "fanin"},
      {"bench", "throughput", "--count", "5", "--warmup", "1"},
      {"bench", "throughput", "lab", "--port", "1"},
      {"bench", "latency", "--rate", "0"},
      {"bench", "conn", "--subscribe", "1"},
      {"bench", "pub"},
      {"bench", "pub", "-t", "a/#"},
      {"bench", "pub", "-t", "a", "--rate", "5", "--interval", "5"},
      {"bench", "sub", "-t", "a/#/b"},
      {"bench", "sub", "-t", "a", "--proto", "4"},
  };
  for (auto words : wrong) {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Context context{.in = in, .out = out, .err = err, .home_env = "/nonexistent"};
    words.insert(words.begin(), "shoal");
    EXPECT_EQ(run_app(static_cast<int>(words.size()), words.data(), context), kUsage) << words.back();
    EXPECT_EQ(err.str().find('\n'), err.str().size() - 1) << err.str();
  }
}

}  // namespace
}  // namespace shoal::cli
