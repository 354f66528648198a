#pragma once

#include <cstdint>
#include <string_view>

#include "bench/stage.hpp"

namespace shoal::bench {

/// What brokers and this program use from one moment to another. Says nothing of brokers without a process id.
class Usage {
 public:
  /// Begins now. A process that cannot be read is a failure of the stage.
  explicit Usage(Stage& stage);
  /// Ends now.
  void end();

  double seconds() const { return std::chrono::duration<double>(until_ - from_).count(); }
  /// `cpu_us_per_UNIT`.
  void add_cpu(Report& report, std::string_view unit, std::uint64_t count) const;
  /// `pss_bytes_per_UNIT`.
  void add_memory(Report& report, std::string_view unit, std::uint64_t count) const;
  /// `wake_ups_per_s`.
  void add_wake_ups(Report& report) const;
  /// `broker_cores` and `own_cores`; warns when this program was the bottleneck.
  void add_cores(Report& report) const;

 private:
  BrokerMeter::Reading read();

  Stage& stage_;
  base::Time from_;
  BrokerMeter::Reading before_;
  double own_before_us_;
  base::Time until_{};
  BrokerMeter::Reading after_{};
  double own_us_ = 0;
};

}  // namespace shoal::bench
