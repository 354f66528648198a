#include "mqtt/topic_name.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "conformance/covers.hpp"

namespace shoal::mqtt {
namespace {

using std::string_literals::operator""s;

TEST(TopicName, Names) {
  covers_v5("MQTT-4.7.0-1 MQTT-4.7.3-1");
  covers_v311("MQTT-4.7.1-1 MQTT-4.7.3-1");
  for (const char* name : {"a", "/", "//", " ", "/finance", "sport/tennis/player1", "Accounts payable", "$SYS/x", "$",
                           "a//b", "\xc3\xa4"}) {
    EXPECT_TRUE(is_topic_name(name)) << name;
    EXPECT_TRUE(is_topic_filter(name)) << name;
  }
  for (const char* name : {"", "+", "#", "a/+", "a/#", "a+", "#a", "a/b+/c"}) EXPECT_FALSE(is_topic_name(name)) << name;
}

// The examples of 4.7.1, valid and not.
TEST(TopicName, Filters) {
  covers_v5("MQTT-4.7.1-1 MQTT-4.7.1-2 MQTT-4.7.3-1");
  covers_v311("MQTT-4.7.1-2 MQTT-4.7.1-3 MQTT-4.7.3-1");
  for (const char* filter : {"#", "+", "/#", "/+", "+/", "sport/#", "sport/tennis/#", "+/tennis/#", "sport/+/player1",
                             "+/+", "+/+/#", "a/+/+/b", "sport/tennis/player1/#", "$SYS/#", "$SYS/monitor/+"}) {
    EXPECT_TRUE(is_topic_filter(filter)) << filter;
  }
  for (const char* filter : {"", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "#/", "##", "++", "+#", "#+",
                             "a/+b", "a/b+/c", "a/#b", "a/b#", "+a", "#/a", "a/##", "a/++/b"}) {
    EXPECT_FALSE(is_topic_filter(filter)) << filter;
  }
}

// 4.7.1.2, 4.7.1.3, 4.7.2.1, 4.7.3.
TEST(TopicName, Matches) {
  covers_v5("MQTT-4.7.2-1 MQTT-4.7.3-4");
  covers_v311("MQTT-4.7.2-1 MQTT-4.7.3-4");
  const struct {
    const char* filter;
    const char* name;
    bool expected;
  } table[] = {
      {"sport/tennis/player1/#", "sport/tennis/player1", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
      {"sport/tennis/player1/#", "sport/tennis/player10", false},
      {"sport/#", "sport", true},
      {"sport/#", "sport/", true},
      {"sport/#", "sports", false},
      {"#", "a", true},
      {"#", "/", true},
      {"#", "a/b/c", true},
      {"sport/tennis/+", "sport/tennis/player1", true},
      {"sport/tennis/+", "sport/tennis/player2", true},
      {"sport/tennis/+", "sport/tennis/player1/ranking", false},
      {"sport/+", "sport", false},
      {"sport/+", "sport/", true},
      {"+", "a", true},
      {"+", "/finance", false},
      {"+", "a/b", false},
      {"+/+", "/finance", true},
      {"/+", "/finance", true},
      {"+/+", "a", false},
      {"+/tennis/#", "sport/tennis", true},
      {"+/tennis/#", "sport/tennis/x/y", true},
      {"+/tennis/#", "sport/golf", false},
      {"a/+/c", "a//c", true},
      {"a/+/c", "a/b/c", true},
      {"a/+/c", "a/b/b/c", false},
      {"+/#", "a", true},
      {"+/#", "/", true},
      {"/#", "/a/b", true},
      {"/#", "a", false},
      {"//", "//", true},
      {"//", "/", false},
      {"/", "/", true},
      {"a", "a/", false},
      {"a/", "a", false},
      {"ACCOUNTS", "Accounts", false},
      {"Accounts payable", "Accounts payable", true},
      {"/finance", "finance", false},
      {"#", "$SYS/x", false},
      {"+", "$SYS", false},
      {"+/monitor/Clients", "$SYS/monitor/Clients", false},
      {"+/#", "$SYS/monitor", false},
      {"$SYS/#", "$SYS/monitor/Clients", true},
      {"$SYS/#", "$SYS", true},
      {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
      {"$SYS/+/Clients", "$SYS/monitor/Clients", true},
      {"a/#", "a/$SYS", true},
      {"a/+", "a/$SYS", true},
      {"+/$SYS", "a/$SYS", true},
      {"$SYS", "$SYS", true},
      {"\xef\xbb\xbf"
       "a",
       "a", false},
  };
  for (const auto& [filter, name, expected] : table) {
    ASSERT_TRUE(is_topic_filter(filter)) << filter;
    ASSERT_TRUE(is_topic_name(name)) << name;
    EXPECT_EQ(matches(filter, name), expected) << filter << " " << name;
  }
}

TEST(TopicName, Levels) {
  const struct {
    const char* text;
    std::vector<std::string> levels;
  } table[] = {{"a", {"a"}},      {"a/b", {"a", "b"}},    {"/", {"", ""}}, {"//", {"", "", ""}},
               {"/a", {"", "a"}}, {"a//", {"a", "", ""}}, {"", {""}}};
  for (const auto& [text, expected] : table) {
    std::vector<std::string> seen;
    Levels levels(text);
    for (std::string_view level; levels.next(level);) seen.emplace_back(level);
    EXPECT_EQ(seen, expected) << text;
    EXPECT_EQ(level_count(text), expected.size()) << text;
    std::string_view level;
    EXPECT_FALSE(levels.next(level)) << text;
  }
}

TEST(TopicName, Shared) {
  covers_v5("MQTT-4.8.2-1 MQTT-4.8.2-2");
  const struct {
    const char* filter;
    const char* group;
    const char* rest;
  } table[] = {{"$share/g/a", "g", "a"},           {"$share/g/a/b", "g", "a/b"},  {"$share/g/#", "g", "#"},
               {"$share/g/+/a/#", "g", "+/a/#"},   {"$share/g/", nullptr, ""},    {"$share/g//", "g", "/"},
               {"$share/g/$SYS/a", "g", "$SYS/a"}, {"$share/ /a", " ", "a"},      {"$share/$g/a", "$g", "a"},
               {"$share/g", nullptr, ""},          {"$share/", nullptr, ""},      {"$share//a", nullptr, ""},
               {"$share/g+/a", nullptr, ""},       {"$share/+/a", nullptr, ""},   {"$share/#/a", nullptr, ""},
               {"$share/g/a#", nullptr, ""},       {"$share/g/#/a", nullptr, ""}, {"$share", nullptr, ""},
               {"$shared/g/a", nullptr, ""},       {"share/g/a", nullptr, ""},    {"", nullptr, ""}};
  for (const auto& [filter, group, rest] : table) {
    const auto parts = split_shared(filter);
    ASSERT_EQ(parts.has_value(), group != nullptr) << filter;
    if (!parts) continue;
    EXPECT_TRUE(is_shared(filter));
    EXPECT_EQ(parts->group, group) << filter;
    EXPECT_EQ(parts->filter, rest) << filter;
  }
  EXPECT_TRUE(is_shared("$share/"));
  EXPECT_FALSE(is_shared("$share"));
}

TEST(TopicName, NulIsTheDecodersConcern) {
  EXPECT_TRUE(is_topic_name("a\0b"s));
  EXPECT_FALSE(matches("a"s, "a\0b"s));
}

}  // namespace
}  // namespace shoal::mqtt
