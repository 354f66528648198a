#include "bench/usage.hpp"

#include <string>

namespace shoal::bench {
namespace {

constexpr double kBusyCores = 0.9;

double per(double amount, std::uint64_t count) { return count == 0 ? 0 : amount / static_cast<double>(count); }

}  // namespace

Usage::Usage(Stage& stage)
    : stage_(stage), from_(io::Reactor::read_clock()), before_(read()), own_before_us_(own_cpu_us()) {}

void Usage::end() {
  own_us_ = own_cpu_us() - own_before_us_;
  until_ = io::Reactor::read_clock();
  after_ = read();
}

BrokerMeter::Reading Usage::read() {
  if (!stage_.settings().meter.given()) return {};
  const auto reading = stage_.settings().meter.read();
  if (reading) return *reading;
  stage_.fail(reading.error().message);
  return {};
}

void Usage::add_cpu(Report& report, std::string_view unit, std::uint64_t count) const {
  if (!stage_.settings().meter.given() || count == 0) return;
  report.add("cpu_us_per_" + std::string(unit), per(after_.cpu_us - before_.cpu_us, count));
}

void Usage::add_memory(Report& report, std::string_view unit, std::uint64_t count) const {
  if (!stage_.settings().meter.given() || count == 0) return;
  const double grown = static_cast<double>(after_.pss_bytes) - static_cast<double>(before_.pss_bytes);
  report.add("pss_bytes_per_" + std::string(unit), per(grown, count));
}

void Usage::add_wake_ups(Report& report) const {
  if (!stage_.settings().meter.given()) return;
  report.add("wake_ups_per_s", static_cast<double>(after_.wake_ups - before_.wake_ups) / seconds());
}

void Usage::add_cores(Report& report) const {
  const double own = own_us_ / 1e6 / seconds();
  double broker = 0;
  if (stage_.settings().meter.given()) {
    broker = (after_.cpu_us - before_.cpu_us) / 1e6 / seconds();
    report.add("broker_cores", broker);
  }
  report.add("own_cores", own);
  if (own > kBusyCores && broker < kBusyCores) {
    report.warn("this program was busy for " + to_text(own * 100) + " % of the time: it may have been the bottleneck");
  }
}

}  // namespace shoal::bench
