#include "fleet/port_holder.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace shoal::fleet {
namespace {

namespace fs = std::filesystem;

constexpr auto kHead =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/// A procfs of a little-endian machine.
class PortHolderTest : public testing::Test {
 protected:
  PortHolderTest() {
    std::string path = fs::temp_directory_path() / "shoal-proc-XXXXXX";
    proc_ = ::mkdtemp(path.data());
    fs::create_directories(proc_ / "net");
    tcp("tcp", {});
    tcp("tcp6", {});
    process("812", "mosquitto", "socket:[4711]");
    process("900", "child", "socket:[4711]");
    process("7", "other", "socket:[1]");
    fs::create_directories(proc_ / "sys");
  }
  ~PortHolderTest() override { fs::remove_all(proc_); }

  void tcp(const std::string& name, const std::string& local, const std::string& state = "0A",
           const std::string& inode = "4711") {
    std::ofstream file(proc_ / "net" / name);
    file << kHead;
    if (!local.empty())
      file << "   0: " << local << " 00000000:0000 " << state
           << " 00000000:00000000 00:00000000 00000000  1000        0 " << inode
           << " 1 0000000000000000 100 0 0 10 0\n";
  }
  void process(const std::string& pid, const std::string& name, const std::string& link) {
    fs::create_directories(proc_ / pid / "fd");
    std::ofstream(proc_ / pid / "comm") << name << '\n';
    fs::create_symlink("/dev/null", proc_ / pid / "fd/0");
    fs::create_symlink(link, proc_ / pid / "fd/5");
  }
  std::string find(const std::string& host, std::uint16_t port) const {
    const auto holder =
        find_port_holder({.host = host, .ipv6 = host.find(':') != std::string::npos, .port = port, .at = {}}, proc_);
    return holder ? holder->program + ' ' + std::to_string(holder->pid) : "";
  }

  fs::path proc_;
};

TEST_F(PortHolderTest, OfTheSameAddressOrAWildcard) {
  tcp("tcp", "0100007F:2E6B");
  EXPECT_EQ(find("127.0.0.1", 11883), "mosquitto 812") << "the oldest process with the socket";
  EXPECT_EQ(find("0.0.0.0", 11883), "mosquitto 812");
  EXPECT_EQ(find("127.0.0.2", 11883), "");
  EXPECT_EQ(find("127.0.0.1", 11884), "");
  EXPECT_EQ(find("::", 11883), "");
  tcp("tcp", "00000000:2E6B");
  EXPECT_EQ(find("127.0.0.2", 11883), "mosquitto 812");
  EXPECT_EQ(find("::1", 11883), "");
}

TEST_F(PortHolderTest, OfTheOtherFamilyWhenItServesBoth) {
  tcp("tcp6", "00000000000000000000000000000000:2E6B");
  EXPECT_EQ(find("127.0.0.1", 11883), "mosquitto 812");
  EXPECT_EQ(find("::1", 11883), "mosquitto 812");
  tcp("tcp6", "0000000000000000FFFF00000100007F:2E6B");
  EXPECT_EQ(find("127.0.0.1", 11883), "mosquitto 812");
  EXPECT_EQ(find("0.0.0.0", 11883), "mosquitto 812");
  tcp("tcp6", "00000000000000000000000001000000:2E6B");
  EXPECT_EQ(find("::1", 11883), "mosquitto 812");
  EXPECT_EQ(find("::", 11883), "mosquitto 812");
  EXPECT_EQ(find("127.0.0.1", 11883), "");
}

TEST_F(PortHolderTest, AConnectionHoldsItsPortTooButNotAfterItsEnd) {
  tcp("tcp", "0100007F:2E6B", "01");
  EXPECT_EQ(find("127.0.0.1", 11883), "mosquitto 812");
  tcp("tcp", "0100007F:2E6B", "06", "0");
  EXPECT_EQ(find("127.0.0.1", 11883), "");
}

TEST_F(PortHolderTest, AProcessThatCannotBeSeenIsNobody) {
  tcp("tcp", "0100007F:2E6B", "0A", "99");
  EXPECT_EQ(find("127.0.0.1", 11883), "");
  fs::remove_all(proc_);
  EXPECT_EQ(find("127.0.0.1", 11883), "");
}

}  // namespace
}  // namespace shoal::fleet
