#include "link/message.hpp"

#include <gtest/gtest.h>

#include <random>

namespace shoal::link {
namespace {

TEST(Message, RoundTripKeepsEveryByteAndTheOrder) {
  std::string every_byte;
  for (int c = 0; c < 256; ++c) every_byte += static_cast<char>(c);
  Message message("ready");
  message.add("name", std::string_view("plant-a")).add("port", 11883u).add("port", 11884u);
  message.add("raw", std::string_view(every_byte)).add("empty", std::string_view());

  const auto back = Message::decode(message.encode());
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->type(), "ready");
  EXPECT_EQ(back->fields(), message.fields());
  EXPECT_EQ(back->number("port"), 11883u);
  EXPECT_TRUE(back->has("empty"));
  EXPECT_FALSE(back->has("other"));
}

TEST(Message, IsReadable) {
  EXPECT_EQ(Message("stop").add("name", std::string_view("a\nb\\c")).encode(), "stop\nname=a\\nb\\\\c\n");
}

TEST(Message, NumbersAreExact) {
  Message message("x");
  message.add("big", UINT64_MAX).add("not", std::string_view("12a")).add("negative", std::string_view("-1"));
  message.add("over", std::string_view("18446744073709551616"));
  EXPECT_EQ(message.number("big"), UINT64_MAX);
  EXPECT_EQ(message.number("big", 65535), std::nullopt);
  EXPECT_EQ(message.number("not"), std::nullopt);
  EXPECT_EQ(message.number("negative"), std::nullopt);
  EXPECT_EQ(message.number("over"), std::nullopt);
  EXPECT_EQ(message.number("missing"), std::nullopt);
}

TEST(Message, RefusesWhatIsNone) {
  for (const std::string_view bad : {"", "start", "\n", "Start\n", "start\nname\n", "start\n=x\n", "start\nname=x",
                                     "start\nname=\\x\n", "start\nname=x\\\n"}) {
    EXPECT_FALSE(Message::decode(bad).ok()) << bad;
  }
  EXPECT_FALSE(Message::decode("a\nb=" + std::string(kMessageBytesMax, 'x') + "\n").ok());
  std::string many = "a\n";
  for (std::size_t i = 0; i <= kFieldsMax; ++i) many += "b=\n";
  EXPECT_FALSE(Message::decode(many).ok());
}

TEST(Message, GarbageNeverCrashesAndWhatIsAcceptedRoundTrips) {
  std::mt19937 random(7);
  constexpr std::string_view kLikely = "start\nname=\\n\\=0.";
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 64, '\0');
    for (char& c : bytes) c = random() % 4 != 0 ? kLikely[random() % kLikely.size()] : static_cast<char>(random());
    if (round % 2 == 0) bytes = "start\nname=" + bytes + "\n";
    const auto message = Message::decode(bytes);
    if (!message) continue;
    const auto again = Message::decode(message->encode());
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->fields(), message->fields());
  }
}

}  // namespace
}  // namespace shoal::link
