#include "mqtt/utf8.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

#include "conformance/covers.hpp"

namespace shoal::mqtt {
namespace {

std::string encoded(std::uint32_t c) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xc0 | c >> 6), byte(0x80 | (c & 0x3f))};
  if (c < 0x10000) return {byte(0xe0 | c >> 12), byte(0x80 | (c >> 6 & 0x3f)), byte(0x80 | (c & 0x3f))};
  return {byte(0xf0 | c >> 18), byte(0x80 | (c >> 12 & 0x3f)), byte(0x80 | (c >> 6 & 0x3f)), byte(0x80 | (c & 0x3f))};
}

// The definition (RFC 3629): a sequence is well-formed when encoding what it says gives it back.
bool slow(std::string_view text, bool allow_nul) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (size == 0 || i + size > text.size()) return false;
    std::uint32_t c = size == 1 ? lead : lead & (0x7fu >> size);
    for (std::size_t k = 1; k < size; ++k) c = c << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3f);
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || (c == 0 && !allow_nul)) return false;
    if (encoded(c) != text.substr(i, size)) return false;
    i += size;
  }
  return true;
}

TEST(Utf8, EveryCharacter) {
  covers_v5("MQTT-1.5.4-1 MQTT-1.5.4-2");
  covers_v311("MQTT-1.5.3-1 MQTT-1.5.3-2");
  for (std::uint32_t c = 0; c < 0x110000; ++c) {
    const bool surrogate = c >= 0xd800 && c <= 0xdfff;
    ASSERT_EQ(is_utf8_string(encoded(c)), !surrogate && c != 0) << c;
    ASSERT_EQ(is_utf8_payload(encoded(c)), !surrogate) << c;
  }
  EXPECT_FALSE(is_utf8_string(encoded(0x110000)));
  EXPECT_FALSE(is_utf8_string(encoded(0x1fffff)));
}

TEST(Utf8, EverySequenceOfTwoAndThreeBytes) {
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      const std::string two{static_cast<char>(a), static_cast<char>(b)};
      ASSERT_EQ(is_utf8_string(two), slow(two, false)) << a << " " << b;
      for (const unsigned c : {0x00u, 0x41u, 0x7fu, 0x80u, 0xbfu, 0xc0u, 0xffu}) {
        const std::string three = two + static_cast<char>(c);
        ASSERT_EQ(is_utf8_string(three), slow(three, false)) << a << " " << b << " " << c;
      }
    }
  }
}

TEST(Utf8, Overlong) {
  covers_v5("MQTT-1.5.4-1");
  covers_v311("MQTT-1.5.3-1");
  for (const std::string_view text :
       {"\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf",
        "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff"}) {
    EXPECT_FALSE(is_utf8_string(text));
    EXPECT_FALSE(is_utf8_payload(text));
  }
}

TEST(Utf8, CutShort) {
  for (const std::string& whole : {encoded(0xe4), encoded(0x20ac), encoded(0x1f600)}) {
    for (const char* text : {"", "a", "1234567", "12345678", "123456789"}) {
      const std::string front = text;
      for (std::size_t size = 1; size < whole.size(); ++size) {
        EXPECT_FALSE(is_utf8_string(front + whole.substr(0, size)));
        EXPECT_FALSE(is_utf8_string(front + whole.substr(0, size) + "x"));
      }
      EXPECT_TRUE(is_utf8_string(front + whole));
    }
  }
}

TEST(Utf8, PlacesInAWord) {
  EXPECT_TRUE(is_utf8_string(""));
  for (std::size_t size = 1; size < 40; ++size) {
    std::string text(size, 'a');
    EXPECT_TRUE(is_utf8_string(text));
    for (std::size_t at = 0; at < size; ++at) {
      text[at] = '\0';
      EXPECT_FALSE(is_utf8_string(text)) << size << " " << at;
      EXPECT_TRUE(is_utf8_payload(text)) << size << " " << at;
      text[at] = '\x80';
      EXPECT_FALSE(is_utf8_string(text)) << size << " " << at;
      EXPECT_FALSE(is_utf8_payload(text)) << size << " " << at;
      text[at] = '\x01';
      EXPECT_TRUE(is_utf8_string(text)) << size << " " << at;
      text[at] = 'a';
    }
  }
}

TEST(Utf8, RandomInputAgainstTheDefinition) {
  std::mt19937 random(7);
  constexpr unsigned char kBytes[] = {0x00, 0x01, 'a',  0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                      0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf4, 0xf5};
  int good = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    while (random() % 8 != 0) {
      text +=
          random() % 2 == 0 ? encoded(random() % 0x110000) : std::string(1, static_cast<char>(kBytes[random() % 20]));
    }
    const bool expected = slow(text, false);
    good += expected;
    ASSERT_EQ(is_utf8_string(text), expected) << testing::PrintToString(text);
    ASSERT_EQ(is_utf8_payload(text), slow(text, true)) << testing::PrintToString(text);
  }
  EXPECT_GT(good, 10'000);
}

}  // namespace
}  // namespace shoal::mqtt
