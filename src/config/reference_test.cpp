#include "config/reference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace shoal::config {
namespace {

TEST(Reference, TheCommittedPageIsTheGeneratedOne) {
  const auto page = std::filesystem::path(__FILE__).parent_path() / "../../docs/reference/configuration.md";
  if (std::getenv("SHOAL_WRITE_REFERENCE")) {
    std::filesystem::create_directories(page.parent_path());
    std::ofstream(page) << reference();
  }
  std::stringstream committed;
  committed << std::ifstream(page).rdbuf();
  EXPECT_EQ(committed.str(), reference()) << "write it again, see the comment in " << page;
}

TEST(Reference, RowsSayWhatAKeyTakesAndItsDefault) {
  const std::string text = reference();
  EXPECT_THAT(text,
              testing::HasSubstr(
                  "| `limits.packet_size` | size, 128 B to 255 MiB | `\"1 MiB\"` | A whole packet; then 0x95. |\n"));
  EXPECT_THAT(text, testing::HasSubstr("| `limits.connections` | integer, 1 to 1000000 | `10000` |"));
  EXPECT_THAT(text, testing::HasSubstr("| `auth.anonymous` | `true` or `false` | `false` |"));
}

}  // namespace
}  // namespace shoal::config
