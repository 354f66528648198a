#include "bench/broker_meter.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace shoal::bench {
namespace {

namespace fs = std::filesystem;

class BrokerMeterTest : public testing::Test {
 protected:
  BrokerMeterTest() {
    std::string name = (fs::temp_directory_path() / "shoal-meter-XXXXXX").string();
    proc = ::mkdtemp(name.data());
  }
  ~BrokerMeterTest() override { fs::remove_all(proc); }
  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((proc / file).parent_path());
    std::ofstream(proc / file) << text;
  }
  fs::path proc;
};

TEST_F(BrokerMeterTest, AddsAllThreadsOfAllProcesses) {
  write("10/task/10/schedstat", "5000 1 2\n");
  write("10/task/11/schedstat", "3000 1 2\n");
  write("10/task/10/status", "Name:\tbroker\nvoluntary_ctxt_switches:\t30\nnonvoluntary_ctxt_switches:\t500\n");
  write("10/task/11/status", "voluntary_ctxt_switches:\t4\n");
  write("10/smaps_rollup", "00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss:  90 kB\nPss:  40 kB\nPss_Anon: 7 kB\n");
  write("20/task/20/schedstat", "2000 1 2\n");
  write("20/smaps_rollup", "Pss: 2 kB\n");
  const auto reading = BrokerMeter({10, 20}, proc.string()).read();
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->cpu_us, 10.0);
  EXPECT_EQ(reading->pss_bytes, 42u * 1024);
  EXPECT_EQ(reading->wake_ups, 34u);
}

TEST_F(BrokerMeterTest, AProcessThatIsGoneIsAnError) {
  const auto reading = BrokerMeter({12345}, proc.string()).read();
  ASSERT_FALSE(reading);
  EXPECT_NE(reading.error().message.find("12345"), std::string::npos);
  EXPECT_FALSE(BrokerMeter().given());
  EXPECT_TRUE(BrokerMeter().read());
}

TEST(BrokerMeter, ReadsThisProcess) {
  std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a wake-up
  const auto reading = BrokerMeter({::getpid()}).read();
  ASSERT_TRUE(reading) << reading.error().message;
  EXPECT_GT(reading->cpu_us, 0);
  EXPECT_GT(reading->pss_bytes, 0u);
  EXPECT_GT(reading->wake_ups, 0u);
  EXPECT_GT(own_cpu_us(), 0);
}

}  // namespace
}  // namespace shoal::bench
