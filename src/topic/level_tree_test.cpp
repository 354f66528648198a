#include "topic/level_tree.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace shoal::topic {
namespace {

TEST(LevelNames, CountsUses) {
  LevelNames names;
  EXPECT_EQ(names.find("+"), LevelNames::kPlus);
  EXPECT_EQ(names.find("#"), LevelNames::kHash);
  EXPECT_EQ(names.find("a"), LevelNames::kNone);
  const auto a = names.acquire("a");
  const auto empty = names.acquire("");
  EXPECT_NE(a, empty);
  EXPECT_EQ(names.acquire("a"), a);
  EXPECT_EQ(names.text(a), "a");
  EXPECT_EQ(names.text(empty), "");
  names.release(a);
  EXPECT_EQ(names.find("a"), a);
  names.release(a);
  EXPECT_EQ(names.find("a"), LevelNames::kNone);
  EXPECT_EQ(names.find(""), empty);
  EXPECT_EQ(names.size(), 3u);
}

// Against a map, with so many names that the table grows and its entries move.
TEST(LevelNames, RandomUse) {
  std::mt19937 random(3);
  LevelNames names;
  std::map<std::string, std::pair<std::uint32_t, int>> expected;
  for (int step = 0; step < 100'000; ++step) {
    const std::string text = std::to_string(random() % 3'000);
    const auto found = expected.find(text);
    ASSERT_EQ(names.find(text), found == expected.end() ? LevelNames::kNone : found->second.first);
    if (random() % 2 == 0) {
      const auto id = names.acquire(text);
      ASSERT_EQ(names.text(id), text);
      if (found != expected.end()) ASSERT_EQ(id, found->second.first);
      else expected[text] = {id, 0};
      ++expected[text].second;
    } else if (found != expected.end()) {
      names.release(found->second.first);
      if (--found->second.second == 0) expected.erase(found);
    }
    if (step % 5'000 == 0) names.shrink();
    ASSERT_EQ(names.size(), expected.size() + 2);
  }
}

// Against a map of paths: what is empty and leads nowhere is gone.
TEST(LevelTree, RandomUse) {
  std::mt19937 random(5);
  LevelTree<int> tree;
  std::map<std::string, int> expected;
  const auto path = [&] {
    std::string text;
    for (auto levels = random() % 6; levels > 0; --levels) text += std::string(1, "abc+#"[random() % 5]) + "/";
    return text + std::string(1, "abc+#"[random() % 5]);
  };
  for (int step = 0; step < 100'000; ++step) {
    const std::string text = path();
    if (random() % 2 == 0) {
      const auto node = tree.insert(text);
      ASSERT_EQ(tree.path(node), text);
      ASSERT_EQ(tree.value(node), expected.contains(text) ? expected[text] : 0);
      tree.value(node) = expected[text] = step + 1;
    } else if (const auto node = tree.find(text); node != LevelTree<int>::kNone) {
      ASSERT_EQ(tree.path(node), text);
      tree.value(node) = 0;
      tree.prune(node);
      expected.erase(text);
    } else {
      ASSERT_FALSE(expected.contains(text));
    }
  }
  for (const auto& [text, value] : expected) {
    const auto node = tree.find(text);
    ASSERT_NE(node, LevelTree<int>::kNone) << text;
    ASSERT_EQ(tree.value(node), value);
    tree.value(node) = 0;
    tree.prune(node);
  }
  EXPECT_EQ(tree.size(), 0u);
  EXPECT_EQ(tree.names().size(), 2u);
  EXPECT_EQ(tree.first_child(LevelTree<int>::kRoot), LevelTree<int>::kNone);
  EXPECT_FALSE(tree.has_plus(LevelTree<int>::kRoot));
  EXPECT_FALSE(tree.has_hash(LevelTree<int>::kRoot));
}

}  // namespace
}  // namespace shoal::topic
