#include "controller/privileges.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace shoal::controller {
namespace {

using testing::HasSubstr;

TEST(Privileges, AccountsAreFoundByName) {
  const auto root = find_account("root");
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(root->uid, 0u);
  EXPECT_EQ(root->gid, 0u);
  const auto other = find_account("root:daemon");
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->name, "root");
  EXPECT_NE(other->gid, 0u);
}

TEST(Privileges, WhoDoesNotExistIsNamed) {
  const auto user = find_account("no-such-user");
  ASSERT_FALSE(user.ok());
  EXPECT_EQ(user.error().message, "there is no user no-such-user; `useradd --system no-such-user` makes one");
  EXPECT_EQ(find_account("root:no-such-group").error().message, "there is no group no-such-group");
}

TEST(Privileges, TheVeryUserStaysAndOthersAreAskedToBeIt) {
  config::FleetConfig config;
  EXPECT_TRUE(become_user(config).ok()) << "nobody is wanted";
  config.user_at = {"shoal.toml", 3, 8};
  config.user = "no-such-user";
  const auto refused = become_user(config);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("shoal.toml:3:8: fleet.user: there is no user"));
  if (::geteuid() != 0) return;
  config.user = "root";
  EXPECT_TRUE(become_user(config).ok());
}

}  // namespace
}  // namespace shoal::controller
