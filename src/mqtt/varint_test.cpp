#include "mqtt/varint.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "conformance/covers.hpp"

namespace shoal::mqtt {
namespace {

struct Read {
  VarintStatus status;
  std::uint32_t value = 0;
  std::size_t size = 0;
};

Read read(std::vector<std::uint8_t> bytes) {
  Read result{};
  result.status = read_varint(bytes, result.value, result.size);
  return result;
}

// Table 1-1 of the standard: the first and the last value of every size.
TEST(Varint, Boundaries) {
  covers_v5("MQTT-1.5.5-1");
  const struct {
    std::uint32_t value;
    std::vector<std::uint8_t> bytes;
  } table[] = {{0, {0x00}},
               {127, {0x7f}},
               {128, {0x80, 0x01}},
               {16'383, {0xff, 0x7f}},
               {16'384, {0x80, 0x80, 0x01}},
               {2'097'151, {0xff, 0xff, 0x7f}},
               {2'097'152, {0x80, 0x80, 0x80, 0x01}},
               {268'435'455, {0xff, 0xff, 0xff, 0x7f}}};
  for (const auto& [value, bytes] : table) {
    std::uint8_t out[4];
    EXPECT_EQ(std::vector<std::uint8_t>(out, write_varint(out, value)), bytes);
    EXPECT_EQ(varint_size(value), bytes.size());
    std::vector<std::uint8_t> longer = bytes;
    longer.push_back(0xff);
    for (const auto& input : {bytes, longer}) {
      const Read result = read(input);
      EXPECT_EQ(result.status, VarintStatus::ok) << value;
      EXPECT_EQ(result.value, value);
      EXPECT_EQ(result.size, bytes.size());
    }
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(read({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}).status,
                VarintStatus::incomplete)
          << value;
    }
  }
}

TEST(Varint, EveryValueOfThreeBytes) {
  for (std::uint32_t value = 0; value < 2'200'000; ++value) {
    std::uint8_t out[4];
    const std::size_t size = static_cast<std::size_t>(write_varint(out, value) - out);
    std::uint32_t again = 0;
    std::size_t size_again = 0;
    ASSERT_EQ(read_varint({out, size}, again, size_again), VarintStatus::ok) << value;
    ASSERT_EQ(again, value);
    ASSERT_EQ(size_again, size);
    ASSERT_EQ(varint_size(value), size);
  }
}

TEST(Varint, Overlong) {
  covers_v5("MQTT-1.5.5-1");
  for (const auto& [bytes, value] : std::vector<std::pair<std::vector<std::uint8_t>, std::uint32_t>>{
           {{0x80, 0x00}, 0}, {{0x81, 0x00}, 1}, {{0xff, 0x80, 0x00}, 127}, {{0x85, 0x80, 0x80, 0x00}, 5}}) {
    const Read result = read(bytes);
    EXPECT_EQ(result.status, VarintStatus::overlong);
    EXPECT_EQ(result.value, value);
    EXPECT_EQ(result.size, bytes.size());
  }
}

TEST(Varint, MoreThanFourBytes) {
  EXPECT_EQ(read({0x80, 0x80, 0x80, 0x80}).status, VarintStatus::malformed);
  EXPECT_EQ(read({0xff, 0xff, 0xff, 0xff, 0x7f}).status, VarintStatus::malformed);
  EXPECT_EQ(read({0x80, 0x80, 0x80, 0x80, 0x01}).status, VarintStatus::malformed);
}

}  // namespace
}  // namespace shoal::mqtt
