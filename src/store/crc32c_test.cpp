#include "store/crc32c.hpp"

#include <gtest/gtest.h>

#include <string>

namespace shoal::store {
namespace {

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c(0, base::as_bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(0, base::as_bytes(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(crc32c(0, {}), 0u);
}

TEST(Crc32c, TableAndProcessorAgreeAtEveryLengthAndPlace) {
  std::string text;
  for (int i = 0; i < 64; ++i) text += static_cast<char>(i * 37 + 11);
  for (std::size_t from = 0; from < 16; ++from) {
    for (std::size_t size = 0; from + size <= text.size(); ++size) {
      const auto bytes = base::as_bytes(std::string_view(text).substr(from, size));
      ASSERT_EQ(crc32c(7, bytes), crc32c_by_table(7, bytes));
    }
  }
}

TEST(Crc32c, GoesOnFromWhatCameBefore) {
  EXPECT_EQ(crc32c(crc32c(5, base::as_bytes("1234")), base::as_bytes("56789")), crc32c(5, base::as_bytes("123456789")));
}

}  // namespace
}  // namespace shoal::store
