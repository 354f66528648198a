#include "fleet/port_book.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace shoal::fleet {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

config::ListenerConfig listener(const std::string& host, std::optional<std::uint16_t> port, unsigned line = 0) {
  return {.host = host, .ipv6 = host.find(':') != std::string::npos, .port = port, .at = {"shoal.toml", line, 14}};
}

class PortBookTest : public testing::Test {
 protected:
  PortBookTest() {
    std::string path = fs::temp_directory_path() / "shoal-ports-XXXXXX";
    folder_ = ::mkdtemp(path.data());
  }
  ~PortBookTest() override { fs::remove_all(folder_); }

  void add(const std::string& name, std::vector<config::ListenerConfig> listeners) {
    config::InstanceConfig& instance = fleet_.instances.emplace_back();
    instance.name = name;
    instance.listeners = std::move(listeners);
    instance.state_dir = folder_ / name;
  }
  const config::InstanceConfig& instance(const std::string& name) const { return *fleet_.find(name); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories(folder_ / name);
    std::ofstream(folder_ / name / "ports") << text;
  }
  std::string read(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(folder_ / name / "ports").rdbuf();
    return text.str();
  }

  fs::path folder_;
  config::FleetConfig fleet_;
};

TEST_F(PortBookTest, WhatIsSavedIsRemembered) {
  add("lab", {listener("127.0.0.1", {}), listener("::1", {}), listener("127.0.0.1", {})});
  {
    PortBook book(fleet_);
    EXPECT_EQ(book.remembered("lab", 0), std::nullopt);
    book.remember(instance("lab"), 0, 18000);
    book.remember(instance("lab"), 1, 18001);
    book.remember(instance("lab"), 2, 18002);
    EXPECT_FALSE(fs::exists(folder_ / "lab"));
    ASSERT_TRUE(book.save(instance("lab")));
  }
  EXPECT_EQ(read("lab"), "127.0.0.1 18000\n::1 18001\n127.0.0.1 18002\n");
  EXPECT_FALSE(fs::exists(folder_ / "lab/ports.new"));
  const PortBook book(fleet_);
  EXPECT_EQ(book.remembered("lab", 0), 18000);
  EXPECT_EQ(book.remembered("lab", 1), 18001);
  EXPECT_EQ(book.remembered("lab", 2), 18002);
  EXPECT_EQ(book.remembered("lab", 3), std::nullopt);
  EXPECT_THAT(book.damaged(), IsEmpty());
  EXPECT_TRUE(book.owned(18001));
  EXPECT_FALSE(book.owned(18003));
}

TEST_F(PortBookTest, ListenersKeepTheirPortWhenTheyChangePlaces) {
  write("lab", "127.0.0.1 18000\n::1 18001\n");
  add("lab", {listener("::1", {}), listener("0.0.0.0", 18007), listener("127.0.0.1", {})});
  const PortBook book(fleet_);
  EXPECT_EQ(book.remembered("lab", 0), 18001);
  EXPECT_EQ(book.remembered("lab", 1), std::nullopt);
  EXPECT_EQ(book.remembered("lab", 2), 18000);
}

TEST_F(PortBookTest, DamagedLinesAreSkippedAndTold) {
  for (const std::string damage : {"\xff\xfe\n", "127.0.0.1\n", "127.0.0.1 0\n", "127.0.0.1 65536\n",
                                   "127.0.0.1 1800x\n", "127.0.0.1 18000 1\n", "\n"}) {
    write("lab", damage + "::1 18001");
    fleet_.instances.clear();
    add("lab", {listener("127.0.0.1", {}), listener("::1", {})});
    const PortBook book(fleet_);
    EXPECT_EQ(book.remembered("lab", 0), std::nullopt) << damage;
    EXPECT_EQ(book.remembered("lab", 1), 18001) << damage;
    EXPECT_THAT(book.damaged(), ElementsAre((folder_ / "lab/ports").string()));
  }
}

TEST_F(PortBookTest, AHugeFileIsDamaged) {
  write("lab", std::string(1 << 20, 'x'));
  add("lab", {listener("127.0.0.1", {})});
  EXPECT_THAT(PortBook(fleet_).damaged(), ElementsAre((folder_ / "lab/ports").string()));
}

TEST_F(PortBookTest, ANewPortTakesThePlaceOfTheOldOne) {
  write("lab", "127.0.0.1 18000\n");
  add("lab", {listener("127.0.0.1", {})});
  PortBook book(fleet_);
  book.remember(instance("lab"), 0, 18005);
  EXPECT_FALSE(book.owned(18000));
  EXPECT_TRUE(book.owned(18005));
  ASSERT_TRUE(book.save(instance("lab")));
  EXPECT_EQ(read("lab"), "127.0.0.1 18005\n");
}

TEST_F(PortBookTest, NothingNewIsNotWritten) {
  write("lab", "127.0.0.1 18000\n# by hand\n");
  add("lab", {listener("127.0.0.1", {})});
  PortBook book(fleet_);
  ASSERT_TRUE(book.save(instance("lab")));
  EXPECT_THAT(read("lab"), HasSubstr("by hand"));
}

TEST_F(PortBookTest, AnotherOwnerIsOneWhoseAddressOverlaps) {
  write("lab", "127.0.0.1 11883\n");
  add("lab", {listener("127.0.0.1", {}, 20)});
  add("plant-a", {listener("127.0.0.1", 11883, 14)});
  add("plant-b", {listener("127.0.0.2", 11883, 17)});
  const PortBook book(fleet_);
  const auto owner = [&](const std::string& who, const std::string& host) {
    const PortBook::Owner* found = book.other_owner(who, listener(host, 11883));
    return found ? found->instance : "";
  };
  EXPECT_EQ(owner("lab", "127.0.0.1"), "plant-a");
  EXPECT_EQ(owner("plant-a", "127.0.0.1"), "lab");
  EXPECT_EQ(owner("plant-c", "127.0.0.1"), "plant-a") << "written before remembered";
  EXPECT_EQ(owner("plant-a", "0.0.0.0"), "plant-b");
  EXPECT_EQ(owner("plant-b", "127.0.0.2"), "");
  EXPECT_EQ(owner("plant-c", "::"), "");
}

TEST_F(PortBookTest, AFolderThatCannotBeMadeIsAnError) {
  std::ofstream(folder_ / "lab") << "a file";
  add("lab", {listener("127.0.0.1", {})});
  PortBook book(fleet_);
  book.remember(instance("lab"), 0, 18000);
  const auto saved = book.save(instance("lab"));
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().message, "cannot write " + (folder_ / "lab/ports").string() + ": Not a directory");
}

}  // namespace
}  // namespace shoal::fleet
