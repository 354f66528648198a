#include "controller/external_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace shoal::controller {
namespace {

namespace fs = std::filesystem;

/// A child that does nothing until it is killed.
class Child {
 public:
  Child() : pid_(::fork()) {
    while (pid_ == 0) ::pause();
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

class ExternalRecordsTest : public testing::Test {
 protected:
  ExternalRecordsTest() {
    std::string path = (fs::temp_directory_path() / "shoal-records-XXXXXX").string();
    run_dir = ::mkdtemp(path.data());
  }
  ~ExternalRecordsTest() override { fs::remove_all(run_dir); }

  static link::Message told(const char* name) {
    return link::Message(link::type::kHosts).add("name", std::string_view(name)).add("x", std::string_view("a\nb"));
  }

  std::string run_dir;
};

TEST(ProcessIdentity, IsOfOneProcessUntilItEnds) {
  auto child = std::make_unique<Child>();
  const auto identity = identify(child->pid());
  ASSERT_TRUE(identity);
  EXPECT_EQ(identify(child->pid()), identity);
  EXPECT_NE(identify(::getpid()), identity);
  const base::UniqueFd process = open_process(*identity);
  ASSERT_TRUE(process);

  ProcessIdentity other = *identity;
  other.started += 1;
  EXPECT_FALSE(open_process(other)) << "the pid of another one, later";
  other = *identity;
  other.boot = "before";
  EXPECT_FALSE(open_process(other));

  kill_group(other);
  EXPECT_EQ(identify(child->pid()), identity) << "of another one nobody is killed";

  ::kill(child->pid(), SIGKILL);
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&ended, 1, 20'000), 1);
  EXPECT_FALSE(open_process(*identity)) << "it has ended, though nobody has waited for it";
  child.reset();
  EXPECT_FALSE(open_process(*identity));
  EXPECT_FALSE(open_process({}));
}

TEST_F(ExternalRecordsTest, AreReadAsTheyWereWritten) {
  const ExternalRecords records(run_dir);
  EXPECT_TRUE(records.read().empty());
  const ProcessIdentity identity{.pid = 7, .started = 9, .boot = "this"};
  ASSERT_TRUE(records.write("b", identity, told("b")));
  ASSERT_TRUE(records.write("a", identity, told("a")));
  ASSERT_TRUE(records.write("a", identity, told("a").add("state", std::string_view("ready"))));
  const auto all = records.read();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "a");
  EXPECT_EQ(all[0].process, identity);
  EXPECT_EQ(all[0].told.fields(), told("a").add("state", std::string_view("ready")).fields());
  records.remove("a");
  EXPECT_EQ(records.read().size(), 1u);
  records.remove_folder();
  EXPECT_EQ(records.read().size(), 1u);
  records.remove("b");
  records.remove_folder();
  EXPECT_FALSE(fs::exists(run_dir + "/external"));
}

TEST_F(ExternalRecordsTest, NonsenseIsNoRecord) {
  const ExternalRecords records(run_dir);
  ASSERT_TRUE(records.write("b", {}, told("b")));
  fs::copy(run_dir + "/external/b", run_dir + "/external/other");
  std::ofstream(run_dir + "/external/empty");
  std::ofstream(run_dir + "/external/noise") << "x=\0\n";
  ASSERT_EQ(records.read().size(), 1u);
  EXPECT_FALSE(open_process(records.read()[0].process));
}

TEST_F(ExternalRecordsTest, WhatCannotBeWrittenIsSaid) {
  const ExternalRecords records(run_dir + "/missing");
  const auto written = records.write("b", {}, told("b"));
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, testing::HasSubstr("cannot write"));
}

}  // namespace
}  // namespace shoal::controller
