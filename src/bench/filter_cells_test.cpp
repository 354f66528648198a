#include "bench/filter_cells.hpp"

#include <gtest/gtest.h>

#include <set>

#include "mqtt/topic_name.hpp"

namespace shoal::bench {
namespace {

TEST(FilterCells, EachTopicIsMatchedByItsFilterAlone) {
  const FilterCells cells("root", 300, {40, 30, 30});
  std::set<std::string> filters;
  for (std::uint32_t i = 0; i < cells.count(); ++i) filters.insert(cells.filter(i));
  EXPECT_EQ(filters.size(), cells.count());
  std::string topic;
  for (std::uint32_t i = 0; i < cells.count(); ++i) {
    cells.topic(i, topic);
    EXPECT_EQ(mqtt::level_count(topic), 6u);
    EXPECT_EQ(FilterCells::cell(topic), i);
    std::size_t matching = 0;
    for (const std::string& filter : filters) matching += mqtt::matches(filter, topic);
    EXPECT_EQ(matching, 1u) << topic;
    EXPECT_TRUE(mqtt::matches(cells.filter(i), topic)) << topic;
  }
}

TEST(FilterCells, TheMixIsTheMix) {
  const FilterCells cells("root", 10'000, {70, 20, 10});
  std::size_t hash = 0;
  std::size_t plus = 0;
  for (std::uint32_t i = 0; i < cells.count(); ++i) {
    const std::string filter = cells.filter(i);
    ASSERT_TRUE(mqtt::is_topic_filter(filter)) << filter;
    if (filter.back() == '#') ++hash;
    else plus += filter.find('+') != std::string::npos;
  }
  EXPECT_NEAR(static_cast<double>(hash), 1'000, 150);
  EXPECT_NEAR(static_cast<double>(plus), 2'000, 200);
}

TEST(FilterCells, WhatIsNoneOfThemHasNoCell) {
  for (const char* topic :
       {"", "a", "a/b/c", "a/b/c/d", "root/r1/s2/c/m/v", "root/r1/s2/cx/m/v", "root/r1/s2/c99999999999/m"}) {
    EXPECT_FALSE(FilterCells::cell(topic)) << topic;
  }
}

}  // namespace
}  // namespace shoal::bench
