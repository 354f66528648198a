#include "bench/report.hpp"

#include <fmt/format.h>

#include <utility>

namespace shoal::bench {

void Report::add(std::string_view name, const Latencies& latencies) {
  if (latencies.count() == 0) return;
  constexpr std::pair<const char*, double> kShares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
  for (const auto& [suffix, share] : kShares) add(fmt::format("{}_{}_us", name, suffix), latencies.quantile_us(share));
  add(fmt::format("{}_max_us", name), latencies.max_us());
}

void Report::add(const Faults& faults, unsigned qos) {
  struct Count {
    const char* key;
    std::uint64_t value;
    const char* means;
  };
  const Count counts[] = {
      {"lost", faults.lost, "lost"},
      {"duplicates", faults.duplicates, "delivered more than once"},
      {"out_of_order", faults.out_of_order, "delivered after a later one of the same publisher"},
      {"misdelivered", faults.misdelivered, "delivered to who had not asked for them"},
      {"damaged", faults.damaged, "not what was sent"},
      {"refused", faults.refused, "refused by the broker"},
  };
  for (const Count& count : counts) {
    add(count.key, count.value);
    if (count.value == 0) continue;
    std::string line = fmt::format("{} messages {}", count.value, count.means);
    if (count.key == std::string_view("duplicates") && qos == 1) warn(line + ", which QoS 1 allows");
    else fault(std::move(line));
  }
}

const Report::Value* Report::find(std::string_view key) const {
  for (const Figure& figure : figures_) {
    if (figure.key == key) return &figure.value;
  }
  return nullptr;
}

std::string to_text(const Report::Value& value) {
  if (const auto* number = std::get_if<double>(&value)) {
    const double size = *number < 0 ? -*number : *number;
    return fmt::format("{:.{}f}", *number, size >= 100 ? 0 : size >= 10 ? 1 : 3);
  }
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "yes" : "no";
  return std::get<std::string>(value);
}

}  // namespace shoal::bench
