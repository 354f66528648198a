#include "api/limits.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace shoal::api {
namespace {

TEST(Limits, RoundTrip) {
  const std::vector<Limit> all{
      {.key = "limits.sessions", .limit = 7, .unit = "count", .use = 0, .peak = 5, .hits = 2, .counter = "sessions"},
      {.key = "worker_limits.cpu_percent", .limit = {}, .unit = "percent", .in_force = "none: needs a cgroup"}};
  const auto back = limits_from_json(boost::json::serialize(to_json(all)));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, all);
}

TEST(Limits, WhatIsNotThereIsNull) {
  const std::string text =
      boost::json::serialize(to_json({{.key = "limits.topic_levels", .limit = 1, .unit = "count"}}));
  EXPECT_EQ(text, R"([{"key":"limits.topic_levels","limit":1,"unit":"count","use":null,"peak":null,"hits":null}])");
}

TEST(Limits, OfAnotherShapeAreAnError) {
  EXPECT_FALSE(limits_from_json("{}").ok());
  EXPECT_FALSE(limits_from_json("[").ok());
  EXPECT_TRUE(limits_from_json(R"([1, {"key": "a", "limit": -1, "of_tomorrow": []}])").ok());
}

}  // namespace
}  // namespace shoal::api
