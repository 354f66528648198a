#include "cli/table.hpp"

#include <algorithm>
#include <cstdio>
#include <ostream>

namespace shoal::cli {
namespace {

// 0.04s, 12.3s, then as a duration
std::string cpu_text(double seconds) {
  if (seconds >= 60) return duration_text(static_cast<std::uint64_t>(seconds));
  char text[32];
  std::snprintf(text, sizeof text, seconds < 10 ? "%.2fs" : "%.1fs", seconds);
  return text;
}

std::string two_digits(std::uint64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); }

}  // namespace

void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::size_t last = row.size();
    while (last > 0 && row[last - 1].empty()) --last;
    for (std::size_t i = 0; i < last; ++i) {
      out << row[i];
      if (i + 1 < last) out << std::string(widths[i] - row[i].size() + 2, ' ');
    }
    out << '\n';
  }
}

void print_instances(std::ostream& out, const std::vector<api::Instance>& instances) {
  std::vector<std::vector<std::string>> rows{
      {"NAME", "STATE", "PID", "WORKER", "CLIENTS", "CPU", "RESTARTS", "UPTIME", "LISTENERS"}};
  for (const api::Instance& instance : instances) {
    const bool ready = instance.state == "ready";
    std::string listeners;
    for (const std::string& url : instance.listeners) listeners += (listeners.empty() ? "" : " ") + url;
    rows.push_back({instance.name, instance.state, instance.pid > 0 ? std::to_string(instance.pid) : "-",
                    instance.engine == "shoal" ? instance.worker : instance.engine,
                    ready && instance.clients ? std::to_string(*instance.clients) : "-",
                    ready && instance.cpu_s ? cpu_text(*instance.cpu_s) : "-", std::to_string(instance.restarts),
                    ready ? duration_text(instance.uptime_s) : "-", listeners});
  }
  print_table(out, rows);
}

std::string duration_text(std::uint64_t seconds) {
  const std::uint64_t minutes = seconds / 60;
  const std::uint64_t hours = minutes / 60;
  if (minutes == 0) return std::to_string(seconds) + "s";
  if (hours == 0) return std::to_string(minutes) + "m " + two_digits(seconds % 60) + "s";
  if (hours < 24) return std::to_string(hours) + "h " + two_digits(minutes % 60) + "m";
  return std::to_string(hours / 24) + "d " + std::to_string(hours % 24) + "h";
}

}  // namespace shoal::cli
