#include "base/log_text.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace shoal::base {
namespace {

std::string text_line(std::string_view phrase, Fields fields) {
  std::string out;
  append_text_line(out, phrase, fields);
  return out;
}

std::string json_members(std::string_view phrase, Fields fields) {
  std::string out;
  append_json_members(out, phrase, fields);
  return out;
}

std::string json(std::string_view text) {
  std::string out;
  append_json(out, text);
  return out;
}

TEST(LogText, PhraseThenFieldsAndHostileTextStaysOnItsLine) {
  EXPECT_EQ(text_line("client connected", {{"client", "a b\n\"x\""}, {"port", 1883}, {"plain", "yes"}, {"none", ""}}),
            R"(client connected client="a b\n\"x\"" port=1883 plain=yes none="")");
}

TEST(LogText, TextIsUtf8WithoutControlsWhateverComes) {
  EXPECT_EQ(
      text_line("x", {{"a", "gr\u00f6\u00dfe"}, {"b", "\u009b2J"}, {"c", "\u2028"}, {"d", "a\xff"}, {"e", "\x7f"}}),
      "x a=gr\u00f6\u00dfe b=\"\\xc2\\x9b2J\" c=\"\\xe2\\x80\\xa8\" d=\"a\\xff\" e=\"\\x7f\"");
}

TEST(LogText, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(text_line("x", {{"all", std::string(512, 'a')}, {"cut", std::string(511, 'b') + "\u20ac" + "c"}}),
            "x all=" + std::string(512, 'a') + " cut=" + std::string(511, 'b') + "(+4 bytes)");
}

TEST(LogText, JsonMembers) {
  EXPECT_EQ(json_members("started", {}), R"("message":"started")");
  EXPECT_EQ(json_members("x", {{"a", "b"}, {"n", -7}, {"u", UINT64_MAX}, {"d", 0.5}}),
            R"("message":"x","fields":{"a":"b","n":-7,"u":18446744073709551615,"d":0.5})");
  EXPECT_EQ(json_members("x", {{"d", std::numeric_limits<double>::infinity()}}),
            R"("message":"x","fields":{"d":null})");
  EXPECT_EQ(json_members("x", {{"cut", std::string(513, 'b')}}),
            R"("message":"x","fields":{"cut":")" + std::string(512, 'b') + "(+1 bytes)\"}");
}

TEST(LogText, JsonStringsAreUtf8WhateverComes) {
  EXPECT_EQ(json("pl\u00e4in \u20ac \U0001f41f"), "\"pl\u00e4in \u20ac \U0001f41f\"");
  EXPECT_EQ(json("\"\\\n\t\x7f"), R"("\"\\\n\u0009\u007f")");
  EXPECT_EQ(json(std::string_view("\0", 1)), R"("\u0000")");
  // What some terminals and some readers of lines take for more than a character.
  EXPECT_EQ(json("\u009b2J\u0085\u2028\u2029"), R"("\u009b2J\u0085\u2028\u2029")");
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(json("a\xff"
                 "b"),
            "\"a" + bad + "b\"");
  EXPECT_EQ(json("\xc3"), "\"" + bad + "\"") << "cut";
  EXPECT_EQ(json("\xc0\xaf"), "\"" + bad + bad + "\"") << "too long";
  EXPECT_EQ(json("\xe0\x80\xaf"), "\"" + bad + bad + bad + "\"") << "too long";
  EXPECT_EQ(json("\xed\xa0\x80"), "\"" + bad + bad + bad + "\"") << "a surrogate";
  EXPECT_EQ(json("\xf5\x80\x80\x80"), "\"" + bad + bad + bad + bad + "\"") << "behind the last character";
}

TEST(LogText, ALineIsNeverLongerThanWhatAPipeTakesAtOnce) {
  const std::string worst(512, '\1');
  const Fields fields{{"a", worst}, {"b", worst}, {"c", worst}, {"d", worst}, {"e", worst}, {"f", worst},
                      {"g", worst}, {"h", worst}, {"i", worst}, {"j", worst}, {"k", worst}, {"l", worst}};
  EXPECT_LT(text_line(std::string(100, 'p'), fields).size(), 3'900u);
  EXPECT_LT(json_members(std::string(100, 'p'), fields).size(), 3'900u);
}

TEST(LogText, LevelsByName) {
  for (const auto level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error, LogLevel::off})
    EXPECT_EQ(log_level_from(to_string(level)), level);
  EXPECT_EQ(log_level_from("loud"), std::nullopt);
}

}  // namespace
}  // namespace shoal::base
