#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bench/faults.hpp"
#include "bench/latencies.hpp"

namespace shoal::bench {

/// What a run found: figures in the order of adding, and what is wrong. A value.
class Report {
 public:
  using Value = std::variant<std::uint64_t, double, bool, std::string>;
  struct Figure {
    std::string key;  ///< with the unit behind
    Value value;
  };

  void add(std::string_view key, Value value) { figures_.push_back({std::string(key), std::move(value)}); }
  /// `NAME_p50_us` and so on, `NAME_max_us`; nothing when there are none.
  void add(std::string_view name, const Latencies& latencies);
  /// All counts; those that must not be above 0 as faults. `qos`: that of the deliveries.
  void add(const Faults& faults, unsigned qos);
  /// One line; the run's checks do not hold.
  void fault(std::string line) { faults_.push_back(std::move(line)); }
  /// One line; the figures are doubtful.
  void warn(std::string line) { warnings_.push_back(std::move(line)); }

  bool holds() const { return faults_.empty(); }
  const std::vector<Figure>& figures() const { return figures_; }
  const std::vector<std::string>& faults() const { return faults_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// The figure of that key, or null.
  const Value* find(std::string_view key) const;

 private:
  std::vector<Figure> figures_;
  std::vector<std::string> faults_;
  std::vector<std::string> warnings_;
};

/// A value for people: few digits.
std::string to_text(const Report::Value& value);

}  // namespace shoal::bench
