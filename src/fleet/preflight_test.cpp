#include "fleet/preflight.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace shoal::fleet {
namespace {

namespace fs = std::filesystem;
using Level = Finding::Level;

class PreflightTest : public testing::Test {
 protected:
  PreflightTest() {
    fleet.state_dir = "/";
    for (const char* name : {"a", "b"}) {
      config::InstanceConfig instance;
      instance.name = name;
      instance.worker = "shared";
      instance.options.limits.connections = 1000;
      instance.listeners.push_back(
          {.host = "127.0.0.1", .ipv6 = false, .port = std::uint16_t{11883}, .at = {"f.toml", 3, 1}});
      fleet.instances.push_back(instance);
    }
    plenty.descriptors_hard = 1'000'000;
    plenty.descriptors_system = 10'000'000;
    plenty.memory_bytes = 64ull << 30;
    plenty.somaxconn = 4096;
    plenty.ephemeral = {32768, 60999};
    plenty.disk_free_bytes = 1ull << 40;
  }
  Level level(const std::string& what, const MachineFacts& facts) {
    Level worst = Level::ok;
    for (const Finding& finding : preflight(fleet, facts)) {
      EXPECT_EQ(finding.mend.empty(), finding.level == Level::ok) << finding.detail;
      if (finding.what == what) worst = std::max(worst, finding.level);
    }
    return worst;
  }

  config::FleetConfig fleet;
  MachineFacts plenty;
};

TEST_F(PreflightTest, WithPlentyOfEverythingAllIsWell) {
  const auto found = preflight(fleet, plenty);
  EXPECT_EQ(found.size(), 6u);
  for (const Finding& finding : found) EXPECT_EQ(finding.level, Level::ok) << finding.detail;
}

TEST_F(PreflightTest, WhatAWorkerIsGivenIsComparedWithWhatItsInstancesMayUse) {
  for (auto& instance : fleet.instances) instance.worker_limits.descriptors = 3000;
  EXPECT_EQ(level("descriptors", plenty), Level::ok);
  for (auto& instance : fleet.instances) instance.worker_limits.descriptors = 1500;
  EXPECT_EQ(level("descriptors", plenty), Level::warn);
  for (auto& instance : fleet.instances) instance.worker_limits.descriptors = 70;
  EXPECT_EQ(level("descriptors", plenty), Level::fail);
}

TEST_F(PreflightTest, OfExternalBrokersOnlyThePortCounts) {
  MachineFacts facts = plenty;
  facts.descriptors_hard = 1500;
  facts.memory_bytes = 1ull << 20;
  for (config::InstanceConfig& instance : fleet.instances) instance.engine = config::Engine::external;
  fleet.instances[1].listeners[0].port = std::uint16_t{40000};
  EXPECT_EQ(level("descriptors", facts), Level::ok);
  EXPECT_EQ(level("memory", facts), Level::ok);
  EXPECT_EQ(level("disk", facts), Level::ok);
  EXPECT_EQ(level("ports", facts), Level::warn);
}

TEST_F(PreflightTest, DescriptorsAreAddedUpForEachWorker) {
  MachineFacts facts = plenty;
  facts.descriptors_hard = 1500;
  EXPECT_EQ(level("descriptors", facts), Level::warn) << "both together may have 2000 connections";
  fleet.instances[1].worker = "own";
  EXPECT_EQ(level("descriptors", facts), Level::ok);
  facts.descriptors_hard = 70;
  EXPECT_EQ(level("descriptors", facts), Level::fail);
  facts = plenty;
  facts.descriptors_system = 2000;
  EXPECT_EQ(level("descriptors of the system", facts), Level::warn);
}

TEST_F(PreflightTest, MemoryDiskBacklogAndPorts) {
  MachineFacts facts = plenty;
  facts.memory_bytes = 512ull << 20;
  EXPECT_EQ(level("memory", facts), Level::warn);
  facts.disk_free_bytes = 1ull << 20;
  EXPECT_EQ(level("disk", facts), Level::ok) << "nothing is kept";
  for (auto& instance : fleet.instances) instance.options.persistence = Persistence::crash_safe;
  EXPECT_EQ(level("disk", facts), Level::fail);
  facts.disk_free_bytes = 512ull << 20;
  EXPECT_EQ(level("disk", facts), Level::warn);
  facts.somaxconn = 128;
  EXPECT_EQ(level("somaxconn", facts), Level::warn);
  EXPECT_EQ(level("ports", facts), Level::ok);
  fleet.instances[0].listeners[0].port = std::uint16_t{40000};
  EXPECT_EQ(level("ports", facts), Level::warn);
}

TEST_F(PreflightTest, WhatCannotBeReadIsNotJudged) { EXPECT_TRUE(preflight(fleet, {}).empty()); }

TEST_F(PreflightTest, TheLeastOfAllCgroupsCounts) {
  std::string root = fs::temp_directory_path() / "shoal-preflight-XXXXXX";
  root = ::mkdtemp(root.data());
  const auto write = [&](const std::string& file, const std::string& text) {
    fs::create_directories(fs::path(root + file).parent_path());
    std::ofstream(root + file) << text;
  };
  write("/proc/meminfo", "MemFree: 1 kB\nMemTotal:       2048 kB\n");
  write("/proc/self/cgroup", "1:name=x:/\n0::/system.slice/shoal.service\n");
  write("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
  MachineFacts facts = read_machine(fleet, root);
  EXPECT_EQ(facts.memory_bytes, 2048u * 1024);
  EXPECT_FALSE(facts.memory_of_cgroup);
  EXPECT_EQ(facts.ephemeral.last, 60999);
  EXPECT_FALSE(facts.somaxconn);
  write("/sys/fs/cgroup/system.slice/shoal.service/memory.max", "max\n");
  write("/sys/fs/cgroup/system.slice/memory.max", "1000000\n");
  facts = read_machine(fleet, root);
  EXPECT_EQ(facts.memory_bytes, 1'000'000u);
  EXPECT_TRUE(facts.memory_of_cgroup);
  fs::remove_all(root);
}

}  // namespace
}  // namespace shoal::fleet
