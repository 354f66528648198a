#include "topic/retained_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "conformance/covers.hpp"
#include "mqtt/topic_name.hpp"

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

// A walk that is left alone between its steps while messages come and go: what stays is met once.
TEST_F(RetainedTreeTest, WalksWhileTheTreeChanges) {
  std::mt19937 random(11);
  const auto below = [&](std::size_t bound) { return random() % bound; };
  const auto topic = [&] {
    std::string text = std::to_string(below(4));
    for (std::size_t more = below(4); more > 0; --more) text += "/" + std::to_string(below(4));
    return text;
  };
  for (int round = 0; round < 300; ++round) {
    RetainedTree<Ref> changing;
    std::set<std::string> present;
    const auto set = [&](const std::string& name, bool on) {
      changing.set(name, on ? message(name) : nullptr);
      if (on) present.insert(name);
      else present.erase(name);
    };
    for (int i = 0; i < 60; ++i) set(topic(), true);
    const std::string filter =
        std::vector<std::string>{"#", "+/#", "1/+", "+/2/#", "+", "3/#", "0/1", "+/+/+"}[below(8)];
    std::set<std::string> stayed = present;
    std::multiset<std::string> met;
    RetainedTree<Ref>::Walk walk(changing, filter);
    RetainedTree<Ref>::Walk other(changing, "#");
    std::size_t none = 0;
    EXPECT_EQ(walk.seek(none), nullptr);
    for (;;) {
      std::size_t steps = 1 + below(5);
      if (const Ref* ref = walk.seek(steps)) {
        met.insert(**ref);
        walk.advance();
      }
      if (walk.done()) break;
      if (below(3) == 0) other.advance();
      for (std::size_t i = below(4); i > 0; --i) {
        const std::string name = topic();
        const bool on = below(3) == 0;
        if (!on) stayed.erase(name);
        set(name, on);
      }
    }
    for (const std::string& name : stayed) {
      ASSERT_EQ(met.count(name), mqtt::matches(filter, name) ? 1u : 0u) << round << ": " << filter << " " << name;
    }
    for (const std::string& name : met) ASSERT_TRUE(mqtt::matches(filter, name)) << filter << " " << name;
  }
}

TEST_F(RetainedTreeTest, MemoryIsGivenBack) {
  const std::size_t empty = tree.index_bytes();
  fill({"a/long level name/c", "a/long level name/d", "b"});
  EXPECT_GT(tree.index_bytes(), empty + 4 * 30);
  for (const char* topic : {"a/long level name/c", "a/long level name/d", "b"}) tree.set(topic, nullptr);
  EXPECT_EQ(tree.index_bytes(), empty);
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
