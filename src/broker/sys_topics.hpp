#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "io/timer_queue.hpp"

namespace shoal::broker {

class Shard;

/// `$SYS`: what the instance tells about itself, under mosquitto's names. Values are there, and a timer
/// runs, only while somebody who is connected subscribes to them. Of several shards the first tells of all. Pure; the shard's thread.
class SysTopics final : private io::Timer {
 public:
  explicit SysTopics(Shard& shard);
  ~SysTopics() override;
  SysTopics(const SysTopics&) = delete;
  SysTopics& operator=(const SysTopics&) = delete;

  /// Somebody is about to subscribe to a filter that starts with `$SYS`, or comes back to one: the values are
  /// there when this returns.
  void wanted();
  /// `sys_interval_s` may be another one.
  void interval_changed();

 private:
  /// A counter's rate per minute over 1, 5 and 15 minutes.
  struct Load {
    std::uint64_t last = 0;
    std::array<double, 3> average{};
  };

  void on_deadline(base::Time now) override;
  void refresh();
  void set(std::string_view topic, std::string value);
  void set(std::string_view topic, std::uint64_t value) { set(topic, std::to_string(value)); }
  void load(std::string_view name, std::uint64_t total, double seconds);
  bool heard() const;

  Shard& shard_;
  base::Time started_;
  base::Time sampled_;
  std::map<std::string, std::string, std::less<>> values_;  // by topic; empty: nobody listens
  std::map<std::string, Load, std::less<>> loads_;
  std::uint64_t bytes_max_ = 0;
};

}  // namespace shoal::broker
