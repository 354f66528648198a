#include "topic/subscription_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "conformance/covers.hpp"

namespace shoal::topic {
namespace {

using mqtt::SubscriptionOptions;

struct Client : Subscriber {
  std::string name;
};

// What a topic goes to, as text: "anna:1 ben:2+rap[7,9]".
std::string text(const Matches& matches) {
  std::map<std::string, std::string> entries;
  for (const Match& match : matches.list) {
    const std::string& name = static_cast<const Client*>(match.subscriber)->name;
    std::string entry = name + ":" + std::to_string(match.qos);
    if (match.retain_as_published) entry += "+rap";
    if (match.no_local) entry += "+nl";
    std::vector<std::uint32_t> ids(matches.ids.begin() + match.first_id,
                                   matches.ids.begin() + match.first_id + match.id_count);
    std::sort(ids.begin(), ids.end());
    for (std::size_t i = 0; i < ids.size(); ++i) entry += (i == 0 ? "[" : ",") + std::to_string(ids[i]);
    if (!ids.empty()) entry += "]";
    EXPECT_TRUE(entries.emplace(name, entry).second) << name << " is there twice";
  }
  std::string all;
  for (const auto& [name, entry] : entries) all += (all.empty() ? "" : " ") + entry;
  return all;
}

SubscriptionOptions qos(std::uint8_t qos) { return {qos, false, false, 0}; }

struct SubscriptionTreeTest : testing::Test {
  Client anna{{}, "anna"};
  Client ben{{}, "ben"};
  SubscriptionTree tree;

