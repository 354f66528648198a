#include "cli/printable.hpp"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

TEST(Printable, LeavesTextAndShowsTheRest) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("sensor-7/\xc3\xa4 \xf0\x9f\x90\x9f"), "sensor-7/\xc3\xa4 \xf0\x9f\x90\x9f");
  EXPECT_EQ(printable("a\x1b[31mb\nc\x7f\\"), "a\\x1B[31mb\\x0Ac\\x7F\\\\");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "cba"),
            "\\u{202E}cba");
  EXPECT_EQ(printable("\xc2\x9b"), "\\u{9B}");
  EXPECT_EQ(printable("\xef\xbb\xbf"), "\\u{FEFF}");
}

TEST(Printable, WhatIsNoUtf8IsShownByteByByte) {
  EXPECT_EQ(printable("\xff"), "\\xFF");
  EXPECT_EQ(printable("\xc3"), "\\xC3");
  EXPECT_EQ(printable("\xc3(\xe2\x82"), "\\xC3(\\xE2\\x82");
  EXPECT_EQ(printable("\xc0\x80"), "\\xC0\\x80");
  EXPECT_EQ(printable("\xe0\x80\x80"), "\\xE0\\x80\\x80");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xED\\xA0\\x80");
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");
}

}  // namespace
}  // namespace shoal::cli
