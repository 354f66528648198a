#include "base/compact_vector.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace shoal::base {
namespace {

static_assert(sizeof(CompactVector<std::uint32_t>) == 16);
static_assert(sizeof(CompactVector<std::uint64_t>) == 16);

TEST(CompactVector, IsAsAVector) {
  std::mt19937 random(1);
  for (int run = 0; run < 50; ++run) {
    CompactVector<std::uint32_t> compact;
    std::vector<std::uint32_t> model;
    for (std::uint32_t i = 0; i < 60; ++i) {
      const std::size_t place = random() % (model.size() + 1);
      const auto at = static_cast<std::ptrdiff_t>(place);
      if (random() % 3 != 0) {
        compact.insert(compact.begin() + at, i);
        model.insert(model.begin() + at, i);
      } else if (place < model.size()) {
        compact.erase(compact.begin() + at);
        model.erase(model.begin() + at);
      }
      ASSERT_EQ(std::vector<std::uint32_t>(compact.begin(), compact.end()), model);
      ASSERT_EQ(compact.size(), model.size());
    }
    compact.clear();
    EXPECT_TRUE(compact.empty());
    compact.insert(compact.end(), 7);
    EXPECT_EQ(*compact.begin(), 7u);
  }
}

}  // namespace
}  // namespace shoal::base
