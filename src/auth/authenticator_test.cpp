#include "auth/authenticator.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

#include "auth/encoded_hash.hpp"

namespace shoal::auth {
namespace {

std::shared_ptr<const UserTable> users(const std::string& text) {
  auto table = UserTable::parse(text, "f");
  EXPECT_TRUE(table) << table.error().message;
  return *table;
}

std::string line(const std::string& name, const std::string& password) {
  const auto encoded = hash_password(password);
  EXPECT_TRUE(encoded);
  return name + ':' + *encoded + '\n';
}

Verdict run(const Authenticator& authenticator, std::string_view user, std::string_view password) {
  Verdict result{Decision::needs_hash, ""};
  const auto job = authenticator.job(user, password, [&](Verdict v) { result = v; });
  job.done(job.verify());
  return result;
}

TEST(Authenticator, RulesThatNeedNoPassword) {
  const auto table = users("");
  struct Case {
    bool anonymous;
    std::shared_ptr<const UserTable> table;
    std::optional<std::string_view> user;
    std::optional<std::string_view> password;
    Decision decision;
    std::string_view reason;
  };
  const Case cases[] = {
      {true, nullptr, {}, {}, Decision::accepted, "anonymous"},
      {true, table, {}, {}, Decision::accepted, "anonymous"},
      {true, table, {}, "token", Decision::accepted, "anonymous"},
      {false, nullptr, {}, {}, Decision::refused, "no user name"},
      {false, table, {}, {}, Decision::refused, "no user name"},
      {false, table, {}, "token", Decision::refused, "no user name"},
      {true, nullptr, "ann", "x", Decision::accepted, "anonymous: there are no users to check against"},
      {true, nullptr, "ann", {}, Decision::accepted, "anonymous: there are no users to check against"},
      {false, nullptr, "ann", "x", Decision::refused, "there are no users"},
      {true, table, "ann", "x", Decision::needs_hash, "password to be verified"},
      {false, table, "ann", "x", Decision::needs_hash, "password to be verified"},
      {false, table, "ann", "", Decision::needs_hash, "password to be verified"},
      {true, table, "ann", {}, Decision::refused, "no password"},
      {false, table, "ann", {}, Decision::refused, "no password"},
      {true, table, "", "x", Decision::needs_hash, "password to be verified"},
  };
  for (const Case& c : cases) {
    const Verdict verdict = Authenticator(c.anonymous, c.table).check(c.user, c.password);
    EXPECT_EQ(verdict.decision, c.decision) << c.reason;
    EXPECT_EQ(verdict.reason, c.reason);
  }
}

TEST(Authenticator, AVerifiedPasswordIsAcceptedAtOnceTheNextTime) {
  const Authenticator authenticator(false, users(line("ann", "secret")));
  EXPECT_EQ(authenticator.check("ann", "secret").decision, Decision::needs_hash);
  EXPECT_EQ(run(authenticator, "ann", "secret").decision, Decision::accepted);
  EXPECT_EQ(authenticator.check("ann", "secret").decision, Decision::accepted);
  EXPECT_EQ(authenticator.check("ann", "wrong").decision, Decision::needs_hash);
}

TEST(Authenticator, WrongPasswordsAndUnknownUsersAreRefusedAndNotRemembered) {
  const Authenticator authenticator(true, users(line("ann", "secret")));
  Verdict verdict = run(authenticator, "ann", "wrong");
  EXPECT_EQ(verdict.decision, Decision::refused);
  EXPECT_EQ(verdict.reason, "wrong password");
  verdict = run(authenticator, "bob", "secret");
  EXPECT_EQ(verdict.decision, Decision::refused);
  EXPECT_EQ(verdict.reason, "unknown user");
  EXPECT_EQ(authenticator.check("ann", "wrong").decision, Decision::needs_hash);
  EXPECT_EQ(authenticator.check("bob", "secret").decision, Decision::needs_hash);
}

TEST(Authenticator, ReloadForgetsChangedAndRemovedUsersOnly) {
  const std::string ann = line("ann", "a");
  Authenticator authenticator(false, users(ann + line("bob", "b") + line("cid", "c")));
  for (const char* name : {"a", "b", "c"}) {
    const std::string user = name == std::string("a") ? "ann" : name == std::string("b") ? "bob" : "cid";
    ASSERT_EQ(run(authenticator, user, name).decision, Decision::accepted);
  }
  authenticator.set_users(users(ann + line("bob", "new")));
  EXPECT_EQ(authenticator.check("ann", "a").decision, Decision::accepted);
  EXPECT_EQ(authenticator.check("bob", "b").decision, Decision::needs_hash);
  EXPECT_EQ(run(authenticator, "bob", "b").decision, Decision::refused);
  EXPECT_EQ(run(authenticator, "bob", "new").decision, Decision::accepted);
  EXPECT_EQ(run(authenticator, "cid", "c").decision, Decision::refused);
  authenticator.set_users(nullptr);
  EXPECT_EQ(authenticator.check("ann", "a").decision, Decision::refused);
  EXPECT_EQ(run(authenticator, "ann", "a").reason, "there are no users");
}

TEST(Authenticator, AJobOutlivesIt) {
  PasswordPool::Job job;
  {
    const Authenticator authenticator(false, users(line("ann", "secret")));
    job = authenticator.job("ann", "secret", [](Verdict) {});
  }
  EXPECT_EQ(job.verify().decision, Decision::accepted);
}

// One hash each would take seconds even here; the memory of verified passwords makes it instant.
TEST(Authenticator, ManyClientsWithOnePasswordCostOneHash) {
  std::latch all(5000);
  std::atomic<int> accepted = 0;
  const Authenticator authenticator(false, users(line("ann", "secret")));
  PasswordPool pool({.threads = 1});
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(pool.submit(authenticator.key(), authenticator.job("ann", "secret", [&](Verdict v) {
      accepted += v.decision == Decision::accepted;
      all.count_down();
    })));
  }
  all.wait();
  EXPECT_EQ(accepted, 5000);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace shoal::auth
