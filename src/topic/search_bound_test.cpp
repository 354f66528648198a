#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "topic/subscription_tree.hpp"

// How much a search for a topic looks at, and what it finds, with very many filters and with those that are made to be
// expensive. Counted, not timed.

namespace shoal::topic {
namespace {

struct NumberedClient : Subscriber {
  std::size_t number = 0;
};

struct Filters {
  void add(const std::string& filter) {
    texts.push_back(filter);
    clients.emplace_back(new NumberedClient{{}, clients.size()});
    handles.push_back(tree.subscribe(filter, clients.back().get(), {}, 0));
  }
  std::set<std::size_t> found(std::string_view topic) {
    std::set<std::size_t> numbers;
    for (const Match& match : tree.match(topic).list) {
      EXPECT_TRUE(numbers.insert(static_cast<const NumberedClient*>(match.subscriber)->number).second);
    }
    return numbers;
  }
  std::set<std::size_t> expected(std::string_view topic) const {
    std::set<std::size_t> numbers;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (mqtt::matches(texts[i], topic)) numbers.insert(i);
    }
    return numbers;
  }

  std::vector<std::string> texts;
  std::vector<std::unique_ptr<NumberedClient>> clients;
  std::vector<SubscriptionTree::Handle> handles;
  SubscriptionTree tree;
};

std::size_t search(Filters& filters, std::string_view topic) {
  const std::size_t found = filters.found(topic).size();
  return filters.tree.match_work() - found;
}

TEST(SearchBound, AMillionFilters) {
  constexpr std::size_t kFilters = 1'000'000;
  NumberedClient client;
  SubscriptionTree tree;
  std::vector<std::string> texts;
  for (std::size_t i = 0; texts.size() < kFilters; ++i) {
    const std::string site = "site" + std::to_string(i % 1000);
    const std::string device = "device" + std::to_string(i);
    switch (i % 10) {
      case 0: texts.push_back("plant/" + site + "/+/" + device + "/state"); break;
      case 1: texts.push_back("plant/" + site + "/line/" + device + "/#"); break;
      case 2: texts.push_back("+/" + site + "/line/" + device + "/+"); break;
      default: texts.push_back("plant/" + site + "/line/" + device + "/state"); break;
    }
    tree.subscribe(texts.back(), &client, {1, false, false, 0}, 0);
  }
  EXPECT_EQ(tree.size(), kFilters);
  EXPECT_LT(tree.bytes() / kFilters, 250u);

  std::mt19937 random(1);
  const std::size_t bound = tree.search_max(5);
  EXPECT_LT(bound, 30u) << "there are few shapes, however many filters";
  for (int sample = 0; sample < 8; ++sample) {
    const std::size_t i = random() % kFilters;
    const std::string topic = "plant/site" + std::to_string(i % 1000) + "/line/device" + std::to_string(i) +
                              (sample % 4 == 0 ? "/x" : "/state");
    const auto expected =
        std::count_if(texts.begin(), texts.end(), [&](const auto& f) { return mqtt::matches(f, topic); });
    // All are one subscriber's: what matches is one copy, and the subscriptions are counted as work.
    EXPECT_EQ(tree.match(topic).list.size(), expected == 0 ? 0u : 1u) << topic;
    EXPECT_LE(tree.match_work(), bound + static_cast<std::size_t>(expected)) << topic;
  }
}

// Every combination of `+` and a text over k levels, and then one that does not match: nothing is found, and all is
// looked at. No other filters of that many shapes are worse.
TEST(SearchBound, AllCombinations) {
  Filters filters;
  constexpr unsigned kLevels = 10;
  for (unsigned combination = 0; combination < 1u << kLevels; ++combination) {
    std::string filter;
    for (unsigned level = 0; level < kLevels; ++level) filter += combination >> level & 1 ? "+/" : "a/";
    filters.add(filter + "no");
  }
  std::string topic;
  for (unsigned level = 0; level < kLevels; ++level) topic += "a/";
  const std::size_t looked_at = search(filters, topic + "yes");
  EXPECT_GE(looked_at, (1u << kLevels) - 1);
  EXPECT_LE(looked_at, filters.tree.search_max(kLevels + 1));
  EXPECT_EQ(filters.found(topic + "no").size(), 1u << kLevels);
  // Filters of the same shapes add nothing, others do.
  EXPECT_EQ(filters.tree.search_added("+/a/a/b/c/d/e/f/g/h/i"), 0u);
  EXPECT_EQ(filters.tree.search_added("+/+/#"), 0u);
  EXPECT_EQ(filters.tree.search_added("a/b/c/d/e/f/g/h/i/j/k/l/m/n"), 0u) << "alone in each level";
  EXPECT_EQ(filters.tree.search_added("+/a/a/b/c/d/e/f/g/h/i/j"), 1u);
  EXPECT_EQ(filters.tree.search_added("+/a/a/b/c/d/e/f/g/h/+/j/#"), 2u);
}

TEST(SearchBound, HundredsOfLevels) {
  Filters filters;
  constexpr std::size_t kLevels = 500;
  std::string pluses, texts;
  for (std::size_t level = 0; level < kLevels; ++level) {
    pluses += level == 0 ? "+" : "/+";
    texts += level == 0 ? "a" : "/a";
    filters.add(pluses);
    filters.add(pluses + "/#");
    filters.add(texts);
    filters.add(texts + "/#");
    filters.add(texts + "/+");
  }
  EXPECT_EQ(filters.found(texts), filters.expected(texts));
  filters.tree.match("x");
  EXPECT_LE(search(filters, texts + "/b"), filters.tree.search_max(kLevels + 1));
  EXPECT_LE(search(filters, texts + "/a/a/a"), filters.tree.search_max(kLevels + 3));
}

// Whatever is subscribed and unsubscribed: the promise holds, and finds what the definition says.
TEST(SearchBound, RandomFilters) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    Filters filters;
    const auto text = [&](bool filter) {
      std::string path;
      for (auto levels = 1 + random() % 8; levels > 0; --levels) {
        if (!path.empty()) path += '/';
        path += filter && random() % 3 == 0 ? '+' : "ab"[random() % 2];
      }
      return path + (filter && random() % 4 == 0 ? "/#" : "");
    };
    for (int i = 0; i < 400; ++i) filters.add(text(true));
    for (int i = 0; i < 50; ++i) {
      const std::string topic = text(false);
      ASSERT_EQ(filters.found(topic), filters.expected(topic)) << topic;
      filters.tree.match("$other");
      Matches own;
      filters.tree.match_own(topic, nullptr, own);  // not remembered
      ASSERT_LE(filters.tree.match_work() - filters.found(topic).size(), filters.tree.search_max(8)) << topic;
    }
    std::shuffle(filters.handles.begin(), filters.handles.end(), random);
    for (const auto handle : filters.handles) {
      const std::string filter = filters.tree.filter(handle);
      const std::size_t before = filters.tree.search_max(0);
      filters.tree.unsubscribe(handle);
      ASSERT_EQ(filters.tree.search_max(0) + filters.tree.search_added(filter), before);
    }
    EXPECT_EQ(filters.tree.search_max(0), 1u);
  }
}

}  // namespace
}  // namespace shoal::topic