  std::string match(std::string_view topic) { return text(tree.match(topic)); }
  std::string match_own(std::string_view topic, Client& client) {
    Matches matches;
    tree.match_own(topic, &client, matches);
    return text(matches);
  }
};

TEST_F(SubscriptionTreeTest, Empty) {
  EXPECT_EQ(match("a"), "");
  EXPECT_EQ(tree.size(), 0u);
  EXPECT_EQ(tree.find("a"), SubscriptionTree::kNone);
}

TEST_F(SubscriptionTreeTest, Wildcards) {
  tree.subscribe("sport/tennis/#", &anna, qos(1), 0);
  tree.subscribe("sport/+/x", &ben, qos(2), 0);
  EXPECT_EQ(match("sport/tennis"), "anna:1");
  EXPECT_EQ(match("sport/tennis/x"), "anna:1 ben:2");
  EXPECT_EQ(match("sport/golf/x"), "ben:2");
  EXPECT_EQ(match("sport//x"), "ben:2");
  EXPECT_EQ(match("sport"), "");
  EXPECT_EQ(match("sport/tennis/x/y"), "anna:1");
  EXPECT_EQ(match("other"), "");
}

// MQTT-4.7.2-1
TEST_F(SubscriptionTreeTest, Dollar) {
  covers_v5("MQTT-4.7.2-1");
  covers_v311("MQTT-4.7.2-1");
  tree.subscribe("#", &anna, qos(0), 0);
  tree.subscribe("+/x", &anna, qos(0), 0);
  tree.subscribe("$SYS/#", &ben, qos(0), 0);
  EXPECT_EQ(match("$SYS/x"), "ben:0");
  EXPECT_EQ(match("$SYS"), "ben:0");
  EXPECT_EQ(match("$other/x"), "");
  EXPECT_EQ(match("a/$SYS"), "anna:0");
}

TEST_F(SubscriptionTreeTest, EmptyLevels) {
  tree.subscribe("/", &anna, qos(0), 0);
  tree.subscribe("/+", &ben, qos(0), 0);
  EXPECT_EQ(match("/"), "anna:0 ben:0");
  EXPECT_EQ(match("//"), "");
  EXPECT_EQ(match("/a"), "ben:0");
  EXPECT_EQ(match("a/"), "");
}

// One copy with the highest QoS and every identifier (MQTT-3.3.4-2 to 4).
TEST_F(SubscriptionTreeTest, Overlap) {
  covers_v5("MQTT-3.3.4-2 MQTT-3.3.4-3 MQTT-3.3.4-4");
  tree.subscribe("a/b", &anna, qos(0), 7);
  tree.subscribe("a/+", &anna, qos(2), 9);
  tree.subscribe("a/#", &anna, qos(1), 9);
  tree.subscribe("#", &anna, qos(1), 0);
  tree.subscribe("a/+", &ben, {1, false, true, 0}, 0);
  EXPECT_EQ(match("a/b"), "anna:2[7,9,9] ben:1+rap");
  EXPECT_EQ(match("a"), "anna:1[9]");
}

TEST_F(SubscriptionTreeTest, NoLocal) {
  covers_v5("MQTT-3.8.3-3");
  tree.subscribe("a", &anna, {2, true, false, 0}, 5);
  tree.subscribe("+", &anna, {1, false, true, 0}, 6);
  tree.subscribe("a", &ben, {1, true, false, 0}, 0);
  EXPECT_EQ(match("a"), "anna:2+rap+nl[5,6] ben:1+nl");
  EXPECT_EQ(match_own("a", anna), "anna:1+rap[6]");
  EXPECT_EQ(match_own("a", ben), "");
}

TEST_F(SubscriptionTreeTest, Update) {
  const auto handle = tree.subscribe("a", &anna, qos(0), 1);
  EXPECT_EQ(match("a"), "anna:0[1]");
  const auto before = tree.generation();
  tree.update(handle, {2, false, true, 0}, 0);
  EXPECT_GT(tree.generation(), before);
  EXPECT_EQ(match("a"), "anna:2+rap");
  EXPECT_EQ(tree.options(handle).qos, 2);
  EXPECT_EQ(tree.id(handle), 0u);
  EXPECT_EQ(tree.size(), 1u);
}

TEST_F(SubscriptionTreeTest, Handles) {
  const auto first = tree.subscribe("a/+/#", &anna, qos(1), 3);
  const auto second = tree.subscribe("a/+/#", &ben, qos(1), 0);
  EXPECT_EQ(tree.filter(first), "a/+/#");
  EXPECT_EQ(tree.node(first), tree.node(second));
  EXPECT_EQ(tree.find("a/+/#"), tree.node(first));
  tree.unsubscribe(first);
  EXPECT_EQ(match("a/b"), "ben:1");
  EXPECT_EQ(tree.filter(second), "a/+/#");
  tree.unsubscribe(second);
  EXPECT_EQ(match("a/b"), "");
  EXPECT_EQ(tree.find("a/+/#"), SubscriptionTree::kNone);
  EXPECT_EQ(tree.find("a"), SubscriptionTree::kNone);
  EXPECT_EQ(tree.size(), 0u);
}

TEST_F(SubscriptionTreeTest, AFilterThatLeadsToAnotherStays) {
  const auto shorter = tree.subscribe("a/b", &anna, qos(0), 0);
  const auto longer = tree.subscribe("a/b/c", &anna, qos(0), 0);
  tree.unsubscribe(shorter);
  EXPECT_EQ(match("a/b"), "");
  EXPECT_EQ(match("a/b/c"), "anna:0");
  tree.subscribe("a/b", &ben, qos(0), 0);
  tree.unsubscribe(longer);
  EXPECT_EQ(match("a/b"), "ben:0");
  EXPECT_EQ(tree.find("a/b/c"), SubscriptionTree::kNone);
}

TEST_F(SubscriptionTreeTest, Deep) {
  std::string topic = "x";
  for (int level = 1; level < 2'000; ++level) topic += "/x";
  std::string plus = topic;
  std::replace(plus.begin(), plus.end(), 'x', '+');
  tree.subscribe(topic, &anna, qos(1), 0);
  tree.subscribe(plus, &ben, qos(2), 0);
  EXPECT_EQ(match(topic), "anna:1 ben:2");
  EXPECT_EQ(match(topic + "/x"), "");
  tree.subscribe(topic + "/#", &anna, qos(2), 0);
  EXPECT_EQ(match(topic), "anna:2 ben:2");
}

// More topics than the cache holds, asked again and again while subscriptions come and go.
TEST_F(SubscriptionTreeTest, CacheIsNeverStale) {
  std::map<int, SubscriptionTree::Handle> handles;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10'000; ++i) {
      const std::string topic = "t/" + std::to_string(i);
      ASSERT_EQ(match(topic), handles.contains(i) ? "anna:1" : "");
      if (i % 7 != round) continue;
      if (handles.contains(i)) {
        tree.unsubscribe(handles[i]);
        handles.erase(i);
      } else {
        handles[i] = tree.subscribe(topic, &anna, qos(1), 0);
      }
      ASSERT_EQ(match(topic), handles.contains(i) ? "anna:1" : "");
    }
  }
}

// More subscribers than the cache is allowed to remember.
TEST_F(SubscriptionTreeTest, ManySubscribers) {
  std::vector<Client> clients(150'000);
  for (Client& client : clients) tree.subscribe("a/#", &client, qos(1), 4);
  for (const char* topic : {"a", "a/b", "a", "other", "a/b"}) {
    const Matches& matches = tree.match(topic);
    const std::size_t expected = std::string_view(topic) == "other" ? 0 : clients.size();
    EXPECT_EQ(matches.list.size(), expected);
    EXPECT_EQ(matches.ids.size(), expected);
  }
}

// Shrinking in between changes nothing but what is free.
TEST_F(SubscriptionTreeTest, Shrinks) {
  const auto stays = tree.subscribe("a/+/stays", &anna, qos(1), 7);
  std::vector<SubscriptionTree::Handle> many;
  for (int i = 0; i < 5000; ++i) many.push_back(tree.subscribe("x/" + std::to_string(i) + "/#", &ben, qos(0), 0));
  const auto late = tree.subscribe("a/late/#", &ben, qos(2), 0);
  for (int i = 5000; i < 10000; ++i) many.push_back(tree.subscribe("x/" + std::to_string(i) + "/#", &ben, qos(0), 0));
  for (std::size_t i = 0; i < many.size(); i += 2) tree.unsubscribe(many[i]);
  tree.shrink();
  EXPECT_EQ(match("x/4999/y"), "ben:0");
  EXPECT_EQ(match("x/4998/y"), "");
  for (std::size_t i = 1; i < many.size(); i += 2) tree.unsubscribe(many[i]);
  tree.shrink();
  EXPECT_EQ(tree.size(), 2u);
  EXPECT_EQ(tree.cache_bytes(), 0u);
  EXPECT_EQ(tree.filter(stays), "a/+/stays");
  EXPECT_EQ(tree.filter(late), "a/late/#");
  EXPECT_EQ(match("a/late/stays"), "anna:1[7] ben:2");
  for (int i = 0; i < 5000; ++i) many[i] = tree.subscribe("y/" + std::to_string(i), &ben, qos(1), 0);
  EXPECT_EQ(match("y/4321"), "ben:1");
  EXPECT_EQ(match("a/late/stays"), "anna:1[7] ben:2");
  for (int i = 0; i < 5000; ++i) tree.unsubscribe(many[i]);
  tree.unsubscribe(stays);
  tree.unsubscribe(late);
  tree.shrink();
  EXPECT_EQ(tree.bytes(), SubscriptionTree().bytes());
  EXPECT_EQ(match("a/late/stays"), "");
}

// Who is not announced gets messages as everybody does.
TEST_F(SubscriptionTreeTest, TheListenerHearsOfThoseWhoAreAnnounced) {
  struct Listener final : FilterListener {
    void filter_added(std::string_view filter, std::uint32_t) override { heard += "+" + std::string(filter) + " "; }
    void filter_removed(std::string_view filter) override { heard += "-" + std::string(filter) + " "; }
    std::string heard;
  } listener;
  tree.set_listener(&listener);
  const auto hear = [&] { return std::exchange(listener.heard, {}); };
  Client far{{.announced = false}, "far"}, further{{.announced = false}, "further"};
  tree.subscribe("a/b", &far, qos(1), 0);
  EXPECT_EQ(hear(), "");
  const auto of_anna = tree.subscribe("a/b", &anna, qos(1), 0);
  EXPECT_EQ(hear(), "+a/b ");
  tree.subscribe("a/b", &further, qos(2), 0);
  const auto of_ben = tree.subscribe("a/b", &ben, qos(0), 0);
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(match("a/b"), "anna:1 ben:0 far:1 further:2");
  tree.unsubscribe(of_anna);
  tree.unsubscribe(tree.find("a/b", &far));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(match("a/b"), "ben:0 further:2");
  tree.unsubscribe(of_ben);
  EXPECT_EQ(hear(), "-a/b ");
  EXPECT_EQ(match("a/b"), "further:2");
  tree.unsubscribe(tree.find("a/b", &further));
  tree.subscribe("a/b", &ben, qos(0), 0);
  EXPECT_EQ(hear(), "+a/b ");
}

TEST_F(SubscriptionTreeTest, FromTheNodesOfTheFiltersComesWhatASearchFinds) {
  tree.subscribe("a/b", &anna, qos(1), 3);
  tree.subscribe("a/+", &anna, qos(2), 5);
  tree.subscribe("#", &ben, qos(0), 0);
  tree.subscribe("b/+", &ben, qos(2), 0);
  const std::vector<SubscriptionTree::Node> nodes = {tree.find("a/+"), tree.find("#"), tree.find("a/b")};
  ASSERT_NE(tree.match_at(nodes), nullptr);
  EXPECT_EQ(text(*tree.match_at(nodes)), "anna:2[3,5] ben:0");
  EXPECT_EQ(text(*tree.match_at(nodes)), match("a/b"));
  EXPECT_EQ(text(*tree.match_at(std::vector<SubscriptionTree::Node>{12'345})), "");
}

TEST_F(SubscriptionTreeTest, MoreThanAFewAreBetterSearchedFor) {
  std::vector<Client> clients(SubscriptionTree::kFew + 1);
  for (std::size_t i = 0; i < SubscriptionTree::kFew; ++i) tree.subscribe("a", &clients[i], qos(0), 0);
  const std::vector<SubscriptionTree::Node> nodes = {tree.find("a")};
  ASSERT_NE(tree.match_at(nodes), nullptr);
  EXPECT_EQ(tree.match_at(nodes)->list.size(), SubscriptionTree::kFew);
  tree.subscribe("a", &clients.back(), qos(0), 0);
  EXPECT_EQ(tree.match_at(nodes), nullptr);
}

}  // namespace
}  // namespace shoal::topic
