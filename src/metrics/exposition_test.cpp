#include "metrics/exposition.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::metrics {
namespace {

using testing::HasSubstr;

TEST(Exposition, WritesFamiliesWithTheirSamples) {
  Exposition page;
  page.family({"shoal_sent_bytes_total", Kind::counter, "Bytes sent."});
  page.sample({{"instance", "lab"}, {"why", "x"}}, std::uint64_t{UINT64_MAX});
  page.family({"shoal_age_seconds", Kind::gauge, "Age."});
  page.sample({}, 0.25);
  EXPECT_EQ(page.take(),
            "# HELP shoal_sent_bytes_total Bytes sent.\n"
            "# TYPE shoal_sent_bytes_total counter\n"
            "shoal_sent_bytes_total{instance=\"lab\",why=\"x\"} 18446744073709551615\n"
            "# HELP shoal_age_seconds Age.\n"
            "# TYPE shoal_age_seconds gauge\n"
            "shoal_age_seconds 0.25\n");
  EXPECT_EQ(page.text(), "");
}

TEST(Exposition, EscapesLabelsAndHelp) {
  Exposition page;
  page.family({"shoal_a", Kind::gauge, "one\\\n\"two\""});
  page.sample({{"x", "a\"b\\c\nd"}}, std::uint64_t{1});
  EXPECT_THAT(page.text(), HasSubstr("# HELP shoal_a one\\\\\\n\"two\"\n"));
  EXPECT_THAT(page.text(), HasSubstr("shoal_a{x=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(Exposition, BucketsOfHistogramsIncludeTheSmallerOnes) {
  Histogram histogram;
  histogram.observe(std::chrono::microseconds(10));
  histogram.observe(std::chrono::microseconds(60), 2);
  histogram.observe(std::chrono::seconds(20));
  Exposition page;
  page.family({"shoal_latency_seconds", Kind::histogram, "Latency."});
  page.histogram({{"instance", "lab"}}, histogram);
  EXPECT_THAT(page.text(), HasSubstr("# TYPE shoal_latency_seconds histogram\n"
                                     "shoal_latency_seconds_bucket{instance=\"lab\",le=\"0.00005\"} 1\n"
                                     "shoal_latency_seconds_bucket{instance=\"lab\",le=\"0.0001\"} 3\n"
                                     "shoal_latency_seconds_bucket{instance=\"lab\",le=\"0.00025\"} 3\n"));
  EXPECT_THAT(page.text(), HasSubstr("le=\"10\"} 3\n"
                                     "shoal_latency_seconds_bucket{instance=\"lab\",le=\"+Inf\"} 4\n"
                                     "shoal_latency_seconds_sum{instance=\"lab\"} 20.00013\n"
                                     "shoal_latency_seconds_count{instance=\"lab\"} 4\n"));
}

}  // namespace
}  // namespace shoal::metrics
