#include "cli/users_command.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>

#include "auth/password_hash.hpp"
#include "auth/users_file.hpp"

namespace shoal::cli {
namespace {

namespace fs = std::filesystem;

/// A home folder with two instances and no controller.
class UsersCommand : public testing::Test {
 protected:
  UsersCommand() {
    std::string name = (fs::temp_directory_path() / "shoal-users-command-XXXXXX").string();
    home_ = ::mkdtemp(name.data());
    std::ofstream(home_ / "shoal.toml") << "[instances.plant]\n"
                                           "listeners = [\"mqtt://127.0.0.1:auto\"]\n"
                                           "auth = { users_file = \"plant.users\" }\n"
                                           "[instances.lab]\n"
                                           "listeners = [\"mqtt://127.0.0.1:auto\"]\n"
                                           "auth = { anonymous = true }\n";
  }
  ~UsersCommand() override { fs::remove_all(home_); }

  int shoal(std::vector<std::string> words, const std::string& input = "") {
    in_.clear();
    in_.str(input);
    out_.str("");
    err_.str("");
    Context context{.in = in_, .out = out_, .err = err_, .home_env = home_.string()};
    CLI::App app;
    add_users_command(app, context);
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    try {
      app.parse(words);
    } catch (const CLI::ParseError& error) {
      err_ << error.what();
      return kUsage;
    }
    return context.exit_code;
  }

  std::string file() const { return (home_ / "plant.users").string(); }

  fs::path home_;
  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(UsersCommand, AddMakesTheFileWithAHashOfThePassword) {
  EXPECT_EQ(shoal({"users", "add", "plant", "ann", "--password-stdin"}, "pass word\nrest"), kDone) << err_.str();
  EXPECT_EQ(out_.str(), "user ann added to plant\n");
  EXPECT_EQ(err_.str(), "");
  const auto users = auth::load_users(file());
  ASSERT_TRUE(users) << users.error().message;
  ASSERT_NE((*users)->find("ann"), nullptr);
  EXPECT_TRUE(auth::verify_password(*(*users)->find("ann"), "pass word"));
  EXPECT_EQ(fs::status(file()).permissions(), fs::perms(0600));
}

TEST_F(UsersCommand, AddAgainChangesThePassword) {
  std::ofstream(home_ / "secret") << "new\r\n";
  ASSERT_EQ(shoal({"users", "add", "plant", "ann", "--password-stdin"}, "old\n"), kDone);
  ASSERT_EQ(shoal({"users", "add", "plant", "ann", "--password-file", (home_ / "secret").string()}), kDone);
  EXPECT_EQ(out_.str(), "password of user ann changed in plant\n");
  const auto users = auth::load_users(file());
  ASSERT_TRUE(users);
  EXPECT_EQ((*users)->size(), 1u);
  EXPECT_TRUE(auth::verify_password(*(*users)->find("ann"), "new"));
}

TEST_F(UsersCommand, ListAndRemove) {
  EXPECT_EQ(shoal({"users", "ls", "plant"}), kDone);
  EXPECT_EQ(out_.str(), "");
  ASSERT_EQ(shoal({"users", "add", "plant", "b\"b", "--password-stdin"}, "x"), kDone);
  ASSERT_EQ(shoal({"users", "add", "plant", "ann", "--password-stdin"}, "x"), kDone);
  EXPECT_EQ(shoal({"users", "ls", "plant"}), kDone);
  EXPECT_EQ(out_.str(), "b\"b\nann\n");
  EXPECT_EQ(shoal({"users", "ls", "plant", "--json"}), kDone);
  EXPECT_EQ(out_.str(), "[{\"name\":\"b\\\"b\"},{\"name\":\"ann\"}]\n");
  EXPECT_EQ(shoal({"users", "rm", "plant", "ann"}), kDone);
  EXPECT_EQ(out_.str(), "user ann removed from plant\n");
  EXPECT_EQ(shoal({"users", "rm", "plant", "ann"}), kAlreadySo);
  EXPECT_NE(err_.str().find("instance plant has no user ann"), std::string::npos);
  EXPECT_EQ(shoal({"users", "ls", "plant"}), kDone);
  EXPECT_EQ(out_.str(), "b\"b\n");
}

TEST_F(UsersCommand, WhatIsWrongIsSaidAndNothingWritten) {
  EXPECT_EQ(shoal({"users", "add", "none", "ann", "--password-stdin"}, "x"), kNoSuchInstance);
  EXPECT_EQ(shoal({"users", "add", "lab", "ann", "--password-stdin"}, "x"), kFailed);
  EXPECT_NE(err_.str().find("instance lab has no users file"), std::string::npos) << err_.str();
  EXPECT_EQ(shoal({"users", "add", "plant", "ann", "--password-stdin"}, "\n"), kFailed);
  EXPECT_NE(err_.str().find("the password from standard input is empty"), std::string::npos) << err_.str();
  EXPECT_EQ(shoal({"users", "add", "plant", "ann", "--password-file", (home_ / "no").string()}), kFailed);
  EXPECT_NE(err_.str().find("cannot open password file"), std::string::npos) << err_.str();
  EXPECT_EQ(shoal({"users", "add", "plant", "a:b", "--password-stdin"}, "x"), kUsage);
  EXPECT_EQ(shoal({"users", "add", "plant", "ann", "secret"}), kUsage);
  EXPECT_EQ(shoal({"users", "add", "plant", "ann", "--password-stdin", "--password-file", "x"}), kUsage);
  EXPECT_EQ(shoal({"users", "add", "plant", "ann", "--password-stdin"}, std::string(65'536, 'x')), kFailed);
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(UsersCommand, ABrokenFileIsReportedWithItsLineAndKept) {
  std::ofstream(file()) << "# mine\nann\n";
  EXPECT_EQ(shoal({"users", "add", "plant", "bob", "--password-stdin"}, "x"), kFailed);
  EXPECT_NE(err_.str().find("plant.users:2:4: expected name:"), std::string::npos) << err_.str();
  EXPECT_EQ(fs::file_size(file()), 11u);
}

}  // namespace
}  // namespace shoal::cli
