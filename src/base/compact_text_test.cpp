#include "base/compact_text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace shoal::base {
namespace {

static_assert(sizeof(CompactText) == 16);

TEST(CompactText, OfAnySize) {
  EXPECT_EQ(CompactText().view(), "");
  for (const std::size_t size : {0u, 1u, 13u, 14u, 15u, 16u, 300u, 65'535u}) {
    const std::string text(size, 'x');
    CompactText compact(text);
    EXPECT_EQ(compact.view(), text);
    CompactText moved(std::move(compact));
    EXPECT_EQ(moved.view(), text);
    CompactText assigned("something that was there before");
    assigned = std::move(moved);
    EXPECT_EQ(assigned.view(), text);
  }
}

TEST(CompactText, InAVectorThatGrows) {
  std::vector<CompactText> all;
  for (std::size_t i = 0; i < 100; ++i) all.emplace_back(std::string(i, 'y'));
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(all[i].view(), std::string(i, 'y'));
}

}  // namespace
}  // namespace shoal::base
