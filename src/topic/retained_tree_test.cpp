#include "topic/retained_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "conformance/covers.hpp"

namespace shoal::topic {
namespace {

using Ref = std::shared_ptr<const std::string>;

Ref message(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

struct RetainedTreeTest : testing::Test {
  RetainedTree<Ref> tree;

  void fill(std::initializer_list<const char*> topics) {
    for (const char* topic : topics) tree.set(topic, message(topic));
  }
  std::string each(std::string_view filter) {
    std::vector<std::string> seen;
    tree.each(filter, [&](const Ref& ref) { seen.push_back(*ref); });
    std::sort(seen.begin(), seen.end());
    std::string all;
    for (const std::string& topic : seen) all += topic + ",";
    return all;
  }
};

TEST_F(RetainedTreeTest, SetReplacesAndRemoves) {
  EXPECT_EQ(tree.find("a"), nullptr);
  EXPECT_EQ(tree.set("a", message("1")), nullptr);
  EXPECT_EQ(*tree.set("a", message("2")), "1");
  EXPECT_EQ(*tree.find("a"), "2");
  EXPECT_EQ(tree.size(), 1u);
  EXPECT_EQ(*tree.set("a", nullptr), "2");
  EXPECT_EQ(tree.set("a", nullptr), nullptr);
  EXPECT_EQ(tree.find("a"), nullptr);
  EXPECT_EQ(tree.size(), 0u);
}

TEST_F(RetainedTreeTest, RemovingATopicLeavesThoseBelowAndAbove) {
  fill({"a", "a/b", "a/b/c"});
  tree.set("a/b", nullptr);
  EXPECT_EQ(each("#"), "a,a/b/c,");
  tree.set("a/b/x", nullptr);
  tree.set("a/b", nullptr);
  EXPECT_EQ(tree.size(), 2u);
  tree.set("a", nullptr);
  EXPECT_EQ(each("#"), "a/b/c,");
}

TEST_F(RetainedTreeTest, Filters) {
  covers_v5("MQTT-4.7.2-1");
  covers_v311("MQTT-4.7.2-1");
  fill({"a", "a/", "a/b", "a/b/c", "a/x/c", "b", "/", "/b", "$SYS/a", "$SYS", "a/$SYS"});
  EXPECT_EQ(each("#"), "/,/b,a,a/,a/$SYS,a/b,a/b/c,a/x/c,b,");
  EXPECT_EQ(each("a/#"), "a,a/,a/$SYS,a/b,a/b/c,a/x/c,");
  EXPECT_EQ(each("a/b/#"), "a/b,a/b/c,");
  EXPECT_EQ(each("+"), "a,b,");
  EXPECT_EQ(each("+/+"), "/,/b,a/,a/$SYS,a/b,");
  EXPECT_EQ(each("a/+/c"), "a/b/c,a/x/c,");
  EXPECT_EQ(each("+/#"), "/,/b,a,a/,a/$SYS,a/b,a/b/c,a/x/c,b,");
  EXPECT_EQ(each("a/b"), "a/b,");
  EXPECT_EQ(each("/+"), "/,/b,");
  EXPECT_EQ(each("$SYS/#"), "$SYS,$SYS/a,");
  EXPECT_EQ(each("$SYS/+"), "$SYS/a,");
  EXPECT_EQ(each("+/a"), "");
  EXPECT_EQ(each("x/#"), "");
  EXPECT_EQ(each("a/b/c/#"), "a/b/c,");
  EXPECT_EQ(each("b/+"), "");
}

TEST_F(RetainedTreeTest, OnlyTheServersOwn) {
  fill({"$SYS/a", "$SYS/b", "$x"});
  EXPECT_EQ(each("#"), "");
  EXPECT_EQ(each("+/#"), "");
  fill({"m"});
  EXPECT_EQ(each("#"), "m,");
}

TEST_F(RetainedTreeTest, Deep) {
  std::string topic = "x";
  for (int level = 1; level < 50'000; ++level) topic += "/x";
  tree.set(topic, message("deep"));
  EXPECT_EQ(each("#"), "deep,");
  EXPECT_EQ(each("x/+/#"), "deep,");
  EXPECT_EQ(each(topic), "deep,");
  tree.set(topic, nullptr);
  EXPECT_EQ(each("#"), "");
}

}  // namespace
}  // namespace shoal::topic
